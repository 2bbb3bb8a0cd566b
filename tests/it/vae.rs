//! A KL autoencoder from a published file to a bundle without an encoder, through every command that uses a space, and
//! back.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::prelude::*;
use burn::store::bridge;
use burn::tensor::TensorData;
use svg_image::{Rgb, RgbImage, save_png};
use svg_model::{Bundle, FLOW, NewFlow, Provenance, kinds};
use svg_nn::{StoredTensor, TensorFile, draw_parameters, module_tensors, save_tensors};
use svg_roles::Velocity;
use svg_sit::{SitConfig, checkpoint_tensors};
use svg_vae::{KlVaeConfig, Layout, document, tensors_in};

use super::support::{svg, text};

/// A folder of diffusers, the same weights as of VA-VAE's training, and pictures.
struct Place {
    folder: tempfile::TempDir,
    config: KlVaeConfig,
}

impl Place {
    fn new() -> Self {
        let config = KlVaeConfig::new(3)
            .with_width(8)
            .with_width_multipliers(vec![1, 2])
            .with_n_res_blocks(1)
            .with_encoder_attention(vec![1])
            .with_decoder_attention(vec![1])
            .with_norm_groups(4)
            .with_resolution(16)
            .with_scale(vec![0.5]);
        let folder = tempfile::tempdir().unwrap();
        let place = Self { folder, config };
        let vae = place.config.init(&Device::default());
        draw_parameters(&vae);
        let ours = module_tensors(&vae);
        let theirs = tensors_in(&place.config, ours.clone(), Layout::Diffusers);
        fs::create_dir(place.path("diffusers")).unwrap();
        let weights = place.path("diffusers/diffusion_pytorch_model.safetensors");
        save_tensors(&weights, &theirs, Default::default()).unwrap();
        let said = document(&place.config).to_string();
        fs::write(place.path("diffusers/config.json"), said).unwrap();
        let trained = ours.into_iter().map(|tensor| (tensor.name.clone(), tensor));
        let mut trained: Vec<_> = trained
            .map(|(name, tensor)| named(tensor, format!("state_dict.{name}")))
            .collect();
        let loss = bridge::from_data(
            TensorData::from([1.0f32]),
            "state_dict.loss.logvar".into(),
            None,
        );
        trained.push(loss);
        save_tensors(
            &place.path("trained.safetensors"),
            &trained,
            Default::default(),
        )
        .unwrap();
        for number in 0..4 {
            let class = place.path(["data/dark", "data/light"][number % 2]);
            fs::create_dir_all(&class).unwrap();
            let image = RgbImage::from_fn(20, 16, |x, y| {
                Rgb([(x * 9) as u8, (y * 13) as u8, (number * 53) as u8])
            });
            save_png(&image, class.join(format!("{number}.png")), &[]).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn ran(&self, words: &str) -> (bool, String) {
        let mut command = svg();
        command.current_dir(self.folder.path());
        let output = command.args(words.split_whitespace()).output().unwrap();
        let said = text(&output.stdout) + &text(&output.stderr);
        (output.status.success(), said)
    }

    #[track_caller]
    fn done(&self, words: &str) -> String {
        let (good, said) = self.ran(words);
        assert!(good, "{words}: {said}");
        said
    }

    #[track_caller]
    fn refused(&self, words: &str, expected: &[&str]) {
        let (good, said) = self.ran(words);
        assert!(!good, "{words}: {said}");
        for expected in expected {
            assert!(said.contains(expected), "{words}: {said}");
        }
    }
}

fn named(mut tensor: StoredTensor, name: String) -> StoredTensor {
    tensor.name = name;
    tensor
}

fn contents(path: &Path) -> BTreeMap<String, (Vec<usize>, Vec<u8>)> {
    let file = TensorFile::open(path).unwrap();
    let entry = |tensor: &StoredTensor| {
        let bytes = tensor.to_bytes().unwrap().to_vec();
        (tensor.name.clone(), (tensor.shape.to_vec(), bytes))
    };
    file.tensors().iter().map(entry).collect()
}

#[test]
fn a_published_autoencoder_goes_through_every_command_and_comes_back_to_the_bit() {
    let place = Place::new();
    let said = place.done("import vae diffusers --out bundle");
    let expected = "latents of 3 channels on 8 x 8 tokens of 2 pixels, scaled by 0.5";
    assert!(said.contains(expected), "{said}");
    let said = place.done("info bundle");
    assert!(said.contains("kl_vae"), "{said}");

    let said = place.done("info diffusers/diffusion_pytorch_model.safetensors");
    assert!(
        said.contains("KL autoencoder") && said.contains("by 0.5"),
        "{said}"
    );

    place.done("encode --bundle bundle --images data --out features.safetensors");
    let features = TensorFile::open(place.path("features.safetensors")).unwrap();
    let tensor = &features.tensors()[0];
    assert_eq!(tensor.shape.to_vec(), [4, 64, 3]);
    place.done(
        "decode --bundle bundle features.safetensors --out decoded --raw decoded.safetensors",
    );
    let raw = TensorFile::open(place.path("decoded.safetensors")).unwrap();
    assert_eq!(raw.tensors()[0].shape.to_vec(), [4, 3, 16, 16]);
    place.done("decode --bundle bundle features.safetensors --out tiles --tile 6");
    let said = place.done("reconstruct --bundle bundle --images data --out pairs");
    assert!(said.contains("images  4 of 16 x 16"), "{said}");
    let said = place.done("cache --bundle bundle --data data --out cache --store f32");
    assert!(said.contains("4 of 4 pictures"), "{said}");

    // Latents are as the space scales them, until measured statistics take the place of none.
    let statistics = |place: &Place| {
        let bundle = Bundle::open(&place.path("bundle")).unwrap();
        bundle.required_latent_statistics().unwrap().statistics
    };
    assert_eq!(statistics(&place).std, [1.0; 3]);
    let mut bundle = Bundle::open(&place.path("bundle")).unwrap();
    let config = SitConfig::new(3, 8, 8, 32, 1, 2, 64).with_n_classes(2);
    let network = config.init(&Device::default());
    let flow = NewFlow {
        kind: kinds::SIT,
        config: &config,
        spec: network.spec(),
        tensors: checkpoint_tensors(&network),
        classes: vec![],
        provenance: Provenance::default(),
    };
    let flow = bundle.flow_part(flow).unwrap();
    bundle.set_part(FLOW, flow).unwrap();
    drop(bundle);
    place.done("sample --bundle bundle --classes 0,1 --steps 2 --out samples");
    let said = place.done("stats --bundle bundle --images data");
    assert!(said.contains("3 channels over 256 tokens"), "{said}");
    assert_ne!(statistics(&place).std, [1.0; 3]);

    place.done("export vae --bundle bundle --out back.safetensors --config back.json");
    let published = place.path("diffusers/diffusion_pytorch_model.safetensors");
    assert_eq!(
        contents(&place.path("back.safetensors")),
        contents(&published)
    );
    let back = fs::read_to_string(place.path("back.json")).unwrap();
    let back: serde_json::Value = serde_json::from_str(&back).unwrap();
    assert_eq!(back, document(&place.config));
    place.done("export vae --bundle bundle --layout ldm --out ldm.safetensors");
    let mut trained = contents(&place.path("trained.safetensors"));
    trained.remove("state_dict.loss.logvar");
    let trained = trained.into_iter();
    let trained = trained.map(|(name, tensor)| (name.replace("state_dict.", ""), tensor));
    assert_eq!(contents(&place.path("ldm.safetensors")), trained.collect());
    // An export says what it is.
    place.done("import vae ldm.safetensors --out again");
    let fingerprint = |name: &str| {
        Bundle::open(&place.path(name))
            .unwrap()
            .features_fingerprint()
    };
    assert_eq!(fingerprint("again"), fingerprint("bundle"));
}

#[test]
fn what_a_file_does_not_say_is_asked_for_and_what_it_says_is_not_overruled() {
    let place = Place::new();
    place.refused(
        "import vae trained.safetensors --out bundle",
        &["32 groups do not divide 8 channels", "--norm-groups"],
    );
    let said = place.done("import vae trained.safetensors --out bundle --norm-groups 4 --size 16");
    for expected in [
        "dropped what only training needs: loss.logvar",
        "nothing says how its latents",
    ] {
        assert!(said.contains(expected), "{said}");
    }
    place.refused(
        "import vae diffusers --out other --scale 0.18215",
        &[
            "config.json says that latents are scaled by [0.5]",
            "--scale 0.18215",
        ],
    );
    let tensor = |name: &str, values: [f32; 3]| {
        let data = TensorData::new(values.to_vec(), [1, 3, 1, 1]);
        bridge::from_data(data, name.to_string(), None)
    };
    let stats = [
        tensor("mean", [0.5, 0.0, -0.5]),
        tensor("std", [2.0, 4.0, 0.5]),
    ];
    save_tensors(&place.path("stats.safetensors"), &stats, Default::default()).unwrap();
    let said = place.done(
        "import vae trained.safetensors --out normed --norm-groups 4 --size 16 --stats stats.safetensors",
    );
    assert!(
        said.contains("normalised by 3 means and deviations"),
        "{said}"
    );
    let config = svg_model::kl_vae::config(&Bundle::open(&place.path("normed")).unwrap()).unwrap();
    assert_eq!(config.shift, [0.5, 0.0, -0.5]);
    assert_eq!(config.scale, [0.5, 0.25, 2.0]);

    place.refused(
        "export autoencoder --bundle bundle --out a.safetensors",
        &["\"kl_vae\""],
    );
    place.refused("align-stats --bundle bundle --images data", &["\"kl_vae\""]);
    place.done(
        "init encoder --d-model 16 --layers 1 --heads 2 --d-ff 32 --patch 4 --out dino.safetensors",
    );
    place.refused(
        "import vae dino.safetensors --out wrong",
        &["holds no KL autoencoder", "vision transformer such as DINO"],
    );
    assert!(!place.path("wrong").exists());
}
