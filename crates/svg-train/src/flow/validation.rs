//! A batch that is never learned from.

use burn::prelude::*;
use svg_flow::flow_matching_loss;
use svg_roles::{Condition, Velocity};

use crate::TrainError;
use crate::flow::draws::Draws;
use crate::flow::{FlowTraining, LatentSource};

/// Fixed latents with fixed noise and fixed times, so that their loss depends on the network alone.
pub(super) struct Validation {
    latents: Tensor<3>,
    draws: Draws,
}

impl Validation {
    /// The first batch of a source in the order of `seed`.
    pub fn new<C>(
        config: &FlowTraining<C>,
        source: &mut dyn LatentSource,
        seed: u64,
        device: &Device,
    ) -> Result<Self, TrainError> {
        let batch = source.batch(seed, 0, config.batch_size)?;
        let [_, tokens, channels] = batch.latents.dims();
        Ok(Self {
            draws: Draws::validation(config, &batch.labels, [tokens, channels], device),
            latents: batch.latents,
        })
    }

    /// The mean squared error of the velocity.
    pub fn loss(&self, network: &dyn Velocity) -> f64 {
        let Draws {
            noise,
            times,
            labels,
        } = &self.draws;
        let condition = Condition::classes(labels, &self.latents.device());
        let field = |x: Tensor<3>, t: Tensor<1>| network.velocity(x, t, &condition);
        let (noise, latents, times) = (noise.clone(), self.latents.clone(), times.clone());
        let loss: f32 = flow_matching_loss(&field, noise, latents, times).into_scalar();
        loss.into()
    }
}
