//! Bundles: what is written is read back, and what does not fit is an error that names both sides.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::module::{ModuleMapper, Param};
use burn::prelude::*;
use svg_decoder::DecoderConfig;
use svg_dino::{Dino, DinoConfig, DinoFile, Layout, RopePeriods};
use svg_model::{
    Alignment, AutoencoderConfig, Bundle, ENCODER, FLOW, Generator, LatentStatistics, ModelError,
    NewEncoder, NewFlow, NewPart, NewSpace, OpenOptions, Provenance, Registry, SPACE,
    StoredLatentStatistics, StoredStatistics, SvgAutoencoder, autoencoder_tensors, kinds, svg,
};
use svg_residual::{Moments, ResidualConfig, ResidualEncoder, Statistics};
use svg_roles::{Encoder, LatentSpace, VelocitySpec};
use svg_sit::{SitConfig, checkpoint_tensors};

const AUTOENCODER_FILE: &str = "autoencoder.safetensors";

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

    /// The parts of a model with these networks.
    fn parts(
        &self,
        residual: Option<&ResidualEncoder>,
        decoder: &svg_decoder::Decoder,
        copy_encoder: bool,
    ) -> [(&'static str, NewPart); 2] {
        let dino = self.encoder();
        let space = NewSpace {
            tensors: autoencoder_tensors(residual, decoder),
            config: Self::config(),
            statistics: Some(statistics(0.5)),
            rest: vec![],
            provenance: Provenance::default(),
        };
        let encoder = NewEncoder {
            kind: kinds::DINOV3.to_string(),
            name: dino.spec().name,
            config: serde_json::to_value(dino.config()).unwrap(),
            fingerprint: dino.fingerprint().unwrap(),
            path: Some(self.path("encoder.safetensors")),
            copy: copy_encoder.then(|| {
                let tensors = DinoFile::of(&dino).tensors_in(Layout::Official);
                (tensors, Default::default())
            }),
        };
        let space = space.into_part(&encoder.fingerprint, 16, 4).unwrap();
        [(ENCODER, encoder.into_part().unwrap()), (SPACE, space)]
    }

    fn write(&self, copy_encoder: bool) -> (Bundle, SvgAutoencoder) {
        let mut model = Self::config().init(Arc::new(self.encoder()), &self.device);
        model.encoder = model.encoder.with_statistics(statistics(0.5).statistics);
        let parts = self.parts(
            model.encoder.residual.as_ref(),
            &model.decoder,
            copy_encoder,
        );
        let bundle = Bundle::create(&self.path("bundle"), parts, true).unwrap();
        (bundle, model)
    }

    fn load(&self, bundle: &Bundle, encoder: Option<&Path>) -> Result<SvgAutoencoder, ModelError> {
        let (registry, options) = (Registry::standard(), options(encoder));
        svg::autoencoder(&registry.opening(bundle, &options, &self.device))
    }

    fn generator(&self, bundle: &Bundle) -> Result<Generator, ModelError> {
        Registry::standard().generator(bundle, &OpenOptions::default(), &self.device)
    }

    fn images(&self) -> Tensor<4> {
        let wave = Tensor::<1, Int>::arange(0..2 * 3 * 64, &self.device).float();
        (wave * 0.37).sin().reshape([2, 3, 8, 8])
    }
}

fn options(encoder: Option<&Path>) -> OpenOptions {
    OpenOptions {
        encoder: encoder.map(Path::to_path_buf),
        ..OpenOptions::default()
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

fn message<T>(result: Result<T, ModelError>) -> String {
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
        let loaded = place.load(&bundle, None).unwrap();
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
    let refused = message(place.load(&bundle, Some(&other)));
    assert!(
        refused.contains("not the encoder that this model was trained with"),
        "{refused}"
    );

    let moved = place.path("moved.safetensors");
    fs::rename(place.path("encoder.safetensors"), &moved).unwrap();
    let asked = message(place.load(&bundle, None));
    assert!(asked.contains("--encoder FILE"), "{asked}");
    place.load(&bundle, Some(&moved)).unwrap();

    let larger = DinoConfig::new(32, 1, 2, 32).with_patch_size(4);
    let larger = DinoFile::of(&larger.init(&place.device));
    let larger = larger
        .save(Layout::Official, &place.path("larger.safetensors"))
        .unwrap();
    let refused = message(place.load(&bundle, Some(&larger)));
    assert!(refused.contains("1 layers, 32 channels"), "{refused}");
}

#[test]
fn statistics_can_be_given_later_and_take_the_old_ones_place() {
    let place = Place::new();
    let (mut bundle, _) = place.write(false);
    svg::set_alignment_statistics(&mut bundle, &statistics(-2.0)).unwrap();
    let bundle = Bundle::open(bundle.folder()).unwrap();
    let stored = svg::alignment_statistics(&bundle).unwrap();
    assert_eq!(stored, Some(statistics(-2.0)));
    let files = fs::read_dir(bundle.folder()).unwrap().count();
    assert_eq!(
        files,
        bundle.manifest().files().count() + 1,
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
        ("\"format\": 3", "\"format\": 4", "format 4 is not known"),
        ("\"geometry\"", "\"geometri\"", "geometri"),
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
    // What only the kind of a part knows is checked when it is opened.
    fs::write(
        &path,
        text.replacen("\"d_ff\"", "\"d_fff\": 1, \"d_ff\"", 1),
    )
    .unwrap();
    let bundle = Bundle::open(bundle.folder()).unwrap();
    let refused = message(place.load(&bundle, None));
    assert!(
        refused.contains("part encoder") && refused.contains("d_fff"),
        "{refused}"
    );
    let empty = tempfile::tempdir().unwrap();
    assert!(message(Bundle::open(empty.path())).contains("not a bundle"));
}

#[test]
fn a_manifest_whose_alignment_was_edited_is_refused_when_it_is_opened() {
    let place = Place::new();
    let (bundle, _) = place.write(false);
    let path = bundle.folder().join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"frozen\"", "\"batch\"", 1)).unwrap();
    let bundle = Bundle::open(bundle.folder()).unwrap();
    let refused = message(place.load(&bundle, None));
    assert!(refused.contains("was it edited?"), "{refused}");
}

#[test]
fn a_part_of_an_unknown_kind_is_named_with_the_version_of_the_program() {
    let place = Place::new();
    let (mut bundle, _) = place.write(false);
    let space = NewPart::new("hyperbolic", &());
    bundle.set_part(SPACE, space).unwrap();
    let bundle = Bundle::open(bundle.folder()).unwrap();
    let opened = Registry::standard().space(&bundle, &OpenOptions::default(), &place.device);
    let refused = message(opened.map(|_| ()));
    for expected in [
        "\"space\"",
        "\"hyperbolic\"",
        env!("CARGO_PKG_VERSION"),
        "opens svg",
    ] {
        assert!(refused.contains(expected), "{refused}");
    }
    // Other parts still open, and a part that no role has is kept.
    Registry::standard()
        .encoder(&bundle, &OpenOptions::default(), &place.device)
        .unwrap();
    let mut bundle = bundle;
    bundle
        .set_part("notes", NewPart::new("prose", &()))
        .unwrap();
    let copy = bundle.copy_to(&place.path("copy")).unwrap();
    assert_eq!(copy.find("notes").unwrap().kind, "prose");
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

fn spec(config: &SitConfig) -> VelocitySpec {
    VelocitySpec {
        grid: [config.rows, config.columns],
        channels: config.in_channels,
        classes: config.n_classes,
    }
}

fn flow_part(bundle: &Bundle, config: &SitConfig) -> Result<NewPart, ModelError> {
    bundle.flow_part(NewFlow {
        kind: kinds::SIT,
        config,
        spec: spec(config),
        tensors: checkpoint_tensors(&config.init(&Device::default())),
        classes: ["dark", "light"].map(String::from).into(),
        provenance: Provenance::default(),
    })
}

fn set_flow(bundle: &mut Bundle, config: SitConfig) -> Result<(), ModelError> {
    let part = flow_part(bundle, &config)?;
    bundle.set_part(FLOW, part)
}

#[test]
fn a_copy_is_the_same_bundle_and_takes_the_place_of_bundles_alone() {
    let place = Place::new();
    let (mut bundle, _) = place.write(true);
    bundle
        .set_latent_statistics(&latents(&bundle, 0.1))
        .unwrap();
    let to = place.path("copy");

    let plain = bundle.copy_to(&to).unwrap();
    assert_eq!(plain.manifest(), bundle.manifest());
    assert_eq!(plain.folder(), to);
    let part = flow_part(&bundle, &flow()).unwrap();
    let flowing = bundle.copy_with(&to, FLOW, part).unwrap();
    place.generator(&flowing).unwrap();
    assert!(bundle.find(FLOW).is_none());

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
    let refused = message(place.generator(&bundle));
    assert!(refused.contains("svg train flow --bundle"), "{refused}");
    set_flow(&mut bundle, flow()).unwrap();
    let refused = message(place.generator(&bundle));
    assert!(refused.contains("svg stats --bundle"), "{refused}");
    for mean in [0.1, 0.2] {
        let stored = latents(&bundle, mean);
        bundle.set_latent_statistics(&stored).unwrap();
        set_flow(&mut bundle, flow()).unwrap();
        bundle = Bundle::open(bundle.folder()).unwrap();
        assert_eq!(bundle.latent_statistics().unwrap(), Some(stored));
    }
    let files = fs::read_dir(bundle.folder()).unwrap().count();
    assert_eq!(files, bundle.manifest().files().count() + 1);
    let names: Vec<_> = bundle.manifest().files().collect();
    assert_eq!(names.len(), 4, "{names:?}");
    let generator = place.generator(&bundle).unwrap();
    assert_eq!(generator.flow.spec(), spec(&flow()));
    let latents = generator.noise(0, &[0, 1]);
    let statistics = latents_of(&bundle);
    let features = statistics.denormalise(latents.narrow(0, 0, 1));
    let space = Registry::standard().space(&bundle, &OpenOptions::default(), &place.device);
    let expected = space.unwrap().decode(features, [2, 2]);
    let images = generator.images(generator.noise(0, &[0, 1]));
    let first = images.narrow(0, 0, 1).into_data();
    first.assert_eq(&expected.into_data(), true);
}

fn latents_of(bundle: &Bundle) -> LatentStatistics {
    bundle.latent_statistics().unwrap().unwrap().statistics
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
    let refused = message(place.generator(&bundle));
    let both = [&old, &other].map(|stored| stored.statistics.fingerprint());
    assert!(both.iter().all(|one| refused.contains(one)), "{refused}");

    svg::set_alignment_statistics(&mut bundle, &statistics(-2.0)).unwrap();
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
    let refused = message(place.generator(&bundle));
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
        let parts = place.parts(residual, &decoder, false);
        let written = Bundle::create(&place.path(name), parts, false);
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
    let space = NewPart::new("anything", &());
    let refused = message(Bundle::create(
        &place.path("bundle"),
        [(SPACE, space)],
        true,
    ));
    assert!(refused.contains("not empty"), "{refused}");
    assert!(place.path("bundle/thesis.tex").exists());
}
