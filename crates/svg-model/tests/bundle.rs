//! Bundles: what is written is read back, and what does not fit is said.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::{ModuleMapper, Param};
use burn::prelude::*;
use svg_decoder::DecoderConfig;
use svg_dino::{Dino, DinoConfig, DinoFile, Layout, RopePeriods};
use svg_model::{
    AUTOENCODER_FILE, Alignment, AutoencoderConfig, Bundle, BundleContents, FlowContents,
    LatentStatistics, Provenance, StoredLatentStatistics, StoredStatistics, SvgAutoencoder,
    autoencoder_tensors,
};
use svg_nn::StoredTensor;
use svg_residual::{Moments, ResidualConfig, ResidualEncoder, Statistics};
use svg_sit::{SitConfig, checkpoint_tensors};

struct Place {
    folder: tempfile::TempDir,
    device: Device,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
            device: Device::default(),
        };
        place.save_encoder("encoder.safetensors", 1);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn save_encoder(&self, name: &str, seed: u64) -> PathBuf {
        self.device.seed(seed);
        let config = DinoConfig::new(16, 1, 2, 32)
            .with_patch_size(4)
            .with_rope_periods(RopePeriods::Bf16Rounded);
        let file = DinoFile::of(&config.init(&self.device));
        file.save(Layout::Official, &self.path(name)).unwrap()
    }

    fn encoder(&self) -> Dino {
        Dino::load(self.path("encoder.safetensors"), &self.device).unwrap()
    }

    fn config() -> AutoencoderConfig {
        let residual = ResidualConfig::new()
            .with_image_size(8)
            .with_patch_size(4)
            .with_d_model(16)
            .with_n_heads(2)
            .with_d_ff(16)
            .with_n_layers(1);
        let decoder = DecoderConfig::new(24)
            .with_width(32)
            .with_width_multipliers(vec![1, 1, 1])
            .with_resolution(8)
            .with_attention_resolutions(vec![]);
        AutoencoderConfig::new(decoder).with_residual(Some(residual))
    }

    fn write(&self, copy_encoder: bool) -> (Bundle, SvgAutoencoder<Dino>) {
        let config = Self::config();
        let mut model = config.init(self.encoder(), &self.device);
        model.encoder = model.encoder.with_statistics(statistics(0.5).statistics);
        let contents = BundleContents {
            tensors: &autoencoder_tensors(model.encoder.residual.as_ref(), &model.decoder),
            config,
            statistics: Some(statistics(0.5)),
            rest: &[],
            encoder: &self.encoder(),
            encoder_path: &self.path("encoder.safetensors"),
            copy_encoder,
            provenance: Provenance::default(),
        };
        let bundle = Bundle::create(&self.path("bundle"), contents, true).unwrap();
        (bundle, model)
    }

    fn images(&self) -> Tensor<4> {
        let wave = Tensor::<1, Int>::arange(0..2 * 3 * 64, &self.device).float();
        (wave * 0.37).sin().reshape([2, 3, 8, 8])
    }
}

/// Moves all weights by one.
struct Moved;

impl ModuleMapper for Moved {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|weights| weights + 1.0)
    }
}

fn statistics(mean: f64) -> StoredStatistics {
    let moments = |std| Moments { mean, std };
    StoredStatistics {
        statistics: Statistics {
            semantic: moments(1.0),
            residual: moments(0.7),
        },
        source: "a test".to_string(),
    }
}

fn message<T>(result: Result<T, svg_model::ModelError>) -> String {
    match result {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it was accepted"),
    }
}

#[test]
fn a_bundle_gives_the_model_back_to_the_bit() {
    let place = Place::new();
    for copy_encoder in [false, true] {
        let (bundle, model) = place.write(copy_encoder);
        let loaded = bundle.load(None, &place.device).unwrap();
        let expected = model.reconstruct(place.images()).into_data();
        let found = loaded.reconstruct(place.images()).into_data();
        found.assert_eq(&expected, true);
        assert_eq!(loaded.encoder.alignment(), Alignment::Frozen);
    }
    let names = |folder: &Path| -> Vec<_> {
        let names = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    };
    assert_eq!(
        names(place.folder.path()).len(),
        2,
        "nothing is left beside it"
    );
    assert!(names(&place.path("bundle")).contains(&"encoder.safetensors".to_string()));
}

#[test]
fn a_missing_cut_or_changed_file_is_named() {
    let place = Place::new();
    let (bundle, _) = place.write(false);
    let path = bundle.folder().join(AUTOENCODER_FILE);
    let whole = fs::read(&path).unwrap();

    fs::remove_file(&path).unwrap();
    let missing = message(Bundle::open(bundle.folder()));
    assert!(
        missing.contains(AUTOENCODER_FILE) && missing.contains("missing"),
        "{missing}"
    );

    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert!(message(Bundle::open(bundle.folder())).contains("bytes where the manifest says"));

    let mut other = whole.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&path, other).unwrap();
    assert!(message(Bundle::open(bundle.folder())).contains("SHA-256"));

    fs::write(&path, whole).unwrap();
    Bundle::open(bundle.folder()).unwrap();
}

#[test]
fn another_encoder_is_refused_and_a_moved_one_is_asked_for() {
    let place = Place::new();
    let (bundle, _) = place.write(false);
    let other = place.save_encoder("other.safetensors", 2);
    let refused = message(bundle.load(Some(&other), &place.device));
    assert!(
        refused.contains("not the encoder that this model was trained with"),
        "{refused}"
    );

    let moved = place.path("moved.safetensors");
    fs::rename(place.path("encoder.safetensors"), &moved).unwrap();
    let asked = message(bundle.load(None, &place.device));
    assert!(asked.contains("--encoder FILE"), "{asked}");
    bundle.load(Some(&moved), &place.device).unwrap();

    let larger = DinoConfig::new(32, 1, 2, 32).with_patch_size(4);
    let larger = DinoFile::of(&larger.init(&place.device));
    let larger = larger
        .save(Layout::Official, &place.path("larger.safetensors"))
        .unwrap();
    let refused = message(bundle.load(Some(&larger), &place.device));
    assert!(refused.contains("1 layers, 32 channels"), "{refused}");
}

#[test]
fn statistics_can_be_given_later_and_take_the_old_ones_place() {
    let place = Place::new();
    let (mut bundle, _) = place.write(false);
    bundle.set_statistics(&statistics(-2.0)).unwrap();
    let bundle = Bundle::open(bundle.folder()).unwrap();
    assert_eq!(bundle.statistics().unwrap(), Some(statistics(-2.0)));
    let files = fs::read_dir(bundle.folder()).unwrap().count();
    assert_eq!(
        files,
        bundle.manifest().files.len() + 1,
        "the old file is gone"
    );
}

#[test]
fn a_manifest_of_another_version_or_with_a_typo_is_refused() {
    let place = Place::new();
    let (bundle, _) = place.write(false);
    let path = bundle.folder().join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    for (from, to, expected) in [
        ("\"format\": 2", "\"format\": 3", "format 3 is not known"),
        ("\"d_ff\"", "\"d_fff\": 1, \"d_ff\"", "d_fff"),
        (
            "autoencoder.safetensors",
            "../autoencoder.safetensors",
            "lies outside the folder",
        ),
    ] {
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let refused = message(Bundle::open(bundle.folder()));
        assert!(refused.contains(expected), "{refused}");
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(message(Bundle::open(empty.path())).contains("not a bundle"));
}

#[test]
fn a_bundle_of_the_first_format_opens_and_becomes_one_of_the_second() {
    let place = Place::new();
    let (bundle, _) = place.write(false);
    let path = bundle.folder().join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    let first = text.replacen("\"format\": 2", "\"format\": 1", 1);
    let first = first.replacen("  \"flow\": null,\n", "", 1);
    assert_ne!(first.len(), text.len());
    fs::write(&path, first).unwrap();
    let mut old = Bundle::open(bundle.folder()).unwrap();
    assert_eq!(old.manifest().flow, None);
    assert_eq!(old.features_fingerprint(), bundle.features_fingerprint());
    old.set_statistics(&statistics(1.0)).unwrap();
    assert_eq!(
        Bundle::open(bundle.folder()).unwrap().manifest().format,
        svg_model::FORMAT
    );
}

fn latents(bundle: &Bundle, mean: f64) -> StoredLatentStatistics {
    StoredLatentStatistics {
        statistics: LatentStatistics {
            mean: vec![mean; 24],
            std: vec![0.5; 24],
        },
        features: bundle.features_fingerprint(),
        tokens: 512,
        source: "a test".to_string(),
    }
}

fn flow() -> SitConfig {
    SitConfig::new(24, 2, 2, 16, 1, 2, 32).with_n_classes(2)
}

fn flow_contents(config: SitConfig, tensors: &[StoredTensor]) -> FlowContents<'_> {
    FlowContents {
        tensors,
        config,
        classes: ["dark", "light"].map(String::from).into(),
        provenance: Provenance::default(),
    }
}

fn set_flow(bundle: &mut Bundle, config: SitConfig) -> Result<(), svg_model::ModelError> {
    let tensors = checkpoint_tensors(&config.init(&Device::default()));
    bundle.set_flow(flow_contents(config, &tensors))
}

#[test]
fn a_copy_is_the_same_bundle_and_takes_the_place_of_bundles_alone() {
    let place = Place::new();
    let (mut bundle, _) = place.write(true);
    bundle
        .set_latent_statistics(&latents(&bundle, 0.1))
        .unwrap();
    let tensors = checkpoint_tensors(&flow().init(&place.device));
    let to = place.path("copy");

    let plain = bundle.copy_to(&to).unwrap();
    assert_eq!(plain.manifest(), bundle.manifest());
    assert_eq!(plain.folder(), to);
    let flowing = bundle
        .copy_with_flow(&to, flow_contents(flow(), &tensors))
        .unwrap();
    flowing.generator(None, &place.device).unwrap();
    assert!(bundle.manifest().flow.is_none());
    // A flow that does not fit leaves the copy that was there.
    let wide = SitConfig {
        columns: 3,
        ..flow()
    };
    message(bundle.copy_with_flow(&to, flow_contents(wide, &tensors)));
    assert_eq!(Bundle::open(&to).unwrap().manifest(), flowing.manifest());

    fs::remove_file(svg_model::Manifest::path(&to)).unwrap();
    let refused = message(bundle.copy_to(&to));
    assert!(refused.contains("not empty"), "{refused}");
    let names = fs::read_dir(place.folder.path()).unwrap();
    assert!(names.into_iter().all(|name| {
        let name = name.unwrap().file_name();
        !name.to_string_lossy().starts_with('.')
    }));
}

#[test]
fn a_flow_and_its_statistics_come_back_and_take_the_old_ones_place() {
    let place = Place::new();
    let (mut bundle, _) = place.write(false);
    let refused = message(bundle.generator(None, &place.device));
    assert!(refused.contains("svg train flow --bundle"), "{refused}");
    set_flow(&mut bundle, flow()).unwrap();
    let refused = message(bundle.generator(None, &place.device));
    assert!(refused.contains("svg stats --bundle"), "{refused}");
    for mean in [0.1, 0.2] {
        let stored = latents(&bundle, mean);
        bundle.set_latent_statistics(&stored).unwrap();
        set_flow(&mut bundle, flow()).unwrap();
        bundle = Bundle::open(bundle.folder()).unwrap();
        assert_eq!(bundle.latent_statistics().unwrap(), Some(stored));
    }
    let files = fs::read_dir(bundle.folder()).unwrap().count();
    assert_eq!(files, bundle.manifest().files.len() + 1);
    let names: Vec<_> = bundle.manifest().files.keys().collect();
    assert_eq!(names.len(), 4, "{names:?}");
    let generator = bundle.generator(None, &place.device).unwrap();
    assert_eq!(*generator.flow.config(), flow());
    let latents = generator.noise(0, &[0, 1]);
    let latent_space = generator.space.latent_statistics().unwrap();
    let features = latent_space.denormalise(latents.narrow(0, 0, 1));
    let expected = generator.space.decoder.forward(features, [2, 2]);
    let images = generator.images(generator.noise(0, &[0, 1]));
    let first = images.narrow(0, 0, 1).into_data();
    first.assert_eq(&expected.into_data(), true);
}

#[test]
fn what_belongs_to_other_features_or_statistics_is_refused_with_both_fingerprints() {
    let place = Place::new();
    let (mut bundle, _) = place.write(false);
    let before = bundle.features_fingerprint();
    let old = latents(&bundle, 0.1);
    bundle.set_latent_statistics(&old).unwrap();
    set_flow(&mut bundle, flow()).unwrap();

    let other = latents(&bundle, 0.3);
    bundle.set_latent_statistics(&other).unwrap();
    let refused = message(bundle.generator(None, &place.device));
    let both = [&old, &other].map(|stored| stored.statistics.fingerprint());
    assert!(both.iter().all(|one| refused.contains(one)), "{refused}");

    bundle.set_statistics(&statistics(-2.0)).unwrap();
    let after = bundle.features_fingerprint();
    assert_ne!(before, after);
    assert_eq!(
        Bundle::open(bundle.folder())
            .unwrap()
            .features_fingerprint(),
        after
    );
    let refused = message(bundle.latent_statistics());
    assert!(
        refused.contains(&before) && refused.contains(&after),
        "{refused}"
    );
    assert!(message(bundle.set_latent_statistics(&old)).contains(&before));
    let new = latents(&bundle, 0.1);
    bundle.set_latent_statistics(&new).unwrap();
    let refused = message(bundle.generator(None, &place.device));
    assert!(
        refused.contains("Train or import the flow again"),
        "{refused}"
    );
}

#[test]
fn a_flow_of_another_grid_or_other_classes_is_named_on_both_sides() {
    let place = Place::new();
    let (mut bundle, _) = place.write(false);
    let wide = SitConfig {
        columns: 3,
        ..flow()
    };
    let refused = message(set_flow(&mut bundle, wide));
    assert!(
        refused.contains("24 channels on 2 x 3 tokens, the bundle's latents have 24 on 2 x 2"),
        "{refused}"
    );
    let refused = message(set_flow(&mut bundle, flow().with_n_classes(5)));
    assert!(refused.contains("5 classes and 2 names"), "{refused}");
    let mut few = latents(&bundle, 0.0);
    few.statistics = LatentStatistics {
        mean: vec![0.0; 3],
        std: vec![1.0; 3],
    };
    let refused = message(bundle.set_latent_statistics(&few));
    assert!(
        refused.contains("3 channels, the bundle's features 24"),
        "{refused}"
    );
}

#[test]
fn features_have_a_fingerprint_that_no_decoder_changes() {
    let place = Place::new();
    let (bundle, model) = place.write(false);
    let decoder = Place::config().decoder.init(&place.device);
    let write = |name: &str, residual: Option<&ResidualEncoder>| {
        let contents = BundleContents {
            config: Place::config(),
            tensors: &autoencoder_tensors(residual, &decoder),
            statistics: Some(statistics(0.5)),
            rest: &[],
            encoder: &place.encoder(),
            encoder_path: &place.path("encoder.safetensors"),
            copy_encoder: false,
            provenance: Provenance::default(),
        };
        let written = Bundle::create(&place.path(name), contents, false);
        written.unwrap().features_fingerprint()
    };
    let fingerprint = bundle.features_fingerprint();
    let same = write("decoder", model.encoder.residual.as_ref());
    assert_eq!(same, fingerprint);
    // Not drawn anew: tests beside this one seed the same generator.
    let residual = model.encoder.residual.map(|own| own.map(&mut Moved));
    assert_ne!(write("residual", residual.as_ref()), fingerprint);
}

#[test]
fn a_folder_with_something_else_in_it_is_not_replaced() {
    let place = Place::new();
    fs::create_dir(place.path("bundle")).unwrap();
    fs::write(place.path("bundle/thesis.tex"), "years").unwrap();
    let encoder = place.encoder();
    let contents = BundleContents {
        config: Place::config(),
        tensors: &[],
        statistics: None,
        rest: &[],
        encoder: &encoder,
        encoder_path: &place.path("encoder.safetensors"),
        copy_encoder: false,
        provenance: Provenance::default(),
    };
    let refused = message(Bundle::create(&place.path("bundle"), contents, true));
    assert!(refused.contains("not empty"), "{refused}");
    assert!(place.path("bundle/thesis.tex").exists());
}
