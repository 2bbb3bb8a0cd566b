//! Bit-exact comparison of resizes with OpenCV. `golden/export_opencv.py` made the reference.

use std::path::Path;

use svg_image::{RgbImage, resize_bilinear_plain};
use svg_store::Safetensors;

/// Converts a `[rows, columns, 3]` tensor of bytes to a picture.
fn picture(tensors: &Safetensors, name: &str) -> RgbImage {
    let tensor = tensors.tensor(name).unwrap();
    let [rows, columns, 3] = *tensor.shape else {
        panic!("{name}: {:?}", tensor.shape)
    };
    let bytes = tensors.data(tensor).to_vec();
    RgbImage::from_raw(columns as u32, rows as u32, bytes).unwrap()
}

#[test]
fn plain_bilinear_resizes_equal_opencv() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/plain.safetensors");
    let tensors = Safetensors::open(&path).unwrap();
    let mut compared = 0;
    for tensor in tensors.tensors() {
        let name = tensor.name.as_str();
        let (case, size) = name.split_once('.').unwrap();
        if size == "image" {
            continue;
        }
        let want = picture(&tensors, name);
        let image = picture(&tensors, &format!("{case}.image"));
        let got = resize_bilinear_plain(&image, want.width(), want.height());
        assert!(got == want, "{name} differs");
        compared += 1;
    }
    assert_eq!(compared, 13);
}
