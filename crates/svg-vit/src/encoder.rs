//! A vision transformer as a frozen encoder.

use std::sync::Arc;

use burn::module::Module;
use burn::prelude::*;
use svg_nn::module_tensors;
use svg_roles::{Encoder, EncoderSpec, Layered, Tokens};
use svg_store::Sha256;

use crate::{Vit, VitError, VitOutput};

/// Patch tokens and summary after the final norm; registers are left out.
///
/// The summary is the class token of DINOv2, MAE and CLIP after the final norm, for CLIP without the projection into
/// the space of images and texts, and what SigLIP's head pools. CLIP's patches have gone through the final norm as in
/// timm; transformers' `last_hidden_state` is before it.
impl Encoder for Vit {
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

impl Layered for Vit {
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

fn tokens(output: VitOutput) -> Tokens {
    Tokens {
        patches: output.patches,
        summary: output.summary,
        grid: output.grid,
    }
}

impl Vit {
    /// The same network on another device, its weights constants of a graph there.
    fn frozen_on(&self, device: &Device) -> Self {
        let plain = device.clone().without_autodiff();
        let moved = self.clone().freeze().valid().to_device(&plain);
        match device.is_autodiff() {
            true => moved.train().freeze(),
            false => moved,
        }
    }

    /// The SHA-256, in hexadecimal, of everything that the tokens depend on: the configuration, and the weights by name,
    /// shape and f32 value. The same network has the same fingerprint in every layout whose library computes the same.
    ///
    /// # Errors
    ///
    /// [`VitError::Device`] if the weights cannot be read back from the device.
    pub fn fingerprint(&self) -> Result<String, VitError> {
        let mut hash = Sha256::new();
        let config = serde_json::to_string(self.config()).expect("plain fields always serialise");
        hash.update(format!("{config}\n"));
        for tensor in module_tensors(self) {
            let shape = tensor.shape.to_vec();
            hash.update(format!("{} {:?} {shape:?}\n", tensor.name, tensor.dtype));
            let bytes = tensor.to_bytes().map_err(|error| VitError::Device {
                reason: format!("{}: {error}", tensor.name),
            })?;
            hash.update(&*bytes);
        }
        Ok(hash.finish())
    }
}
