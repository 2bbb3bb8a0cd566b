//! Equality with transformers, timm and Meta's rule of positions; see `tests/golden/export.py`.

use std::collections::{BTreeMap, HashMap};

use burn::prelude::*;
use burn::store::bridge;
use burn::tensor::TensorData;
use serde_json::Value;
use svg_nn::{StoredTensor, save_tensors};
use svg_vit::{Gelu, Layout, Vit, VitFile};

/// Relative to the largest number of an output.
const TOLERANCE: f64 = 1e-5;
const STRIDE: usize = 37;

fn expected() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/expected.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Numbers in [-1, 1): a counter keyed by FNV-1a-32 of the name, through murmur3's finaliser.
fn units(name: &str, count: usize) -> Vec<f32> {
    let key = name.bytes().fold(0x811C_9DC5u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let unit = |j: usize| {
        let mut x = (j as u32).wrapping_mul(0x9E37_79B9).wrapping_add(key);
        x = (x ^ (x >> 16)).wrapping_mul(0x85EB_CA6B);
        x = (x ^ (x >> 13)).wrapping_mul(0xC2B2_AE35);
        x ^= x >> 16;
        (x >> 8) as f32 * 2.0f32.powi(-23) - 1.0
    };
    (0..count).map(unit).collect()
}

/// The rule of the script.
fn filled(name: &str, shape: &[usize]) -> StoredTensor {
    let tokens = [
        "token",
        "embedding",
        "pos_embed",
        "position",
        "latent",
        "probe",
    ];
    let is_token = tokens.iter().any(|word| name.contains(word));
    let fan_in: usize = shape.iter().skip(1).product();
    let last = name.rsplit('.').next().unwrap();
    let (factor, offset) = match () {
        () if is_token && !name.contains("patch_embedding") => (1.0, 0.0),
        () if shape.len() > 1 => (((3.0 / fan_in as f64).sqrt() * 1.5) as f32, 0.0),
        () if last == "weight" => (0.25, 1.0),
        () if last == "gamma" || last == "lambda1" => (0.25, 0.75),
        () => (0.25, 0.0),
    };
    let units = units(&format!("vit.{name}"), shape.iter().product());
    let values: Vec<f32> = units.into_iter().map(|u| u * factor + offset).collect();
    bridge::from_data(TensorData::new(values, shape), name.to_string(), None)
}

fn tensors(case: &Value) -> Vec<StoredTensor> {
    let named = case["tensors"].as_object().unwrap().iter();
    let tensors = named.map(|(name, shape)| {
        let shape: Vec<usize> = serde_json::from_value(shape.clone()).unwrap();
        filled(name, &shape)
    });
    tensors.collect()
}

/// The activation of each case, which no tensor shows.
fn gelu(name: &str) -> Gelu {
    match name {
        _ if name.contains("quick") => Gelu::Quick,
        "timm vit_base_patch16_siglip_256" => Gelu::Exact,
        _ if name.to_lowercase().contains("siglip") => Gelu::Tanh,
        _ => Gelu::Exact,
    }
}

/// A `config.json` with what is needed beside the small files.
fn document(name: &str) -> String {
    let (library, model) = name.split_once(' ').unwrap();
    let document = match library {
        "timm" => serde_json::json!({
            "architecture": model, "model_args": {"num_heads": 2},
        }),
        "meta" => serde_json::json!({"model_type": "dinov2", "num_attention_heads": 2}),
        _ => {
            let kind = match model.split(' ').next().unwrap() {
                "Dinov2Model" => "dinov2",
                "Dinov2WithRegistersModel" => "dinov2_with_registers",
                "ViTMAEModel" => "vit_mae",
                "SiglipVisionModel" => "siglip_vision_model",
                "Siglip2VisionModel" => "siglip2_vision_model",
                "CLIPVisionModel" => "clip_vision_model",
                other => panic!("{other}"),
            };
            let mut document = serde_json::json!({"model_type": kind, "num_attention_heads": 2});
            if model.ends_with(" gelu") {
                document["hidden_act"] = "gelu".into();
            }
            document
        }
    };
    document.to_string()
}

/// The file of a case, in a folder with its document.
fn written(case: &Value) -> (tempfile::TempDir, VitFile) {
    let name = case["name"].as_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    save_tensors(&path, &tensors(case), HashMap::new()).unwrap();
    std::fs::write(folder.path().join("config.json"), document(name)).unwrap();
    let file = VitFile::open(folder.path()).unwrap_or_else(|error| panic!("{name}: {error}"));
    (folder, file)
}

fn pixels(grid: &str) -> Tensor<4> {
    let (rows, columns) = grid.split_once('x').unwrap();
    let side = |count: &str| 4 * count.parse::<usize>().unwrap();
    let shape = [2, 3, side(rows), side(columns)];
    let units = units("pixels", shape.iter().product());
    Tensor::from_data(TensorData::new(units, shape), &Device::default())
}

/// The largest difference, relative to the largest number; also of the sum of absolute values.
fn difference(numbers: Vec<f32>, expected: &Value) -> f64 {
    let some: Vec<f64> = serde_json::from_value(expected["some"].clone()).unwrap();
    let largest = expected["largest"].as_f64().unwrap();
    let strided: Vec<_> = numbers.iter().step_by(STRIDE).collect();
    assert_eq!(strided.len(), some.len());
    let pairs = strided.into_iter().zip(&some);
    let single = pairs.map(|(got, want)| (f64::from(*got) - want).abs());
    let single = single.fold(0.0, f64::max) / largest;
    let magnitude: f64 = numbers.iter().map(|v| f64::from(v.abs())).sum();
    let expected = expected["magnitude"].as_f64().unwrap();
    single.max((magnitude / expected - 1.0).abs())
}

fn compare(vit: &Vit, case: &Value) -> BTreeMap<String, f64> {
    let outputs = case["outputs"].as_object().unwrap();
    let compared = outputs.iter().map(|(grid, expected)| {
        let output = vit.forward_normalized(pixels(grid));
        let patches = output.patches.into_data().try_to_vec().unwrap();
        let summary = output.summary.unwrap().into_data().try_to_vec().unwrap();
        let of_patches = difference(patches, &expected["patches"]);
        let of_summary = difference(summary, &expected["summary"]);
        (grid.clone(), of_patches.max(of_summary))
    });
    compared.collect()
}

#[test]
fn every_library_is_equalled_at_the_grid_of_the_table_and_at_others() {
    let expected = expected();
    for case in expected["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let (_folder, file) = written(case);
        let config = file.config();
        assert_eq!((config.n_heads, config.gelu), (2, gelu(name)), "{name}");
        let vit = file.load(&Device::default()).unwrap();
        let compared = compare(&vit, case);
        let worst = compared.values().copied().fold(0.0, f64::max);
        println!("{name}: off by {worst:.1e}");
        assert!(worst < TOLERANCE, "{name}: {compared:?}");
    }
}

#[test]
fn what_is_exported_in_the_layout_of_the_file_is_the_file_to_the_bit() {
    let expected = expected();
    for case in expected["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let (_folder, file) = written(case);
        let exported = file.tensors_in(file.layout()).unwrap();
        let bare = |name: &str| name.trim_start_matches("vision_model.").to_string();
        let bytes = |tensors: Vec<StoredTensor>| -> BTreeMap<String, (Vec<usize>, Vec<u8>)> {
            let read = |tensor: StoredTensor| {
                let bytes = tensor.to_bytes().unwrap().to_vec();
                (bare(&tensor.name), (tensor.shape.to_vec(), bytes))
            };
            tensors.into_iter().map(read).collect()
        };
        let (found, original) = (bytes(exported), bytes(tensors(case)));
        let names = |all: &BTreeMap<String, _>| all.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(&original), "{name}");
        for (tensor, was) in &original {
            assert!(found[tensor] == *was, "{name}: {tensor}");
        }
    }
}

#[test]
fn every_layout_of_a_family_holds_the_same_network() {
    let device = Device::default();
    let expected = expected();
    for case in expected["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let (folder, file) = written(case);
        let direct = file.load(&device).unwrap();
        for layout in Layout::ALL {
            let is_naflex = name.contains("Siglip2");
            if !layout.is_of(file.config().family) || is_naflex && layout != Layout::HuggingFace {
                file.tensors_in(layout).unwrap_err();
                continue;
            }
            let path = folder
                .path()
                .join(layout.name())
                .with_extension("safetensors");
            let saved = file.save(layout, &path).unwrap();
            let again = VitFile::open(saved).unwrap();
            assert_eq!(again.layout(), layout, "{name}");
            assert_eq!(again.config(), file.config(), "{name}");
            let again = again.load(&device).unwrap();
            let [one, other] = [&direct, &again].map(|vit| {
                let output = vit.forward_normalized(pixels("5x3"));
                Tensor::cat(
                    vec![
                        output.patches.flatten::<1>(0, 2),
                        output.summary.unwrap().flatten(0, 1),
                    ],
                    0,
                )
            });
            let difference: f32 = (one - other).abs().max().into_scalar();
            // timm adds the position of the class token beforehand.
            assert!(
                difference < 1e-5,
                "{name} as {}: {difference}",
                layout.name()
            );
        }
    }
}

/// Models of full size on photographs; see the script.
#[test]
#[ignore = "needs a folder that tests/golden/export.py --by-hand writes, in SVG_VIT_BY_HAND"]
fn models_of_full_size_see_photographs_as_the_libraries_do() {
    let folder = std::env::var_os("SVG_VIT_BY_HAND").expect("SVG_VIT_BY_HAND names the folder");
    for entry in std::fs::read_dir(folder).unwrap() {
        let place = entry.unwrap().path();
        let outputs = svg_nn::TensorFile::open(place.join("outputs")).unwrap();
        let read = |name: &str| {
            let mut tensors = outputs.tensors().iter();
            let found = tensors.find(|tensor| tensor.name == name).unwrap();
            bridge::to_data(found).unwrap()
        };
        let device = Device::default();
        let vit = VitFile::open(place.join("model.safetensors")).unwrap();
        println!(
            "{}: {:?}, {}",
            place.display(),
            vit.layout(),
            vit.config().description()
        );
        let vit = vit.load(&device).unwrap();
        let output = vit.forward(Tensor::<4>::from_data(read("images"), &device));
        let patches: Vec<f32> = output.patches.into_data().try_to_vec().unwrap();
        let summary: Vec<f32> = output.summary.unwrap().into_data().try_to_vec().unwrap();
        for (name, found) in [("patches", patches), ("summary", summary)] {
            let expected: Vec<f32> = read(name).try_to_vec().unwrap();
            let largest = expected.iter().fold(0.0f32, |a, b| a.max(b.abs()));
            let pairs = found.iter().zip(&expected);
            let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            println!(
                "  {name}: off by {worst:.1e}, {:.1e} of the largest",
                worst / largest
            );
            assert!(worst / largest < 1e-4);
        }
    }
}
