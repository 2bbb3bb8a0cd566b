//! Equality with OpenCV: every pixel of every resize. `golden/export_opencv.py` made them.

use std::path::Path;

use safetensors::SafeTensors;
use svg_image::{RgbImage, resize_bilinear_plain};

/// A `[rows, columns, 3]` tensor of bytes as a picture.
fn picture(tensors: &SafeTensors, name: &str) -> RgbImage {
    let tensor = tensors.tensor(name).unwrap();
    let [rows, columns, 3] = *tensor.shape() else {
        panic!("{name}: {:?}", tensor.shape())
    };
    RgbImage::from_raw(columns as u32, rows as u32, tensor.data().to_vec()).unwrap()
}

#[test]
fn plain_bilinear_resizes_are_those_of_opencv() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/plain.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut compared = 0;
    for name in tensors.names() {
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
