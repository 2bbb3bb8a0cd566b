//! Files, in both layouts, and what holds for any weights.

use std::fs;
use std::path::{Path, PathBuf};

use burn::prelude::*;
use burn::store::bridge;
use burn::tensor::{Distribution, TensorData};
use svg_nn::{StoredTensor, TensorFile, draw_parameters, module_tensors, save_tensors};
use svg_roles::{Draw, LatentSpace};

use crate::{
    KlVae, KlVaeConfig, KlVaeError, KlVaeFile, KlVaeOptions, Layout, fingerprint, tensors_in,
};

fn config() -> KlVaeConfig {
    KlVaeConfig::new(3)
        .with_width(8)
        .with_width_multipliers(vec![1, 2])
        .with_n_res_blocks(1)
        .with_encoder_attention(vec![1])
        .with_decoder_attention(vec![1])
        .with_norm_groups(4)
        .with_resolution(16)
}

fn drawn(config: &KlVaeConfig) -> KlVae {
    let vae = config.init(&Device::default());
    draw_parameters(&vae);
    vae
}

fn images(batch: usize, [height, width]: [usize; 2]) -> Tensor<4> {
    let shape = [batch, 3, height, width];
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &Device::default())
}

fn groups() -> KlVaeOptions {
    KlVaeOptions {
        norm_groups: Some(4),
        scale: Some(0.5),
        ..KlVaeOptions::default()
    }
}

fn written(folder: &Path, tensors: &[StoredTensor]) -> PathBuf {
    let path = folder.join("vae.safetensors");
    save_tensors(&path, tensors, Default::default()).unwrap();
    path
}

fn named(tensors: Vec<StoredTensor>, name: impl Fn(&str) -> String) -> Vec<StoredTensor> {
    let rename = |mut tensor: StoredTensor| {
        tensor.name = name(&tensor.name);
        tensor
    };
    tensors.into_iter().map(rename).collect()
}

fn number(name: &str) -> StoredTensor {
    bridge::from_data(TensorData::from([1.0f32]), name.to_string(), None)
}

/// Names, shapes and bytes.
fn contents(tensors: &[StoredTensor]) -> Vec<(String, Vec<usize>, Vec<u8>)> {
    let entry = |tensor: &StoredTensor| {
        let bytes = tensor.to_bytes().unwrap().to_vec();
        (tensor.name.clone(), tensor.shape.to_vec(), bytes)
    };
    tensors.iter().map(entry).collect()
}

#[track_caller]
fn fails(path: &Path, options: &KlVaeOptions, said: &[&str]) {
    let device = Device::default();
    let error = KlVaeFile::open(path, options).and_then(|file| file.load(&device));
    let error = error.unwrap_err().to_string();
    for said in said {
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn both_layouts_come_back_to_the_bit() {
    let vae = drawn(&config());
    let want = contents(&module_tensors(&vae));
    for layout in [Layout::Ldm, Layout::Diffusers] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vae.safetensors");
        vae.save(&path, layout).unwrap();
        let file = KlVaeFile::open(&path, &KlVaeOptions::default()).unwrap();
        assert_eq!((file.layout, &file.config), (layout, vae.config()));
        assert_eq!(file.notes.len(), 0);
        let back = file.load(&Device::default()).unwrap();
        assert_eq!(contents(&module_tensors(&back)), want);
        // What was exported is exported again, and the other layout in between loses nothing.
        let again = folder.path().join("again.safetensors");
        back.save(&again, layout).unwrap();
        assert_eq!(fs::read(again).unwrap(), fs::read(path).unwrap());
    }
}

#[test]
fn projections_are_linear_in_diffusers_and_convolutions_elsewhere() {
    let tensors = module_tensors(&drawn(&config()));
    let theirs = tensors_in(&config(), tensors, Layout::Diffusers);
    let shape = |name: &str| {
        let tensor = theirs.iter().find(|tensor| tensor.name == name);
        tensor.unwrap().shape.to_vec()
    };
    let attention = "encoder.mid_block.attentions.0";
    assert_eq!(shape(&format!("{attention}.to_q.weight")), [16, 16]);
    assert_eq!(shape(&format!("{attention}.to_out.0.weight")), [16, 16]);
    let shortcut = "encoder.down_blocks.1.resnets.0.conv_shortcut.weight";
    assert_eq!(shape(shortcut), [16, 8, 1, 1]);
    assert_eq!(shape("quant_conv.weight"), [6, 6, 1, 1]);
}

#[test]
fn old_names_and_shapes_of_attention_are_read() {
    let vae = drawn(&config());
    let modern = tensors_in(&config(), module_tensors(&vae), Layout::Diffusers);
    let old = |name: &str| {
        let pairs = [
            (".to_q.", ".query."),
            (".to_k.", ".key."),
            (".to_v.", ".value."),
            (".to_out.0.", ".proj_attn."),
        ];
        let pairs = pairs.into_iter();
        pairs.fold(name.to_string(), |name, (now, then)| {
            name.replace(now, then)
        })
    };
    // Some files have the old names with the shapes of convolutions.
    let convolutions = |tensor: StoredTensor| match tensor.shape.to_vec()[..] {
        [rows, columns] => {
            let data = bridge::to_data(&tensor).unwrap();
            let values: Vec<f32> = data.try_to_vec().unwrap();
            let data = TensorData::new(values, [rows, columns, 1, 1]);
            bridge::from_data(data, tensor.name, None)
        }
        _ => tensor,
    };
    let linear = named(modern, old);
    let convolved = linear.clone().into_iter().map(convolutions).collect();
    for tensors in [linear, convolved] {
        let folder = tempfile::tempdir().unwrap();
        let file = KlVaeFile::open(&written(folder.path(), &tensors), &groups()).unwrap();
        let back = file.load(&Device::default()).unwrap();
        assert_eq!(
            contents(&module_tensors(&back)),
            contents(&module_tensors(&vae))
        );
    }
}

#[test]
fn what_only_training_needs_is_dropped_and_named() {
    let vae = drawn(&config());
    let mut tensors = module_tensors(&vae);
    tensors.extend(
        [
            "loss.logvar",
            "foundation_model.blocks.0.w",
            "linear_proj.weight",
        ]
        .map(number),
    );
    // As Lightning and MAR write them.
    for before in ["state_dict.", "model.", "state_dict.first_stage_model."] {
        let folder = tempfile::tempdir().unwrap();
        let tensors = named(tensors.clone(), |name| format!("{before}{name}"));
        let file = KlVaeFile::open(&written(folder.path(), &tensors), &groups()).unwrap();
        let notes = file.notes.join("\n");
        for dropped in ["loss.logvar", "foundation_model", "linear_proj"] {
            assert!(notes.contains(dropped), "{notes}");
        }
        file.load(&Device::default()).unwrap();
    }
}

#[test]
fn averaged_weights_are_taken_and_said_where_both_are_there() {
    let (averaged, last) = (drawn(&config()), drawn(&config()));
    let mut tensors = named(module_tensors(&averaged), |name| format!("ema.{name}"));
    tensors.extend(named(module_tensors(&last), |name| format!("model.{name}")));
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), &tensors);
    let taken = |key: Option<&str>| {
        let key = key.map(str::to_string);
        let file = KlVaeFile::open(&path, &KlVaeOptions { key, ..groups() }).unwrap();
        let vae = file.load(&Device::default()).unwrap();
        (contents(&module_tensors(&vae)), file.notes.join("\n"))
    };
    let (found, notes) = taken(None);
    assert_eq!(found, contents(&module_tensors(&averaged)));
    assert!(
        notes.contains("took the averaged weights under ema"),
        "{notes}"
    );
    assert!(notes.contains("networks under other keys"), "{notes}");
    assert_eq!(taken(Some("model")).0, contents(&module_tensors(&last)));
    // Two of the same standing are no choice to be made silently.
    let tensors = named(tensors, |name| name.replace("ema.", "other."));
    let path = written(folder.path(), &tensors);
    fails(&path, &groups(), &["several networks", "--weights-key"]);
}

#[test]
fn missing_unexpected_and_misshapen_tensors_have_the_names_of_the_file() {
    let theirs = tensors_in(
        &config(),
        module_tensors(&drawn(&config())),
        Layout::Diffusers,
    );
    let changed = |change: &dyn Fn(&mut Vec<StoredTensor>), said: &[&str]| {
        let mut tensors = theirs.clone();
        change(&mut tensors);
        let folder = tempfile::tempdir().unwrap();
        fails(&written(folder.path(), &tensors), &groups(), said);
    };
    let lost = "decoder.up_blocks.0.resnets.1.norm2.weight";
    changed(
        &|tensors| tensors.retain(|tensor| tensor.name != lost),
        &["missing (1)", lost],
    );
    let more = "decoder.up_blocks.0.resnets.1.norm3.weight";
    changed(
        &|tensors| tensors.push(number(more)),
        &["unexpected (1)", more],
    );
    let narrow = "encoder.mid_block.attentions.0.to_q.bias";
    changed(
        &|tensors| {
            tensors.retain(|tensor| tensor.name != narrow);
            tensors.push(number(narrow));
        },
        &[&format!("{narrow}: expected shape [16], found [1]")],
    );
}

#[test]
fn files_of_other_networks_are_errors_that_say_what_they_are() {
    let decoder = module_tensors(&drawn(&config()));
    let decoder = decoder
        .into_iter()
        .filter(|tensor| tensor.name.starts_with("decoder."));
    let mut svg: Vec<_> = decoder.clone().collect();
    svg.push(number("extra_vit.ln.weight"));
    let mut vq = module_tensors(&drawn(&config()));
    vq.push(number("quantize.embedding.weight"));
    for (tensors, said) in [
        (
            vec![number("blocks.0.adaLN_modulation.1.weight")],
            "diffusion transformer",
        ),
        (vec![number("cls_token")], "vision transformer such as DINO"),
        (
            vec![number("Mixed_5b.branch1x1.conv.weight")],
            "Inception v3",
        ),
        (decoder.collect(), "no convolutional encoder"),
        (svg, "an autoencoder of SVG"),
        (vq, "VQ autoencoder"),
        (vec![number("something.weight")], "something.weight"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path(), &tensors);
        let error = KlVaeFile::open(&path, &groups()).unwrap_err();
        assert!(matches!(error, KlVaeError::Other { .. }), "{error}");
        fails(&path, &groups(), &["holds no KL autoencoder", said]);
    }
}

/// A folder of diffusers with its document.
fn folder_of(document: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let tensors = tensors_in(
        &config(),
        module_tensors(&drawn(&config())),
        Layout::Diffusers,
    );
    let path = folder.path().join("diffusion_pytorch_model.safetensors");
    save_tensors(&path, &tensors, Default::default()).unwrap();
    fs::write(folder.path().join("config.json"), document).unwrap();
    folder
}

const DOCUMENT: &str = r#"{"_class_name": "AutoencoderKL", "act_fn": "silu", "block_out_channels": [8, 16],
    "latent_channels": 3, "layers_per_block": 1, "norm_num_groups": 4, "sample_size": 32, "scaling_factor": 0.25}"#;

#[test]
fn the_document_of_a_folder_says_how_latents_are_scaled() {
    let folder = folder_of(DOCUMENT);
    let file = KlVaeFile::open(folder.path(), &KlVaeOptions::default()).unwrap();
    let want = config().with_scale(vec![0.25]).with_resolution(32);
    assert_eq!(file.config, want);
    assert_eq!(file.notes.len(), 0);
    // In a pipeline the autoencoder lies in a folder of its own.
    let pipeline = tempfile::tempdir().unwrap();
    fs::write(pipeline.path().join("model_index.json"), "{}").unwrap();
    fs::rename(folder.path(), pipeline.path().join("vae")).unwrap();
    let file = KlVaeFile::open(pipeline.path(), &KlVaeOptions::default()).unwrap();
    assert_eq!(file.config, want);
    fs::create_dir(folder.path()).unwrap();
}

#[test]
fn two_statements_that_differ_are_an_error_with_both() {
    let folder = folder_of(DOCUMENT);
    let scale = |scale| KlVaeOptions {
        scale: Some(scale),
        ..KlVaeOptions::default()
    };
    fails(
        folder.path(),
        &scale(0.18215),
        &[
            "config.json says that latents are scaled by [0.25]",
            "--scale 0.18215",
        ],
    );
    KlVaeFile::open(folder.path(), &scale(0.25)).unwrap();
    let options = KlVaeOptions {
        norm_groups: Some(8),
        ..KlVaeOptions::default()
    };
    fails(
        folder.path(),
        &options,
        &["norm_num_groups 4", "--norm-groups 8"],
    );
    let wide = folder_of(&DOCUMENT.replace("[8, 16]", "[8, 32]"));
    let said = ["block_out_channels is [8.0, 32.0]", "say [8.0, 16.0]"];
    fails(wide.path(), &KlVaeOptions::default(), &said);
    let statistics = Some((vec![0.0; 3], vec![2.0; 3]));
    let options = KlVaeOptions {
        statistics,
        ..scale(0.25)
    };
    fails(folder.path(), &options, &["--scale 0.25 and --stats both"]);
}

#[test]
fn a_missing_shard_is_an_error_that_names_it() {
    let folder = folder_of(DOCUMENT);
    let whole = folder.path().join("diffusion_pytorch_model.safetensors");
    let tensors = TensorFile::open(&whole).unwrap().into_tensors();
    let one = "diffusion_pytorch_model-00001-of-00002.safetensors";
    save_tensors(&folder.path().join(one), &tensors, Default::default()).unwrap();
    fs::remove_file(whole).unwrap();
    let two = "diffusion_pytorch_model-00002-of-00002.safetensors";
    let map = tensors
        .iter()
        .map(|tensor| format!("\"{}\": \"{one}\"", tensor.name));
    let map = map.collect::<Vec<_>>().join(", ");
    let index = format!("{{\"weight_map\": {{{map}, \"x\": \"{two}\"}}}}");
    let path = "diffusion_pytorch_model.safetensors.index.json";
    fs::write(folder.path().join(path), index).unwrap();
    fails(
        folder.path(),
        &KlVaeOptions::default(),
        &["1 are not there", two],
    );
}

#[test]
fn what_nothing_says_is_assumed_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let tensors = module_tensors(&drawn(&config().with_norm_groups(4)));
    let path = written(folder.path(), &tensors);
    let said = ["32 groups do not divide 8 channels", "--norm-groups"];
    fails(&path, &KlVaeOptions::default(), &said);
    let options = KlVaeOptions {
        scale: None,
        ..groups()
    };
    let file = KlVaeFile::open(&path, &options).unwrap();
    assert_eq!(file.config.scale, [1.0]);
    assert!(file.notes.join("\n").contains("say --scale, or --stats"));
}

#[test]
fn an_image_has_the_same_latents_alone_and_among_others() {
    let vae = drawn(&config().with_scale(vec![0.5]));
    let images = images(3, [12, 20]);
    let all = vae.encode(images.clone(), Draw::Mode);
    assert_eq!(all.dims(), [3, 6 * 10, 3]);
    let one = vae.encode(images.narrow(0, 1, 1), Draw::Mode);
    let off: f32 = (all.narrow(0, 1, 1) - one).abs().max().into_scalar();
    assert!(off < 1e-5, "{off}");
}

#[test]
fn a_grid_that_fits_into_one_tile_is_decoded_as_a_whole() {
    let vae = drawn(&config());
    let shape = [1, 6 * 5, 3];
    let latents = Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::default());
    let whole = vae.decode(latents.clone(), [6, 5]);
    assert_eq!(whole.dims(), [1, 3, 12, 10]);
    let tiled = vae.decode_tiled(latents.clone(), [6, 5], 6).into_data();
    tiled.assert_eq(&whole.into_data(), true);
    let tiles = vae.decode_tiled(latents, [6, 5], 4);
    assert_eq!(tiles.dims(), [1, 3, 12, 10]);
}

#[test]
fn every_parameter_has_a_gradient() {
    let device = Device::default().autodiff();
    let vae = config().init(&device);
    let images = Tensor::random(
        [1, 3, 8, 8],
        Distribution::Uniform(-1.0, 1.0),
        &Device::default(),
    );
    let images = Tensor::from_inner(images);
    let posterior = vae.posterior(images);
    let noise = posterior.mean.ones_like();
    let decoded = vae.decode_map(posterior.sample(noise));
    let loss = decoded.square().sum() + posterior.divergence().sum() * 1e-6;
    let gradients = burn::optim::GradientsParams::from_grads(loss.backward(), &vae);
    assert_eq!(gradients.len(), module_tensors(&vae).len());
}

#[test]
fn the_fingerprint_is_of_the_encoder_and_of_the_scaling() {
    let vae = drawn(&config());
    let tensors = module_tensors(&vae);
    let of = |config: &KlVaeConfig, tensors: &[StoredTensor]| fingerprint(config, tensors).unwrap();
    let found = of(&config(), &tensors);
    let changed = |part: &str| {
        let change = |tensor: StoredTensor| match tensor.name == part {
            true => {
                let data = bridge::to_data(&tensor).unwrap();
                let mut values: Vec<f32> = data.try_to_vec().unwrap();
                values[0] += 1.0;
                let data = TensorData::new(values, tensor.shape.to_vec());
                bridge::from_data(data, tensor.name, None)
            }
            false => tensor,
        };
        let tensors: Vec<_> = tensors.clone().into_iter().map(change).collect();
        of(&config(), &tensors)
    };
    assert_ne!(changed("encoder.conv_in.bias"), found);
    assert_ne!(changed("quant_conv.bias"), found);
    assert_eq!(changed("decoder.conv_in.bias"), found);
    assert_eq!(changed("post_quant_conv.bias"), found);
    assert_ne!(of(&config().with_scale(vec![0.5]), &tensors), found);
    assert_ne!(of(&config().with_norm_groups(2), &tensors), found);
    let reversed: Vec<_> = tensors.iter().rev().cloned().collect();
    assert_eq!(of(&config(), &reversed), found);
}
