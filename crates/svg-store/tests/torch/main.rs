//! Files that PyTorch wrote (`write.py`), read without it.

mod mutation;

use std::path::{Path, PathBuf};

use svg_store::{Dtype, TorchError, TorchFile, TorchTensor};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/torch/files")
        .join(name)
}

fn open(name: &str) -> TorchFile {
    TorchFile::open(&path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn error(name: &str) -> TorchError {
    TorchFile::open(&path(name))
        .err()
        .unwrap_or_else(|| panic!("{name} was opened"))
}

fn names(file: &TorchFile) -> Vec<&str> {
    file.tensors()
        .iter()
        .map(|tensor| tensor.name.as_str())
        .collect()
}

fn tensor<'a>(file: &'a TorchFile, name: &str) -> &'a TorchTensor {
    let found = file.tensors().iter().find(|tensor| tensor.name == name);
    found.unwrap_or_else(|| panic!("{name} is not among {:?}", names(file)))
}

/// Shape and numbers of a tensor.
fn numbers(file: &TorchFile, name: &str) -> (Vec<usize>, Vec<f64>) {
    let tensor = tensor(file, name);
    let bytes = file.read(tensor).unwrap();
    let size = tensor.dtype.bitsize() / 8;
    let numbers = bytes.chunks(size).map(|bytes| number(tensor.dtype, bytes));
    (tensor.shape.clone(), numbers.collect())
}

fn number(dtype: Dtype, bytes: &[u8]) -> f64 {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let bits = u64::from_le_bytes(wide);
    match dtype {
        Dtype::F64 => f64::from_bits(bits),
        Dtype::F32 => f32::from_bits(bits as u32).into(),
        Dtype::BF16 => f32::from_bits((bits as u32) << 16).into(),
        // Normal numbers alone.
        Dtype::F16 if bits == 0 => 0.0,
        Dtype::F16 => f32::from_bits(((bits as u32) << 13) + (112 << 23)).into(),
        _ => bits as f64,
    }
}

/// The numbers from zero that `count` of `write.py` gives to a tensor.
fn counted(shape: &[usize]) -> (Vec<usize>, Vec<f64>) {
    let count = shape.iter().product::<usize>();
    (
        shape.to_vec(),
        (0..count).map(|number| number as f64).collect(),
    )
}

#[test]
fn every_container_of_the_same_weights_gives_the_same_tensors() {
    let written = [
        "state_dict.pt",
        "name_of_21_characters.pt",
        "deflated.pt",
        "zip64.pt",
        "unchecked.pt",
        "legacy.pt",
    ];
    for name in written {
        let file = open(name);
        assert_eq!(names(&file), ["layer.bias", "layer.weight"], "{name}");
        assert_eq!(numbers(&file, "layer.weight"), counted(&[2, 3]), "{name}");
        assert_eq!(numbers(&file, "layer.bias"), counted(&[3]), "{name}");
        assert!(file.left().is_empty(), "{name}");
    }
}

#[test]
fn tensors_are_found_beside_and_inside_objects_of_any_class() {
    let sizes: [(&str, &[usize]); 28] = [
        ("circle.weight", &[2]),
        ("defaultdict.kept.0", &[2]),
        ("deque.0", &[1]),
        ("deque.1", &[2]),
        ("easydict.weight", &[2]),
        ("keys.(1, 'a')", &[5]),
        ("keys.0", &[1]),
        ("keys.2.5", &[4]),
        ("keys.9", &[8]),
        ("keys.None", &[3]),
        ("keys.__main__.Kind", &[6]),
        ("keys.raw", &[9]),
        ("keys.torch.float16", &[7]),
        ("namespace.weight", &[2]),
        ("ordered.weight", &[2]),
        ("pair.0", &[1]),
        ("pair.1", &[2]),
        ("partial.1.0", &[2]),
        ("record.note", &[3]),
        ("record.weight", &[2]),
        ("series.0", &[1]),
        ("series.1", &[2]),
        ("series.note", &[3]),
        ("slotted.weight", &[2]),
        ("state_dict.layer.bias", &[3]),
        ("state_dict.layer.weight", &[2, 3]),
        ("truth.False", &[1]),
        ("truth.True", &[2]),
    ];
    for name in ["beside.pt", "beside_protocol_4.pt", "legacy_beside.pt"] {
        let file = open(name);
        // A key that is a parameter is called by its storage, which the older format numbers at random.
        let (by_storage, found): (Vec<_>, Vec<_>) = names(&file)
            .into_iter()
            .partition(|name| name.starts_with("keys.storage "));
        assert_eq!(by_storage.len(), 1, "{name}");
        assert_eq!(numbers(&file, by_storage[0]), counted(&[10]), "{name}");
        let expected: Vec<_> = sizes.iter().map(|(name, _)| *name).collect();
        assert_eq!(found, expected, "{name}");
        assert!(file.left().is_empty(), "{name}: {:?}", file.left());
        for (tensor, shape) in sizes {
            assert_eq!(numbers(&file, tensor), counted(shape), "{name}: {tensor}");
        }
    }
}

#[test]
fn number_types_are_read_or_left_with_their_names() {
    let dtypes = [
        ("float64", Dtype::F64),
        ("float32", Dtype::F32),
        ("float16", Dtype::F16),
        ("bfloat16", Dtype::BF16),
        ("int64", Dtype::I64),
        ("int32", Dtype::I32),
        ("int16", Dtype::I16),
        ("int8", Dtype::I8),
        ("uint64", Dtype::U64),
        ("uint32", Dtype::U32),
        ("uint16", Dtype::U16),
        ("uint8", Dtype::U8),
    ];
    for name in ["types.pt", "legacy_types.pt"] {
        let file = open(name);
        for (tensor, dtype) in dtypes {
            let found = file
                .tensors()
                .iter()
                .find(|found| found.name == tensor)
                .unwrap();
            assert_eq!(found.dtype, dtype);
            assert_eq!(numbers(&file, tensor), counted(&[2, 3]), "{name}: {tensor}");
        }
        assert_eq!(numbers(&file, "bool"), (vec![3], vec![1.0, 0.0, 1.0]));
        let small = [
            ("complex64", Dtype::C64),
            ("float8_e4m3fn", Dtype::F8_E4M3),
            ("float8_e5m2", Dtype::F8_E5M2),
        ];
        for (small, dtype) in small {
            assert_eq!(tensor(&file, small).dtype, dtype);
        }
        assert_eq!(file.tensors().len(), dtypes.len() + 1 + small.len());
        let left: Vec<_> = file
            .left()
            .iter()
            .map(|left| (left.name.as_str(), left.kind.as_str()))
            .collect();
        let expected = [
            ("complex128", "complex128"),
            ("meta", "on the meta device, without numbers"),
            ("nested", "nested"),
            ("quantised", "quantised"),
            ("sparse_coo", "sparse"),
            ("sparse_csr", "sparse"),
            ("wrapped", "a __main__.Wrapped"),
        ];
        assert_eq!(left, expected, "{name}");
    }
}

#[test]
fn views_are_gathered_as_pytorch_shows_them() {
    for name in ["views.pt", "legacy_views.pt"] {
        let file = open(name);
        let check = |tensor: &str, shape: &[usize], expected: &[f64]| {
            assert_eq!(
                numbers(&file, tensor),
                (shape.to_vec(), expected.to_vec()),
                "{name}: {tensor}"
            );
        };
        let transposed: Vec<_> = (0..6)
            .flat_map(|column| (0..4).map(move |row| f64::from(row * 6 + column)))
            .collect();
        check("transposed", &[6, 4], &transposed);
        check("rows", &[2, 6], &(6..18).map(f64::from).collect::<Vec<_>>());
        check(
            "columns",
            &[4, 2],
            &[2.0, 3.0, 8.0, 9.0, 14.0, 15.0, 20.0, 21.0],
        );
        check("stepped", &[2, 2], &[0.0, 3.0, 12.0, 15.0]);
        let permuted: Vec<_> = (0..4)
            .flat_map(|last| (0..6).map(move |first| f64::from(first * 4 + last)))
            .collect();
        check("permuted", &[4, 2, 3], &permuted);
        check("repeated", &[2, 3], &[5.0; 6]);
        check("scalar", &[], &[3.0]);
        check("empty", &[0, 5], &[]);
        check("empty_end", &[0, 6], &[]);
        let counts: [(&str, &[usize]); 6] = [
            ("base", &[4, 6]),
            ("channels_last", &[1, 2, 2, 2]),
            ("parameter", &[2, 2]),
            ("parameter_with_state", &[2]),
            ("frozen", &[2]),
            ("marked", &[2, 2]),
        ];
        for (tensor, shape) in counts {
            assert_eq!(numbers(&file, tensor), counted(shape), "{name}: {tensor}");
        }
        let left: Vec<_> = file
            .left()
            .iter()
            .map(|left| (left.name.as_str(), left.kind.as_str()))
            .collect();
        let bit = |bit: &str| format!("a view with the {bit} bit; save tensor.resolve_{bit}()");
        assert_eq!(
            left,
            [
                ("conjugate", bit("conj").as_str()),
                ("negative", bit("neg").as_str())
            ]
        );
    }
}

#[test]
fn a_module_has_the_names_of_its_state_dict() {
    for name in ["module.pt", "legacy_module.pt"] {
        let file = open(name);
        let expected = [
            "again.steps",
            "again.weight",
            "first.steps",
            "first.weight",
            "list.0",
            "list.1",
        ];
        assert_eq!(names(&file), expected, "{name}");
        assert_eq!(numbers(&file, "again.weight"), counted(&[2, 2]));
        assert_eq!(numbers(&file, "first.steps"), (vec![], vec![7.0]));
        let left: Vec<_> = file
            .left()
            .iter()
            .map(|left| (left.name.as_str(), left.kind.as_str()))
            .collect();
        let (attribute, passing) = (
            "an attribute of its module, and no parameter",
            "a buffer that its module does not save",
        );
        let expected = [
            ("again.cached", attribute),
            ("again.passing", passing),
            ("first.cached", attribute),
            ("first.passing", passing),
        ];
        assert_eq!(left, expected, "{name}");
    }
}

#[test]
fn a_lone_tensor_and_plain_numbers_are_read() {
    let file = open("tensor.pt");
    assert_eq!(names(&file), ["tensor"]);
    assert_eq!(numbers(&file, "tensor"), counted(&[2, 3]));
    let file = open("numbers.pt");
    assert_eq!(names(&file), ["mean", "std"]);
    assert_eq!(numbers(&file, "mean"), (vec![3], vec![0.5, 1.0, -2.0]));
    assert_eq!(numbers(&file, "std"), (vec![3], vec![1.0, 2.0, 3.0]));
}

#[test]
fn whole_files_of_other_kinds_say_what_to_do() {
    let cases = [
        ("script.pt", "torch.jit.load(FILE).state_dict()"),
        ("exported.pt2", "torch.export.load(FILE).state_dict"),
        ("big_endian.pt", "big-endian machine"),
        ("plain.pkl", "a pickle that torch.save did not write"),
        ("nothing.pt", "it holds no tensor"),
    ];
    for (name, expected) in cases {
        let error = error(name);
        assert!(
            matches!(error, TorchError::Unsupported(_)),
            "{name}: {error:?}"
        );
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
    let unfinished = error("unfinished.pt");
    assert!(
        matches!(unfinished, TorchError::Damaged(_)),
        "{unfinished:?}"
    );
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    let cases: [(&[u8], &str); 5] = [
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "git lfs pull",
        ),
        (b"\n<!DOCTYPE html>", "a page of a web site"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x89HDF\r\n", "HDF5"),
        (b"GGUF", "GGUF"),
    ];
    for (bytes, expected) in cases {
        std::fs::write(&other, bytes).unwrap();
        let error = TorchFile::open(&other).unwrap_err();
        assert!(matches!(error, TorchError::Unsupported(_)), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}
