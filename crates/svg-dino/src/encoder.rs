//! DINOv3 as a frozen encoder.

use std::sync::Arc;

use burn::module::Module;
use burn::prelude::*;
use svg_nn::module_tensors;
use svg_roles::{Encoder, EncoderSpec, Layered, Tokens};
use svg_store::Sha256;

use crate::{Dino, DinoConfig, DinoError, DinoOutput};

/// Patch tokens and class token after the final norm; registers are left out.
impl Encoder for Dino {
    fn tokens(&self, images: Tensor<4>) -> Tokens {
        tokens(self.forward(images))
    }

    fn spec(&self) -> EncoderSpec {
        let config = self.config();
        EncoderSpec {
            name: config.description(),
            channels: config.d_model,
            patch_size: config.patch_size,
        }
    }

    fn parameters(&self) -> Option<usize> {
        Some(self.num_params())
    }

    fn to_device(&self, device: &Device) -> Arc<dyn Encoder> {
        Arc::new(self.frozen_on(device))
    }
}

impl Layered for Dino {
    fn depth(&self) -> usize {
        self.blocks.len()
    }

    fn tokens_after(&self, images: Tensor<4>, blocks: &[usize]) -> Vec<Tokens> {
        let outputs = self.forward_blocks(images, blocks).into_iter();
        outputs.map(tokens).collect()
    }

    fn layered_to_device(&self, device: &Device) -> Arc<dyn Layered> {
        Arc::new(self.frozen_on(device))
    }
}

fn tokens(output: DinoOutput) -> Tokens {
    Tokens {
        patches: output.patches,
        summary: Some(output.cls),
        grid: output.grid,
    }
}

impl Dino {
    /// The same network on another device, its weights constants of a graph there.
    fn frozen_on(&self, device: &Device) -> Self {
        let plain = device.clone().without_autodiff();
        let moved = self.clone().freeze().valid().to_device(&plain);
        match device.is_autodiff() {
            true => moved.train().freeze(),
            false => moved,
        }
    }

    /// The SHA-256, in hexadecimal, of everything that the tokens depend on.
    ///
    /// Weights are hashed by name, shape and f32 value, with the rounding of the position periods, so the
    /// same network has the same fingerprint in Meta's, Hugging Face's and timm's files. The mask token is
    /// left out: no token of an image depends on it, and timm's files lack it.
    ///
    /// # Errors
    ///
    /// [`DinoError::Device`] if the weights cannot be read back from the device.
    pub fn fingerprint(&self) -> Result<String, DinoError> {
        let mut hash = Sha256::new();
        hash.update(format!("{:?}\n", self.config().rope_periods));
        for tensor in module_tensors(self) {
            if tensor.name == "mask_token" {
                continue;
            }
            let shape = tensor.shape.to_vec();
            hash.update(format!("{} {:?} {shape:?}\n", tensor.name, tensor.dtype));
            let bytes = tensor.to_bytes().map_err(|error| DinoError::Device {
                reason: format!("{}: {error}", tensor.name),
            })?;
            hash.update(&*bytes);
        }
        Ok(hash.finish())
    }
}

impl DinoConfig {
    /// The name of a released architecture, or its sizes in words.
    pub fn description(&self) -> String {
        let unreleased = || {
            format!(
                "a network of {} layers, {} channels and patches of {}",
                self.n_layers, self.d_model, self.patch_size
            )
        };
        self.name().map_or_else(unreleased, str::to_string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DinoFile, Layout, RopePeriods};

    #[test]
    fn an_encoder_is_recognised_in_every_layout() {
        let device = Device::default();
        let config = DinoConfig::new(32, 1, 2, 64)
            .with_patch_size(4)
            .with_rope_periods(RopePeriods::Bf16Rounded);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("official.safetensors");
        DinoFile::of(&config.init(&device))
            .save(Layout::Official, &path)
            .unwrap();
        let official = DinoFile::open(&path).unwrap();
        let expected = official.load(&device).unwrap().fingerprint().unwrap();
        for layout in [Layout::HuggingFace, Layout::Timm] {
            let path = folder.path().join(layout.name());
            official.save(layout, &path).unwrap();
            let file = DinoFile::open_as(&path, config.clone()).unwrap();
            let dino = file.load(&device).unwrap();
            assert_eq!(dino.fingerprint().unwrap(), expected, "{layout:?}");
        }
        let other = official.with_config(config.with_rope_periods(RopePeriods::Exact));
        let other = other.load(&device).unwrap().fingerprint().unwrap();
        assert_ne!(other, expected);
    }
}
