//! A bundle for examples that are given none.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::prelude::*;
use svg_decoder::DecoderConfig;
use svg_dino::{Dino, DinoConfig, DinoFile, Layout};
use svg_model::StoredLatentStatistics;
use svg_model::{AutoencoderConfig, SvgAutoencoder, autoencoder_tensors};
use svg_model::{Bundle, BundleContents, FlowContents, LatentAccumulator, Provenance};
use svg_nn::draw_parameters;
use svg_roles::{Images, Signed};
use svg_shapes::{CLASSES, Shapes};
use svg_sit::{SitConfig, checkpoint_tensors};

/// A whole bundle of networks that nobody has trained, for images of 16 x 16 pixels.
pub fn untrained_bundle(parent: &Path, device: &Device) -> Result<PathBuf> {
    device.seed(0);
    let encoder = DinoConfig::new(16, 1, 2, 32).with_patch_size(4);
    let encoder = encoder.with_layer_scale(0.3).init(device);
    draw_parameters(&encoder);
    // Official files round the positions and mask biases: the encoder is what its file says.
    let path = parent.join("encoder.safetensors");
    DinoFile::of(&encoder).save(Layout::Official, &path)?;
    let encoder = Dino::load(&path, device)?;
    let decoder = DecoderConfig::new(16)
        .with_width(32)
        .with_width_multipliers(vec![1, 1, 1]);
    let decoder = decoder
        .with_resolution(16)
        .with_attention_resolutions(vec![]);
    let config = AutoencoderConfig::new(decoder);
    let autoencoder: SvgAutoencoder<_> = config.init(encoder.clone(), device);
    let folder = parent.join("bundle");
    let contents = BundleContents {
        tensors: &autoencoder_tensors(None, &autoencoder.decoder),
        config,
        statistics: None,
        rest: &[],
        encoder: &encoder,
        encoder_path: &path,
        copy_encoder: true,
        provenance: Provenance::default(),
    };
    let mut bundle = Bundle::create(&folder, contents, false)?;

    // A flow lives in normalised features, so it needs their statistics.
    let pictures: Vec<_> = Shapes::new(0)
        .with_size(16)
        .images(20)
        .map(|(_, image)| image)
        .collect();
    let images = Images::<Signed>::from_rgb(&pictures, device).into_tensor();
    let mut moments = LatentAccumulator::new();
    moments.push(autoencoder.encoder.features(images));
    bundle.set_latent_statistics(&StoredLatentStatistics {
        statistics: moments.statistics().context("there are tokens")?,
        features: bundle.features_fingerprint(),
        tokens: moments.tokens(),
        source: "drawn figures".to_string(),
    })?;
    let grid = bundle.grid();
    let config = SitConfig::new(grid.channels, grid.rows, grid.columns, 32, 2, 2, 64);
    let config = config.with_n_classes(CLASSES.len());
    bundle.set_flow(FlowContents {
        tensors: &checkpoint_tensors(&config.init(device)),
        config,
        classes: CLASSES.map(String::from).into(),
        provenance: Provenance::default(),
    })?;
    Ok(folder)
}
