//! Frozen encoders beside DINOv3, as the commands open them.

use std::fs;
use std::path::Path;

use burn::prelude::*;
use svg_image::{Rgb, RgbImage, save_png};
use svg_nn::TensorFile;
use svg_vit::{Family, Layout, VitConfig, VitFile};

use super::support::{svg, text};

/// What the program prints on both outputs, and whether it succeeds.
fn run(folder: &Path, words: &str) -> (bool, String) {
    let mut command = svg();
    let words = words.split_whitespace();
    let output = command.current_dir(folder).args(words).output().unwrap();
    (
        output.status.success(),
        text(&output.stdout) + &text(&output.stderr),
    )
}

#[track_caller]
fn done(folder: &Path, words: &str) -> String {
    let (succeeded, said) = run(folder, words);
    assert!(succeeded, "{words}: {said}");
    said
}

#[track_caller]
fn refused(folder: &Path, words: &str, reason: &str) {
    let (succeeded, said) = run(folder, words);
    assert!(!succeeded && said.contains(reason), "{words}: {said}");
}

/// Small networks of each family with weights, and labelled pictures.
fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (family, layout, name) in [
        (Family::Dinov2, Layout::Original, "dinov2.safetensors"),
        (Family::Mae, Layout::Timm, "mae.safetensors"),
        (Family::Siglip, Layout::HuggingFace, "siglip"),
        (Family::Clip, Layout::HuggingFace, "clip"),
    ] {
        let vit = VitConfig::of(family, [32, 2, 2, 64], 4, 4).init(&Device::default());
        let path = folder.path().join(name);
        VitFile::of(&vit).save(layout, &path).unwrap();
    }
    for class in ["a", "b"] {
        let pictures = folder.path().join("pictures").join(class);
        fs::create_dir_all(&pictures).unwrap();
        for number in 0..6u32 {
            let tone = if class == "a" { 40 } else { 200 };
            let picture = RgbImage::from_fn(20, 24, |x, y| {
                Rgb([tone, (x * 6 + number) as u8, (y * 9) as u8])
            });
            save_png(&picture, pictures.join(format!("{number}.png")), &[]).unwrap();
        }
    }
    folder
}

#[test]
fn every_family_is_described_and_encodes_pictures() {
    let place = place();
    let folder = place.path();
    for (weights, family) in [
        ("dinov2.safetensors", "DINOv2"),
        ("mae.safetensors", "MAE"),
        ("siglip", "SigLIP"),
        ("clip", "CLIP"),
    ] {
        let said = done(folder, &format!("info {weights}"));
        assert!(
            said.contains(&format!("{family} of an unreleased size")),
            "{said}"
        );
        let words = format!(
            "features --weights {weights} --images pictures --size 20 --blocks 0 --out {family}-tokens.safetensors"
        );
        done(folder, &words);
        let tokens = TensorFile::open(folder.join(format!("{family}-tokens.safetensors"))).unwrap();
        let shape = |name: &str| {
            let mut all = tokens.tensors().iter();
            all.find(|tensor| tensor.name == name)
                .map(|tensor| tensor.shape.to_vec())
        };
        assert_eq!(shape("patch_tokens"), Some(vec![12, 25, 32]), "{family}");
        assert_eq!(shape("cls"), Some(vec![12, 32]));
        assert_eq!(shape("block_0.patch_tokens"), Some(vec![12, 25, 32]));
    }
}

#[test]
fn an_encoder_judges_and_is_probed_and_its_patches_must_fit() {
    let place = place();
    let folder = place.path();
    let said = done(
        folder,
        "evaluate --weights dinov2.safetensors --size 16 --resamples 20 --reference pictures/a --samples pictures/b",
    );
    assert!(said.contains("FD"), "{said}");
    done(
        folder,
        "probe --weights siglip --size 16 --pool cls --neighbours 3 --train pictures --test pictures",
    );
    refused(
        folder,
        "features --weights clip --images pictures --size 18 --out t.safetensors",
        "no multiple of the patch size 4; try 16",
    );
    refused(
        folder,
        "features --weights clip --images pictures --size 16 --out t.safetensors --rope exact",
        "has a table of positions",
    );
    refused(
        folder,
        "evaluate --protocol dgm-eval --weights dinov2.safetensors --reference pictures/a --samples pictures/b",
        "compares features of dinov2-vitl14",
    );
    refused(
        folder,
        "features --weights mae.safetensors --model clip-vitb16 --images pictures --size 16 --out t.safetensors",
        "it holds a MAE, and clip-vitb16 is a CLIP",
    );
}

#[test]
fn weights_of_every_family_are_converted() {
    let place = place();
    let folder = place.path();
    done(folder, "convert dinov2.safetensors hf --to hf");
    assert!(folder.join("hf/config.json").is_file());
    done(folder, "convert hf again.safetensors --to official");
    let bytes = |name: &str| {
        let file = TensorFile::open(folder.join(name)).unwrap();
        let all = file.tensors().iter();
        let all = all.map(|t| (t.name.clone(), t.to_bytes().unwrap().to_vec()));
        all.collect::<Vec<_>>()
    };
    assert!(bytes("dinov2.safetensors") == bytes("again.safetensors"));
    refused(
        folder,
        "convert mae.safetensors mae --to official",
        "its own files have timm's names",
    );
}
