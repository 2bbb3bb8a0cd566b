//! A folder with an encoder and a bundle, and parts to exchange in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::module::{ModuleMapper, Param};
use burn::prelude::*;
use svg_decoder::DecoderConfig;
use svg_dino::{Dino, DinoConfig, DinoFile, Layout, RopePeriods};
use svg_model::{
    AutoencoderConfig, Bundle, ENCODER, FLOW, Generator, LatentStatistics, ModelError, NewEncoder,
    NewFlow, NewPart, NewSpace, OpenOptions, Provenance, Registry, SPACE, StoredLatentStatistics,
    StoredStatistics, SvgAutoencoder, autoencoder_tensors, kinds, svg,
};
use svg_residual::{Moments, ResidualConfig, ResidualEncoder, Statistics};
use svg_roles::{Encoder, VelocitySpec};
use svg_sit::{SitConfig, checkpoint_tensors};

pub struct Place {
    pub folder: tempfile::TempDir,
    pub device: Device,
}

impl Place {
    pub fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
            device: Device::default(),
        };
        place.save_encoder("encoder.safetensors", 1);
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn save_encoder(&self, name: &str, seed: u64) -> PathBuf {
        self.device.seed(seed);
        let config = DinoConfig::new(16, 1, 2, 32)
            .with_patch_size(4)
            .with_rope_periods(RopePeriods::Bf16Rounded);
        let file = DinoFile::of(&config.init(&self.device));
        file.save(Layout::Official, &self.path(name)).unwrap()
    }

    pub fn encoder(&self) -> Dino {
        Dino::load(self.path("encoder.safetensors"), &self.device).unwrap()
    }

    pub fn config() -> AutoencoderConfig {
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
    pub fn parts(
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
            notes: vec![],
        };
        let space = space.into_part(&encoder.fingerprint, 16, 4).unwrap();
        [(ENCODER, encoder.into_part().unwrap()), (SPACE, space)]
    }

    pub fn write(&self, copy_encoder: bool) -> (Bundle, SvgAutoencoder) {
        let mut model = Self::config().init(Arc::new(self.encoder()), &self.device);
        model.encoder.statistics = Some(statistics(0.5).statistics);
        let parts = self.parts(
            model.encoder.residual.as_ref(),
            &model.decoder,
            copy_encoder,
        );
        let bundle = Bundle::create(&self.path("bundle"), parts, true).unwrap();
        (bundle, model)
    }

    pub fn load(
        &self,
        bundle: &Bundle,
        encoder: Option<&Path>,
    ) -> Result<SvgAutoencoder, ModelError> {
        let (registry, options) = (Registry::standard(), options(encoder));
        svg::autoencoder(&registry.opening(bundle, &options, &self.device))
    }

    pub fn generator(&self, bundle: &Bundle) -> Result<Generator, ModelError> {
        Registry::standard().generator(bundle, &OpenOptions::default(), &self.device)
    }

    pub fn images(&self) -> Tensor<4> {
        let wave = Tensor::<1, Int>::arange(0..2 * 3 * 64, &self.device).float();
        (wave * 0.37).sin().reshape([2, 3, 8, 8])
    }
}

pub fn options(encoder: Option<&Path>) -> OpenOptions {
    OpenOptions {
        encoder: encoder.map(Path::to_path_buf),
        ..OpenOptions::default()
    }
}

/// Moves all weights by one.
pub struct Moved;

impl ModuleMapper for Moved {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|weights| weights + 1.0)
    }
}

pub fn statistics(mean: f64) -> StoredStatistics {
    let moments = |std| Moments { mean, std };
    StoredStatistics {
        statistics: Statistics {
            semantic: moments(1.0),
            residual: moments(0.7),
        },
        source: "a test".to_string(),
    }
}

pub fn message<T>(result: Result<T, ModelError>) -> String {
    match result {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it was accepted"),
    }
}

pub fn latents(bundle: &Bundle, mean: f64) -> StoredLatentStatistics {
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

pub fn flow() -> SitConfig {
    SitConfig::new(24, 2, 2, 16, 1, 2, 32).with_n_classes(2)
}

pub fn spec(config: &SitConfig) -> VelocitySpec {
    VelocitySpec {
        grid: [config.rows, config.columns],
        channels: config.in_channels,
        classes: config.n_classes,
    }
}

pub fn flow_part(bundle: &Bundle, config: &SitConfig) -> Result<NewPart, ModelError> {
    bundle.flow_part(NewFlow {
        kind: kinds::SIT,
        config,
        spec: spec(config),
        tensors: checkpoint_tensors(&config.init(&Device::default())),
        classes: ["dark", "light"].map(String::from).into(),
        provenance: Provenance::default(),
    })
}

pub fn set_flow(bundle: &mut Bundle, config: SitConfig) -> Result<(), ModelError> {
    let part = flow_part(bundle, &config)?;
    bundle.set_part(FLOW, part)
}
