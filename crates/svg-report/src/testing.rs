//! Helpers of tests: reproducible pseudo-random numbers and PNG files.

use std::io::Cursor;

use image::{ImageFormat, RgbImage};

/// A number in [0, 1) from SplitMix64.
pub fn uniform(seed: u64, number: u64) -> f64 {
    let mut bits = seed.wrapping_shl(32) ^ number;
    bits = bits.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// `count` approximately normal numbers: sums of twelve uniform ones.
pub fn normal(seed: u64, sample: u64, count: usize) -> Vec<f32> {
    let first = 12 * (sample << 16);
    let one = |index: u64| {
        let uniforms = (0..12).map(|part| uniform(seed, first + 12 * index + part));
        (uniforms.sum::<f64>() - 6.0) as f32
    };
    (0..count as u64).map(one).collect()
}

/// Encodes an image as PNG.
pub fn png(image: &RgbImage) -> Vec<u8> {
    let mut png = Cursor::new(Vec::new());
    image.write_to(&mut png, ImageFormat::Png).unwrap();
    png.into_inner()
}
