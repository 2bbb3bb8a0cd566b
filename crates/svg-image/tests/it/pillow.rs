//! Bit-exact comparisons with Pillow. `golden/export.py` made the reference.

use std::path::{Path, PathBuf};

use svg_image::{DecodeOptions, Filter, Orientation, RgbImage, adm_crop, decode, resize};
use svg_store::Safetensors;

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(file)
}

/// Converts a `[rows, columns, 3]` tensor of bytes to a picture.
pub(crate) fn picture(tensors: &Safetensors, name: &str) -> RgbImage {
    let tensor = tensors.tensor(name).unwrap();
    let [rows, columns, 3] = *tensor.shape else {
        panic!("{name}: {:?}", tensor.shape)
    };
    let bytes = tensors.data(tensor).to_vec();
    RgbImage::from_raw(columns as u32, rows as u32, bytes).unwrap()
}

/// Calls `check` with the name of each tensor that ends in `ending`, without the ending.
fn each(file: &str, ending: &str, mut check: impl FnMut(&Safetensors, &str)) {
    let tensors = Safetensors::open(&golden(file)).unwrap();
    let mut found = tensors
        .tensors()
        .iter()
        .filter_map(|tensor| tensor.name.strip_suffix(ending))
        .peekable();
    assert!(found.peek().is_some(), "{file} holds no {ending}");
    found.for_each(|name| check(&tensors, name));
}

fn assert_same(got: &RgbImage, want: &RgbImage, what: &str) {
    assert_eq!(got.dimensions(), want.dimensions(), "{what}");
    let different = got
        .iter()
        .zip(want.iter())
        .filter(|(got, want)| got != want)
        .count();
    let worst = got
        .iter()
        .zip(want.iter())
        .map(|(got, want)| got.abs_diff(*want))
        .max();
    assert_eq!(
        different, 0,
        "{what}: samples that differ, by up to {worst:?}"
    );
}

#[test]
fn crops_equal_the_reference() {
    each("crops.safetensors", ".image", |tensors, case| {
        let want = picture(tensors, &format!("{case}.crop"));
        let got = adm_crop(&picture(tensors, &format!("{case}.image")), want.width());
        assert_same(&got, &want, case);
    });
}

#[test]
fn every_filter_equals_pillow() {
    let filters = [
        (".box.", Filter::Box),
        (".bilinear.", Filter::Bilinear),
        (".bicubic.", Filter::Bicubic),
    ];
    for (label, filter) in filters {
        let mut cases = 0;
        each("resized.safetensors", "", |tensors, name| {
            let Some((case, _)) = name.split_once(label) else {
                return;
            };
            let want = picture(tensors, name);
            let image = picture(tensors, &format!("{case}.image"));
            assert_same(
                &resize(&image, want.width(), want.height(), filter),
                &want,
                name,
            );
            cases += 1;
        });
        assert!(cases >= 6);
    }
}

#[test]
fn every_format_and_sample_type_decodes_as_in_pillow() {
    let mut cases = 0;
    each("decoded.safetensors", "", |tensors, name| {
        if name.ends_with(".exif") {
            return;
        }
        let bytes = std::fs::read(golden("files").join(name)).unwrap();
        let got = decode(&bytes, &DecodeOptions::default()).unwrap_or_else(|error| {
            panic!("{name}: {error}");
        });
        assert_same(&got, &picture(tensors, name), name);
        cases += 1;
    });
    assert_eq!(cases, std::fs::read_dir(golden("files")).unwrap().count());
}

#[test]
fn exif_orientation_is_applied_only_on_request() {
    let upright = DecodeOptions {
        orientation: Orientation::Exif,
        ..DecodeOptions::default()
    };
    let mut turned = 0;
    each("decoded.safetensors", ".exif", |tensors, name| {
        let bytes = std::fs::read(golden("files").join(name)).unwrap();
        let want = picture(tensors, &format!("{name}.exif"));
        assert_same(&decode(&bytes, &upright).unwrap(), &want, name);
        turned += usize::from(want.dimensions() == (8, 12));
    });
    assert_eq!(turned, 5);
}
