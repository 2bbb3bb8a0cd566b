//! A bundle for examples that are given none.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use burn::prelude::*;
use svg_decoder::DecoderConfig;
use svg_dino::{Dino, DinoConfig, DinoFile, Layout};
use svg_model::{
    Accumulator, AutoencoderConfig, Bundle, ENCODER, FLOW, LatentStatistics, NewEncoder, NewFlow,
    NewSpace, Provenance, SPACE, StoredLatentStatistics, autoencoder_tensors, kinds,
};
use svg_nn::draw_parameters;
use svg_roles::{Encoder, Velocity, from_rgb};
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
    let encoder = Arc::new(encoder);
    let autoencoder = config.init(encoder.clone(), device);
    let part = NewEncoder {
        kind: kinds::DINOV3.to_string(),
        name: encoder.spec().name,
        config: serde_json::to_value(encoder.config())?,
        fingerprint: encoder.fingerprint()?,
        path: Some(path),
        copy: Some((
            DinoFile::of(&encoder).tensors_in(Layout::Official),
            Default::default(),
        )),
    };
    let space = NewSpace {
        tensors: autoencoder_tensors(None, &autoencoder.decoder),
        config,
        statistics: None,
        rest: vec![],
        provenance: Provenance::default(),
    };
    let space = space.into_part(&part.fingerprint, 16, 4)?;
    let folder = parent.join("bundle");
    let parts = [(ENCODER, part.into_part()?), (SPACE, space)];
    let mut bundle = Bundle::create(&folder, parts, false)?;

    // A flow lives in normalised features, so it needs their statistics.
    let pictures: Vec<_> = Shapes::new(0)
        .with_size(16)
        .images(20)
        .map(|(_, image)| image)
        .collect();
    let images = from_rgb(&pictures, device);
    let mut moments = Accumulator::new();
    moments.push(autoencoder.encoder.features(images));
    bundle.set_latent_statistics(&StoredLatentStatistics {
        statistics: LatentStatistics::of(&moments).context("there are tokens")?,
        features: bundle.features_fingerprint(),
        tokens: moments.count(),
        source: "drawn figures".to_string(),
    })?;
    let geometry = bundle.geometry()?;
    let [rows, columns] = geometry.grid();
    let config = SitConfig::new(geometry.channels, rows, columns, 32, 2, 2, 64);
    let config = config.with_n_classes(CLASSES.len());
    let network = config.init(device);
    let flow = bundle.flow_part(NewFlow {
        kind: kinds::SIT,
        config: &config,
        spec: network.spec(),
        tensors: checkpoint_tensors(&network),
        classes: CLASSES.map(String::from).into(),
        provenance: Provenance::default(),
    })?;
    bundle.set_part(FLOW, flow)?;
    Ok(folder)
}
