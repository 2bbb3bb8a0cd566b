//! The program from outside: what a user types, reads and finds on disk.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use svg_image::{Rgb, RgbImage, save_png};
use svg_nn::{TensorFile, save_tensors};
use tempfile::TempDir;

const TINY: &str = "tests/golden/dinov3/tiny_swiglu/official.safetensors";

/// Runs `svg` in the project's root.
fn svg(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_svg"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn succeeds(arguments: &[&str]) -> Output {
    let output = svg(arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
    output
}

/// Ends with a failure that says `reason`, without a panic.
#[track_caller]
fn fails(arguments: &[&str], reason: &str) {
    let output = svg(arguments);
    let message = text(&output.stderr) + &text(&output.stdout);
    assert!(
        !output.status.success(),
        "{arguments:?} succeeded: {message}"
    );
    assert!(
        message.contains(reason),
        "{arguments:?} said {message:?}, not {reason:?}"
    );
    assert!(!message.contains("panicked"), "{arguments:?}: {message}");
}

/// Two readable pictures, a broken one between them, and a file that is no picture.
fn pictures() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, tone) in [("a.png", 40), ("c.png", 200)] {
        let picture = RgbImage::from_fn(40, 24, |x, y| Rgb([tone, (x * 6) as u8, (y * 9) as u8]));
        save_png(&picture, folder.path().join(name), &[]).unwrap();
    }
    std::fs::write(folder.path().join("b.jpg"), b"\xff\xd8\xff\xe0 cut short").unwrap();
    std::fs::write(folder.path().join("notes.txt"), "not a picture").unwrap();
    folder
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_string()
}

/// The arguments of `svg features`.
fn features<'a>(weights: &'a str, images: &'a str, out: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    let base = [
        "features",
        "--weights",
        weights,
        "--images",
        images,
        "--out",
        out,
    ];
    [&base[..], rest].concat()
}

#[test]
fn features_of_a_folder_are_one_file_and_a_picture_each() {
    let (images, out) = (pictures(), tempfile::tempdir().unwrap());
    let (tokens, pca) = (path(&out, "t.safetensors"), path(&out, "pca"));
    let images = images.path().to_str().unwrap();
    let rest = [
        "--size", "16", "--batch", "1", "--pca", &pca, "--blocks", "2,0",
    ];
    let output = succeeds(&features(TINY, images, &tokens, &rest));
    let said = text(&output.stderr);
    assert!(
        said.contains("b.jpg") && said.contains("skipped 1 of 3"),
        "{said}"
    );

    let file = TensorFile::open(&tokens).unwrap();
    let shapes: Vec<_> = file
        .tensors()
        .iter()
        .map(|t| (t.name.as_str(), t.shape.to_vec()))
        .collect();
    let expected = [
        ("block_0.patch_tokens", vec![2, 16, 32]),
        ("block_2.patch_tokens", vec![2, 16, 32]),
        ("cls", vec![2, 32]),
        ("patch_tokens", vec![2, 16, 32]),
        ("registers", vec![2, 4, 32]),
    ];
    assert_eq!(shapes, expected);
    let bytes = |i: usize| file.tensors()[i].to_bytes().unwrap().to_vec();
    assert!(bytes(1) == bytes(3), "block 2 is the last block");
    assert!(bytes(0) != bytes(3));
    let paths: Vec<String> = serde_json::from_str(&file.metadata()["paths"]).unwrap();
    assert!(
        paths[0].ends_with("a.png") && paths[1].ends_with("c.png"),
        "{paths:?}"
    );
    assert_eq!(file.metadata()["rope_periods"], "Bf16Rounded");

    let picture = svg_image::read_image(format!("{pca}/00001-c.png"), &Default::default());
    assert_eq!(picture.unwrap().dimensions(), (16 + 4 + 16, 16));
}

#[test]
fn the_batch_size_does_not_change_features() {
    let (images, out) = (pictures(), tempfile::tempdir().unwrap());
    let images = images.path().to_str().unwrap();
    let encode = |batch: &str| {
        let file = path(&out, batch);
        succeeds(&features(
            TINY,
            images,
            &file,
            &["--size", "32", "--batch", batch],
        ));
        let file = TensorFile::open(&file).unwrap();
        let bytes = file.tensors()[1].to_bytes().unwrap().to_vec();
        let numbers = bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        numbers.collect::<Vec<_>>()
    };
    let (one, many) = (encode("1"), encode("8"));
    let worst = one
        .iter()
        .zip(&many)
        .fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
    assert!(one.len() == many.len() && worst < 1e-6, "{worst:e}");
}

#[test]
fn strict_stops_at_a_broken_picture_and_writes_nothing() {
    let (images, out) = (pictures(), tempfile::tempdir().unwrap());
    let tokens = path(&out, "t.safetensors");
    let images = images.path().to_str().unwrap();
    fails(
        &features(TINY, images, &tokens, &["--size", "16", "--strict"]),
        "b.jpg",
    );
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
}

#[test]
fn bad_input_ends_in_a_sentence_and_leaves_nothing() {
    let (images, other) = (pictures(), tempfile::tempdir().unwrap());
    let (out, good) = (
        tempfile::tempdir().unwrap(),
        images.path().to_str().unwrap(),
    );
    let whole = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(TINY)).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(other.path().join(name), bytes).unwrap();
        path(&other, name)
    };
    let truncated = write("truncated.safetensors", &whole[..whole.len() / 2]);
    let pickle = write(
        "hostile.pth",
        b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.",
    );
    let empty = path(&other, "empty");
    std::fs::create_dir(&empty).unwrap();
    let tokens = path(&out, "t.safetensors");
    let unwritable = path(&other, "no/such/folder/t.safetensors");

    let run = |weights: &str, images: &str, out: &str, rest: &[&str], reason: &str| {
        fails(&features(weights, images, out, rest), reason);
    };
    let size = ["--size", "16"];
    run("no.safetensors", good, &tokens, &size, "no.safetensors");
    run(&truncated, good, &tokens, &size, "truncated.safetensors");
    run(&pickle, good, &tokens, &size, "hostile.pth");
    run(TINY, &empty, &tokens, &size, "empty");
    run(TINY, "no-such-folder", &tokens, &size, "no-such-folder");
    run(TINY, good, &unwritable, &size, "cannot be written");
    run(
        TINY,
        good,
        other.path().to_str().unwrap(),
        &size,
        "is a folder",
    );
    run(TINY, good, &tokens, &["--size", "18"], "try 16");
    run(
        TINY,
        good,
        &tokens,
        &["--size", "16", "--blocks", "3"],
        "blocks 0 to 2",
    );
    run(
        TINY,
        good,
        &tokens,
        &["--size", "16", "--blocks", "1,1"],
        "twice",
    );
    run(
        TINY,
        good,
        &tokens,
        &["--size", "16", "--model", "vit"],
        "vits16plus",
    );
    run(
        TINY,
        good,
        &tokens,
        &["--size", "16", "--model", "vits16"],
        "heads of 16 channels",
    );
    run(TINY, good, &tokens, &["--batch", "0"], "--batch");
    run(
        TINY,
        good,
        &tokens,
        &["--size", "16", "--device", "tpu"],
        "expected cpu, wgpu",
    );
    if !cfg!(feature = "cuda") {
        run(
            TINY,
            good,
            &tokens,
            &["--size", "16", "--device", "cuda:0"],
            "--features cuda",
        );
    }
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
}

#[test]
fn a_missing_tensor_is_called_by_the_name_of_its_file() {
    let (images, folder) = (pictures(), tempfile::tempdir().unwrap());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tensors = TensorFile::open(root.join(TINY)).unwrap().into_tensors();
    tensors.retain(|tensor| tensor.name != "blocks.1.mlp.w2.weight");
    let damaged = PathBuf::from(path(&folder, "damaged.safetensors"));
    save_tensors(&damaged, &tensors, Default::default()).unwrap();
    let (damaged, out) = (damaged.to_str().unwrap(), path(&folder, "t.safetensors"));
    let images = images.path().to_str().unwrap();
    fails(
        &features(damaged, images, &out, &["--size", "16"]),
        "blocks.1.mlp.w2.weight",
    );
    fails(&["info", damaged], "blocks.1.mlp.w2.weight");
    fails(
        &["convert", damaged, &out, "--to", "hf"],
        "blocks.1.mlp.w2.weight",
    );
    assert!(!Path::new(&out).exists());
}

#[test]
fn weights_go_round_all_layouts_through_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let (hf, timm) = (path(&folder, "hf"), path(&folder, "timm.safetensors"));
    succeeds(&["convert", TINY, &hf, "--to", "hf"]);
    // The folder's config.json says how many heads there are.
    let said = text(&succeeds(&["info", &hf, "--brief"]).stdout);
    assert!(
        said.contains("Hugging Face") && said.contains("2 heads"),
        "{said}"
    );
    succeeds(&["convert", &hf, &timm, "--to", "timm"]);
    // Alone, the file has them in its metadata; without those they must be named.
    let said = text(&succeeds(&["info", &timm, "--brief"]).stdout);
    assert!(said.contains("timm") && said.contains("2 heads"), "{said}");
    let bare = path(&folder, "bare.safetensors");
    let tensors = TensorFile::open(&timm).unwrap().into_tensors();
    save_tensors(bare.as_ref(), &tensors, Default::default()).unwrap();
    fails(&["info", &bare], "--model");
    fails(
        &["convert", &hf, &hf, "--to", "hf"],
        "overwrite its own input",
    );
    fails(
        &["convert", TINY, &path(&folder, "w.pth"), "--to", "official"],
        ".safetensors",
    );
}

#[test]
fn a_conversion_loses_nothing_unsaid() {
    let folder = tempfile::tempdir().unwrap();
    let said_of = |path: &str| text(&succeeds(&["info", path, "--brief"]).stdout);
    // What config.json alone says goes on into a layout that cannot say it.
    let hf = path(&folder, "hf");
    succeeds(&["convert", TINY, &hf, "--to", "hf"]);
    let bare = folder.path().join("bare");
    std::fs::create_dir(&bare).unwrap();
    let tensors = TensorFile::open(&hf).unwrap().into_tensors();
    save_tensors(
        &bare.join("model.safetensors"),
        &tensors,
        Default::default(),
    )
    .unwrap();
    let config = std::fs::read_to_string(folder.path().join("hf/config.json")).unwrap();
    let config = config.replace("\"rope_theta\": 100.0", "\"rope_theta\": 50.0");
    std::fs::write(bare.join("config.json"), config).unwrap();
    let statistics = r#"{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]}"#;
    std::fs::write(bare.join("preprocessor_config.json"), statistics).unwrap();
    let (bare, timm) = (bare.to_str().unwrap(), path(&folder, "timm.safetensors"));
    let notes = text(&succeeds(&["convert", bare, &timm, "--to", "timm"]).stderr);
    for note in [
        "n_heads 2",
        "rope_base 50.0",
        "pixels {",
        "no mask token; it is left out",
    ] {
        assert!(notes.contains(note), "{notes}");
    }
    let official = path(&folder, "official.safetensors");
    succeeds(&["convert", &timm, &official, "--to", "official"]);
    for path in [bare, &timm, &official] {
        let said = said_of(path);
        assert!(
            said.contains("2 heads") && said.contains("mean [0.5, 0.5, 0.5]"),
            "{said}"
        );
    }
    // A classifier is no part of the network; numbers may be beyond f16.
    let mut tensors = TensorFile::open(&official).unwrap().into_tensors();
    let head = burn::tensor::TensorData::new(vec![0f32; 32], [1, 32]);
    let head = burn::store::bridge::from_data(head, "head.weight".into(), None);
    tensors.push(head);
    tensors.retain(|tensor| tensor.name != "norm.bias");
    let data = burn::tensor::TensorData::new(vec![2e5f32; 32], [32]);
    tensors.push(burn::store::bridge::from_data(
        data,
        "norm.bias".into(),
        None,
    ));
    let (large, half) = (
        path(&folder, "large.safetensors"),
        path(&folder, "half.safetensors"),
    );
    let metadata = TensorFile::open(&official).unwrap().metadata().clone();
    save_tensors(large.as_ref(), &tensors, metadata).unwrap();
    fails(
        &["convert", &large, &half, "--to", "official", "--half"],
        "norm.bias holds 2e5, which would become infinite in f16",
    );
    assert!(!Path::new(&half).exists());
    let convert: [&str; 6] = ["convert", &large, &half, "--to", "official", "--half=bf16"];
    let notes = text(&succeeds(&convert).stderr);
    let note = "note: left out: head.weight (belongs to a training head)";
    assert!(notes.contains(note), "{notes}");
}

#[test]
fn help_of_every_command_has_examples() {
    for command in ["features", "info", "convert"] {
        let said = text(&succeeds(&[command, "--help"]).stdout);
        assert!(
            said.contains("Examples:") && said.contains(&format!("svg {command}")),
            "{said}"
        );
    }
}

#[test]
fn halves_of_weights_are_half_as_large_and_keep_their_origin() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, half) = (
        path(&folder, "whole.safetensors"),
        path(&folder, "half.safetensors"),
    );
    let size = "--d-model 32 --layers 1 --heads 2 --d-ff 64 --patch 4 --seed 3 --out";
    let words: Vec<_> = size.split(' ').chain([whole.as_str()]).collect();
    succeeds(&[&["init", "encoder"][..], &words].concat());
    succeeds(&["convert", &whole, &half, "--to", "official", "--half"]);
    let (whole, half) = (
        TensorFile::open(&whole).unwrap(),
        TensorFile::open(&half).unwrap(),
    );
    let bytes = |file: &TensorFile| file.tensors().iter().map(|t| t.byte_len()).sum::<usize>();
    assert!(bytes(&half) < bytes(&whole) * 11 / 20);
    assert_eq!(half.metadata()["origin"], whole.metadata()["origin"]);
    for (one, other) in whole.tensors().iter().zip(half.tensors()) {
        let values = |tensor| {
            burn::store::bridge::to_data(tensor)
                .unwrap()
                .convert::<f32>()
        };
        let tolerance = burn::tensor::Tolerance::<f32>::rel_abs(5e-4, 1e-6);
        values(other).assert_approx_eq(&values(one), tolerance);
    }
}
