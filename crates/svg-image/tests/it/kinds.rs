//! The less common kinds of pictures, compared with Pillow. `golden/export_kinds.py` made them.

use std::path::{Path, PathBuf};

use svg_image::{DecodeError, DecodeOptions, Orientation, decode};
use svg_store::Safetensors;

use crate::pillow::picture;

fn golden(file: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    folder.join(file)
}

fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(golden(folder)).unwrap();
    let entries = entries.map(|entry| entry.unwrap());
    let file = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, std::fs::read(entry.path()).unwrap())
    };
    let mut files: Vec<_> = entries.map(file).collect();
    files.sort();
    files
}

/// Compares every picture with the tensor of its name, or, where there is one, of its name with an ending.
fn check(options: DecodeOptions, ending: &str) {
    let tensors = Safetensors::open(&golden("kinds.safetensors")).unwrap();
    let files = files("kinds");
    assert!(files.len() >= 120, "{}", files.len());
    let differs = |(name, bytes): &(String, Vec<u8>)| {
        let special = format!("{name}{ending}");
        let is_special = tensors.tensor(&special).is_some();
        let want = picture(&tensors, if is_special { &special } else { name });
        match decode(bytes, &options) {
            Err(error) => Some(format!("{name}: {error}")),
            Ok(got) if got.dimensions() != want.dimensions() => {
                let (got, want) = (got.dimensions(), want.dimensions());
                Some(format!("{name}: {got:?} instead of {want:?}"))
            }
            Ok(got) => {
                let pairs = got.iter().zip(want.iter());
                let apart: Vec<_> = pairs.map(|(got, want)| got.abs_diff(*want)).collect();
                let count = apart.iter().filter(|apart| **apart > 0).count();
                let most = apart.iter().max();
                (count > 0).then(|| format!("{name}: {count} samples differ, by up to {most:?}"))
            }
        }
    };
    let different: Vec<_> = files.iter().filter_map(differs).collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn every_kind_decodes_as_pillow_opens_it() {
    check(DecodeOptions::default(), "");
}

#[test]
fn every_kind_is_turned_as_pillow_turns_it() {
    let turned = DecodeOptions {
        orientation: Orientation::Exif,
        ..DecodeOptions::default()
    };
    check(turned, ".exif");
}

#[test]
fn what_is_not_read_is_named_and_not_called_damaged() {
    let said = [
        ("avif.jpg", "this is AVIF"),
        ("heif.jpg", "this is HEIC"),
        ("icon.png", "this is an icon"),
        ("jpeg2000.jpg", "this is JPEG 2000"),
        ("jpegxl.png", "this is JPEG XL"),
        ("psd.tif", "this is a Photoshop document"),
        ("tiff_dng.tif", "this is a camera raw file"),
        (
            "tiff_float.tif",
            "kind of TIFF is not read here: floating-point samples",
        ),
        ("tiff_group3.tif", "fax group 3 compression"),
        ("tiff_int32.tif", "samples of 32 bits"),
        ("tiff_lab.tif", "L*a*b* with 3 samples of 8 bits"),
        ("tiff_lzma.tif", "LZMA compression"),
        (
            "tiff_mixed_bits.tif",
            "samples of different bits, [5, 6, 5]",
        ),
        ("tiff_preview.tif", "this is a camera raw file"),
        ("tiff_sensor.tif", "this is a camera raw file"),
        ("tiff_signed.tif", "signed samples"),
        ("tiff_webp.tif", "WebP compression"),
        ("tiff_ycbcr_raw.tif", "YCbCr with 3 samples of 8 bits"),
        ("tiff_zstd.tif", "Zstandard compression"),
    ];
    let files = files("other");
    assert_eq!(files.len(), said.len());
    for ((name, bytes), (expected, words)) in files.iter().zip(said) {
        assert_eq!(name, expected);
        let error = decode(bytes, &DecodeOptions::default()).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(words), "{name}: {message}");
        assert!(message.contains("not read here"), "{name}: {message}");
        assert!(!message.contains("damaged"), "{name}: {message}");
        let has_advice = message.contains("convert it") || message.contains("develop it");
        assert!(has_advice, "{name}: {message}");
    }
}

#[test]
fn what_is_cut_off_is_called_damaged() {
    let first_half = [
        "bmp_rgb32.bmp",
        "gif_local.gif",
        "jpeg_411.jpg",
        "pnm_100.ppm",
        "png_interlaced.png",
        "tiff_tiled_deflate_predicted.tif",
        "tiff_jpeg.tif",
        "webp_lossy.webp",
    ];
    for (name, bytes) in files("kinds") {
        if first_half.contains(&name.as_str()) {
            let half = &bytes[..bytes.len() / 2];
            let error = decode(half, &DecodeOptions::default()).unwrap_err();
            let is_damaged = matches!(error, DecodeError::Damaged { .. });
            assert!(is_damaged, "{name}: {error}");
        }
    }
}

#[test]
fn a_wrong_checksum_is_damage() {
    let mut bytes = std::fs::read(golden("kinds/png_no_end.png")).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let error = decode(&bytes, &DecodeOptions::default()).unwrap_err();
    assert!(
        error.to_string().starts_with("the PNG is damaged"),
        "{error}"
    );
}
