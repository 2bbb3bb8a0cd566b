//! What examples share: a bundle for those that are given none, pictures, the statistics of latents, progress
//! in print.

#![allow(dead_code)] // no example uses all of it

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use burn::prelude::*;
use svg_decoder::DecoderConfig;
use svg_dino::{Dino, DinoConfig, DinoFile, Layout};
use svg_image::{ImageSet, RgbImage, save_png};
use svg_model::{
    Accumulator, AutoencoderConfig, Bundle, ENCODER, FLOW, LatentStatistics, NewEncoder, NewFlow,
    NewSpace, Provenance, SPACE, StoredLatentStatistics, autoencoder_tensors, kinds,
};
use svg_nn::draw_parameters;
use svg_roles::{Draw, Encoder, Images, LatentSpace, Signed, Velocity};
use svg_shapes::{CLASSES, Shapes};
use svg_sit::{SitConfig, checkpoint_tensors};
use svg_train::log::Scalars;
use svg_train::run::{Ended, Observer};

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
        .with_width_multipliers(vec![1, 1, 1])
        .with_resolution(16)
        .with_attention_resolutions(vec![]);
    let config = AutoencoderConfig::new(decoder);
    let encoder = Arc::new(encoder);
    let autoencoder = config.init(encoder.clone(), device);
    let file = DinoFile::of(&encoder);
    let part = NewEncoder {
        kind: kinds::DINOV3.to_string(),
        name: encoder.spec().name,
        config: serde_json::to_value(encoder.config())?,
        fingerprint: encoder.fingerprint()?,
        path: Some(path),
        copy: Some((file.tensors_in(Layout::Official), Default::default())),
        notes: vec![],
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
    let pictures = Shapes::new(0).with_size(16).images(20);
    let pictures: Vec<_> = pictures.map(|(_, image)| image).collect();
    set_statistics(&mut bundle, &autoencoder, &pictures, device)?;
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

/// A folder of pictures for each class, as any trainer reads them.
pub fn picture_set(
    folder: &Path,
    pictures: impl Iterator<Item = (&'static str, RgbImage)>,
) -> Result<Arc<ImageSet>> {
    for (number, (class, picture)) in pictures.enumerate() {
        let of_class = folder.join(class);
        std::fs::create_dir_all(&of_class)?;
        save_png(&picture, of_class.join(format!("{number:03}.png")), &[])?;
    }
    Ok(Arc::new(ImageSet::open(&[folder.to_path_buf()])?))
}

/// Stores with a bundle what its features are normalised by, so that they become latents: the mean and
/// deviation of each channel over some pictures.
pub fn set_statistics(
    bundle: &mut Bundle,
    space: &dyn LatentSpace,
    pictures: &[RgbImage],
    device: &Device,
) -> Result<()> {
    let mut moments = Accumulator::new();
    for some in pictures.chunks(20) {
        let images = Images::<Signed>::from_rgb(some, device).into_tensor();
        moments.push(space.encode(images, Draw::Mode));
    }
    Ok(bundle.set_latent_statistics(&StoredLatentStatistics {
        statistics: LatentStatistics::of(&moments).context("there are tokens")?,
        features: bundle.features_fingerprint(),
        tokens: moments.count(),
        source: "drawn pictures".to_string(),
    })?)
}

/// The bundle that a training has made.
pub fn trained(ended: Ended) -> Result<Bundle> {
    match ended {
        Ended::Finished(folder) => Ok(Bundle::open(&folder)?),
        Ended::Interrupted(step) => anyhow::bail!("interrupted at step {step}"),
    }
}

/// Prints what a run remarks on, and a flow's loss now and then.
pub struct Printed;

impl Observer for Printed {
    fn begins(&mut self, _step: u64, steps: u64, _images_per_step: u64) {
        println!("{steps} steps");
    }

    fn stepped(&mut self, step: u64, scalars: &Scalars) {
        if let Some(loss) = scalars.get("loss").filter(|_| step.is_multiple_of(50)) {
            println!("step {step}: loss {loss:.3}");
        }
    }

    fn remark(&mut self, text: &str) {
        println!("{text}");
    }

    fn wants_to_stop(&self) -> bool {
        false
    }
}
