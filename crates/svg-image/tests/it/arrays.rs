//! Pictures in arrays of NumPy.

use std::path::{Path, PathBuf};

use svg_image::{DecodeOptions, ImageSet, decode};
use svg_store::{NpyElement, NpzWriter};

use crate::sets::{message, open};

/// What NumPy wrote, of `svg-store`'s tests.
fn numpy(name: &str) -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    crates.join("svg-store/tests/npz/files").join(name)
}

fn pixels(set: &ImageSet, index: usize) -> (u32, u32, Vec<u8>) {
    let picture = decode(&set.read(index).unwrap(), &DecodeOptions::default()).unwrap();
    (picture.width(), picture.height(), picture.into_raw())
}

/// The bytes of the pictures of `export.py`.
fn expected() -> Vec<u8> {
    (0..180).map(|number| (number * 7 % 256) as u8).collect()
}

#[test]
fn the_pictures_of_an_array_have_its_pixels_and_labels_whether_compressed_or_not() {
    let all = expected();
    for name in ["adm.npz", "adm_deflated.npz"] {
        let set = open(&[numpy(name)]);
        assert_eq!(set.len(), 3);
        for index in [2, 0, 1] {
            assert_eq!(set.inner_name(index), format!("{index:08}"));
            let path = numpy(name).join(set.inner_name(index));
            assert_eq!(set.name(index), path.display().to_string());
            let bytes = all[60 * index..][..60].to_vec();
            assert_eq!(pixels(&set, index), (5, 4, bytes), "{name} {index}");
            assert_eq!(set.size(index).unwrap(), 60);
        }
        let classes: Vec<_> = (0..3).map(|index| set.class_name(index)).collect();
        assert_eq!(classes, [Some("207"), Some("360"), Some("207")]);
        assert_eq!(set.classes().unwrap().1, [207, 360, 207]);
        assert!(set.files().any(|file| file == numpy(name)));
    }
    for name in ["one.npz", "pictures.npy", "reference.npz"] {
        let set = open(&[numpy(name)]);
        assert_eq!((set.len(), set.class_name(0)), (3, None), "{name}");
        assert_eq!(pixels(&set, 1).2, all[60..120], "{name}");
    }
    let grey = open(&[numpy("grey.npz")]);
    let repeated: Vec<u8> = all[..60]
        .iter()
        .step_by(3)
        .flat_map(|level| [*level; 3])
        .collect();
    assert_eq!(pixels(&grey, 0), (5, 4, repeated));
}

/// A file of one array.
fn written<T: NpyElement>(folder: &Path, name: &str, shape: &[usize], elements: &[T]) -> PathBuf {
    let path = folder.join("x.npz");
    let mut new = NpzWriter::create(&path).unwrap();
    new.array(name, shape, elements).unwrap();
    new.finish().unwrap();
    path
}

#[test]
fn every_level_of_every_channel_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let levels: Vec<u8> = (0..=255)
        .flat_map(|level| [level, 255 - level, level ^ 85])
        .collect();
    let path = written(folder.path(), "arr_0", &[1, 16, 16, 3], &levels);
    assert_eq!(pixels(&open(&[path]), 0), (16, 16, levels));
    let grey: Vec<u8> = (0..=255).collect();
    let path = written(folder.path(), "arr_0", &[1, 16, 16, 1], &grey);
    let repeated: Vec<u8> = grey.iter().flat_map(|level| [*level; 3]).collect();
    assert_eq!(pixels(&open(&[path]), 0), (16, 16, repeated));
}

#[test]
fn arrays_that_are_no_pictures_are_refused_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: PathBuf, expected: &str| {
        let message = message(&[path]);
        assert!(message.contains(expected), "{message}");
    };
    refused(
        numpy("statistics.npz"),
        "it holds statistics of pictures (mu, sigma) and no pictures",
    );
    refused(
        numpy("statistics.npz"),
        "`svg evaluate` takes such a file as --reference",
    );
    refused(
        numpy("types.npz"),
        "it holds no array arr_0 of pictures, but fortran, fortran3",
    );
    refused(numpy("bzip2.npz"), "compressed by method 12");
    refused(numpy("none.npz"), "no array arr_0");
    let folder = folder.path();
    let of_bytes = |shape: &[usize], expected: &str| {
        let bytes = vec![7_u8; shape.iter().product()];
        refused(written(folder, "arr_0", shape, &bytes), expected);
    };
    of_bytes(&[2, 3, 5, 4], "array.transpose(0, 2, 3, 1)");
    of_bytes(&[2, 5, 4, 4], "leave its transparency out: array[..., :3]");
    of_bytes(&[4, 4], "write one picture as array[None]");
    of_bytes(&[2, 0, 5, 3], "its pictures have no pixels");
    of_bytes(&[16_777_217, 1, 1, 1], "at most 16777216 pictures");
    of_bytes(&[0, 4, 4, 3], "holds no pictures");
    refused(
        written(folder, "arr_0", &[1, 2, 2, 3], &[0.5_f32; 12]),
        "is float32 [1, 2, 2, 3], and pictures are uint8",
    );
    // The header alone is in Fortran's order.
    let path = written(folder, "arr_0", &[1, 2, 2, 3], &[1_u8; 12]);
    let mut bytes = std::fs::read(numpy("pictures.npy")).unwrap();
    let at = bytes.windows(5).position(|part| part == b"False").unwrap();
    bytes[at..at + 5].copy_from_slice(b"True ");
    std::fs::write(&path, bytes).unwrap();
    refused(path, "np.ascontiguousarray");
}

#[test]
fn labels_of_another_number_are_an_error_and_those_below_zero_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let write = |labels: &[i64]| {
        let mut new = NpzWriter::create(&path).unwrap();
        new.array("arr_0", &[2, 1, 1, 3], &[1_u8, 2, 3, 4, 5, 6])
            .unwrap();
        new.array("arr_1", &[labels.len()], labels).unwrap();
        new.finish().unwrap();
    };
    write(&[-1, 5]);
    let set = open(std::slice::from_ref(&path));
    assert_eq!((set.class_name(0), set.class_name(1)), (None, Some("5")));
    write(&[1, 2, 3]);
    let message = message(std::slice::from_ref(&path));
    assert!(
        message.contains("its array arr_1 is int64 [3], and labels of 2 pictures"),
        "{message}"
    );
}

#[test]
fn a_changed_pixel_is_an_error_of_the_file_when_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["adm.npz", "adm_deflated.npz"] {
        let path = folder.path().join(name);
        let mut bytes = std::fs::read(numpy(name)).unwrap();
        let middle = 190;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let message = message(std::slice::from_ref(&path));
        assert!(
            message.contains(&format!("{name}/arr_0: its bytes are not those")),
            "{message}"
        );
    }
}
