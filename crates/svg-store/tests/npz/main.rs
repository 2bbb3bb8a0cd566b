//! Files that NumPy wrote (`export.py`), read without it, and files for NumPy.

mod damage;

use std::path::{Path, PathBuf};

use svg_store::{NpyArray, NpyProblem, Npz, NpzWriter};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/npz/files")
        .join(name)
}

fn open(name: &str) -> Npz {
    Npz::open(&path(name)).unwrap_or_else(|error| panic!("{error}"))
}

fn array(file: &str, name: &str) -> NpyArray {
    open(file)
        .array(name)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Type, shape and numbers of an array.
fn check(file: &str, name: &str, dtype: &str, shape: &[usize], numbers: &[f64]) {
    let array = array(file, name);
    assert_eq!(array.dtype().to_string(), dtype, "{name}");
    assert_eq!(array.shape(), shape, "{name}");
    assert_eq!(array.read_f64().unwrap(), numbers, "{name}");
}

const MU: [f64; 3] = [0.5, -1.25, 3.0];
const SIGMA: [f64; 9] = [2.0, 0.5, 0.25, 0.5, 1.0, 0.125, 0.25, 0.125, 4.0];
const PICTURES: [usize; 4] = [3, 4, 5, 3];
const LABELS: [i64; 3] = [207, 360, 207];

/// The bytes of the pictures of `export.py`.
fn pictures() -> Vec<u8> {
    (0..180).map(|number| (number * 7 % 256) as u8).collect()
}

#[test]
fn statistics_have_the_numbers_that_numpy_wrote() {
    for file in ["reference.npz", "statistics.npz", "zip64.npz"] {
        check(file, "mu", "float64", &[3], &MU);
        check(file, "sigma.npy", "float64", &[3, 3], &SIGMA);
    }
    check("reference.npz", "mu_s", "float64", &[2], &MU[..2]);
    check(
        "reference.npz",
        "sigma_s",
        "float64",
        &[2, 2],
        &[2.0, 0.5, 0.5, 1.0],
    );
    assert_eq!(
        open("reference.npz").names(),
        ["mu", "sigma", "mu_s", "sigma_s", "arr_0"]
    );
    for name in ["two", "three", "plain"] {
        check("versions.npz", name, "float64", &[3], &MU);
    }
}

#[test]
fn every_type_and_order_has_the_numbers_that_numpy_wrote() {
    let matrix: Vec<f64> = (0..12).map(|number| f64::from(number) / 8.0).collect();
    let counted: Vec<f64> = (0..24).map(f64::from).collect();
    let check = |name: &str, dtype: &str, shape: &[usize], numbers: &[f64]| {
        check("types.npz", name, dtype, shape, numbers);
    };
    check("fortran", "float64", &[3, 4], &matrix);
    check("fortran3", "int64", &[2, 3, 4], &counted);
    check("big", "big-endian float64", &[3, 4], &matrix);
    check("big_int", "big-endian int32", &[2], &[-2.0, 258.0]);
    check("single", "float32", &[2], &[1.5, f64::from(-0.1_f32)]);
    check("int8", "int8", &[2], &[-128.0, 127.0]);
    check(
        "uint64",
        "uint64",
        &[2],
        &[0.0, 18_446_744_073_709_551_615.0],
    );
    check("empty", "float64", &[0, 3], &[]);
    check("scalar", "float64", &[], &[2.5]);
    let half = array("types.npz", "half").read_f64().unwrap();
    assert_eq!(
        half[..5],
        [1.0, -2.5, 65504.0, 2f64.powi(-24), f64::INFINITY]
    );
    assert!(half[5].is_nan());
    assert!(array("types.npz", "fortran").is_fortran());
    assert_eq!(array("types.npz", "big_int").read_i64().unwrap(), [-2, 258]);
}

#[test]
fn rows_are_the_pictures_in_any_order_whether_compressed_or_not() {
    let all = pictures();
    for (file, name) in [
        ("adm.npz", "arr_0"),
        ("adm_deflated.npz", "arr_0"),
        ("one.npz", "samples"),
        ("pictures.npy", "arr_0"),
    ] {
        let mut rows = array(file, name).rows_u8().unwrap();
        assert_eq!((rows.len(), rows.row_shape()), (3, &PICTURES[1..]));
        for index in [0, 1, 2, 0, 2, 1, 1, 0, 1, 2] {
            assert_eq!(
                rows.read(index).unwrap(),
                &all[60 * index..][..60],
                "{file} {index}"
            );
        }
        let mut copied = Vec::new();
        array(file, name).copy_to(&mut copied).unwrap();
        assert_eq!(copied, all, "{file}");
    }
    for file in ["adm.npz", "adm_deflated.npz"] {
        assert_eq!(array(file, "arr_1").read_i64().unwrap(), LABELS);
    }
    let start = array("adm.npz", "arr_0").stored_at().unwrap() as usize;
    assert_eq!(std::fs::read(path("adm.npz")).unwrap()[start..][..180], all);
    assert_eq!(array("adm_deflated.npz", "arr_0").stored_at(), None);
}

#[test]
fn rows_are_asked_of_uint8_in_rows_alone() {
    let refused = |file: &str, name: &str, expected: &str| {
        let error = array(file, name).rows_u8().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    refused("types.npz", "single", "are float32, where uint8 is needed");
    refused("types.npz", "scalar", "are float64, where uint8 is needed");
    let error = array("types.npz", "half")
        .read_i64()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("types.npz/half: its elements are float16, where int64"),
        "{error}"
    );
    let error = array("types.npz", "uint64")
        .read_i64()
        .unwrap_err()
        .to_string();
    assert!(error.contains("uint64, where int64 is needed"), "{error}");
}

#[test]
fn what_is_no_array_of_numbers_is_refused_by_its_name_with_advice() {
    let refused = |name: &str, expected: &str| {
        let error = open("refused.npz").array(name).unwrap_err().to_string();
        assert!(error.contains(&format!("refused.npz/{name}: ")), "{error}");
        assert!(error.contains(expected), "{error}");
    };
    refused("pickled", "it was saved with pickle");
    refused("pickled", "allow_pickle=False");
    refused("records", "records of several fields (a structured dtype)");
    refused("void", "records of several fields");
    refused("text", "texts (dtype <U3)");
    refused("complex", "complex numbers (dtype <c16)");
    refused("truth", "truth values (dtype |b1)");
    refused("time", "times (dtype <M8[D])");
    refused(
        "long",
        "floating-point numbers of another size (dtype <f16)",
    );
    let error = open("other.npz").array("readme.txt").unwrap_err();
    assert!(matches!(error.problem, NpyProblem::NotAnArray), "{error}");
    check("other.npz", "mu", "float64", &[3], &MU);
    let error = Npz::open(&path("bzip2.npz")).unwrap_err().to_string();
    assert!(
        error.contains("bzip2.npz/mu: it is compressed by method 12"),
        "{error}"
    );
    let error = open("adm.npz").array("mu").unwrap_err().to_string();
    assert!(
        error.ends_with("the archive holds no array mu; there are arr_0, arr_1"),
        "{error}"
    );
    let error = open("none.npz").array("mu").unwrap_err().to_string();
    assert!(
        error.ends_with("no array mu; there are none at all"),
        "{error}"
    );
}

/// Writes what NumPy wrote, and more.
fn write(to: &Path) {
    let mut new = NpzWriter::create(to).unwrap();
    new.begin::<u8>("arr_0", &PICTURES).unwrap();
    for picture in pictures().chunks(60) {
        new.append(picture).unwrap();
    }
    new.array("arr_1", &[3], &LABELS).unwrap();
    new.array("mu", &[3], &MU).unwrap();
    new.array("sigma", &[3, 3], &SIGMA).unwrap();
    new.array("single", &[2], &[1.5_f32, -0.1]).unwrap();
    new.array("scalar", &[], &[2.5_f64]).unwrap();
    new.array::<f64>("empty", &[0, 3], &[]).unwrap();
    new.finish().unwrap();
}

/// The bytes of an entry, header and all, where they lie in the file as they are.
fn entry<'a>(file: &'a [u8], array: &NpyArray) -> &'a [u8] {
    let start = array.stored_at().unwrap() as usize;
    let end = start + array.size() as usize;
    let magic = file[..start]
        .windows(6)
        .rposition(|bytes| bytes == b"\x93NUMPY");
    &file[magic.unwrap()..end]
}

#[test]
fn what_is_written_is_byte_for_byte_what_numpy_writes() {
    let folder = tempfile::tempdir().unwrap();
    let ours = folder.path().join("ours.npz");
    write(&ours);
    let bytes = std::fs::read(&ours).unwrap();
    let file = Npz::open(&ours).unwrap();
    for (theirs, name) in [
        ("adm.npz", "arr_0"),
        ("adm.npz", "arr_1"),
        ("reference.npz", "mu"),
        ("reference.npz", "sigma"),
        ("types.npz", "single"),
        ("types.npz", "scalar"),
        ("types.npz", "empty"),
    ] {
        let found = file.array(name).unwrap();
        found.check().unwrap();
        let (expected, reference) = (std::fs::read(path(theirs)).unwrap(), array(theirs, name));
        assert_eq!(
            entry(&bytes, &found),
            entry(&expected, &reference),
            "{name}"
        );
        assert_eq!(found.read_f64().unwrap(), reference.read_f64().unwrap());
    }
    // For `export.py`, which shows that NumPy reads it.
    if let Some(keep) = std::env::var_os("SVG_NPZ_FOR_NUMPY") {
        std::fs::copy(ours, keep).unwrap();
    }
}

#[test]
fn an_array_of_more_than_four_gigabytes_is_read_by_its_rows() {
    // A file with holes: nothing of it is on disk but the header.
    let row = 1 << 26;
    let rows = (1_usize << 32) / row + 1;
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("large.npy");
    let mut header = std::fs::read(path("pictures.npy")).unwrap()[..128].to_vec();
    let at = header.windows(9).position(|part| part == b"'shape': ");
    let at = at.unwrap() + 9;
    let shape = format!("({rows}, {row}), }}");
    header[at..127].fill(b' ');
    header[at..at + shape.len()].copy_from_slice(shape.as_bytes());
    std::fs::write(&place, &header).unwrap();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&place)
        .unwrap();
    file.set_len(128 + (rows * row) as u64).unwrap();
    let array = Npz::open(&place).unwrap().array("arr_0").unwrap();
    assert_eq!(array.shape(), [rows, row]);
    let mut read = array.rows_u8().unwrap();
    assert!(read.read(rows - 1).unwrap().iter().all(|byte| *byte == 0));
    let error = array.read_f64().unwrap_err().to_string();
    assert!(
        error.contains("it has 4362076160 elements, and at most 67108864"),
        "{error}"
    );
    // One byte less.
    file.set_len(127 + (rows * row) as u64).unwrap();
    let error = Npz::open(&place)
        .unwrap()
        .array("arr_0")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("promises 4362076160 bytes (uint8 [65, 67108864]), and 4362076159"),
        "{error}"
    );
}
