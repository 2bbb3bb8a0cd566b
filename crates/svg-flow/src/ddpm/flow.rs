//! A discrete diffusion as a flow on the linear path.

use burn::prelude::*;

use super::{NoiseField, NoiseSchedule};
use crate::VelocityField;
use crate::field::beside_tokens;

/// The probability flow of a variance-preserving diffusion, as a field on the linear path from noise at time 0 to
/// data at time 1, so that every solver can follow it.
///
/// Samples `x = (1 - t) noise + t data` become those of the diffusion when they are divided by
/// `sqrt(t^2 + (1 - t)^2)`, and the velocity is `(x - noise) / t`, both without approximation. A network that was
/// trained on whole indices is evaluated at a fraction between them ([`NoiseSchedule::index_at`]); on the grid
/// [`Respaced::flow_times`](crate::Respaced::flow_times) every index is whole, and an Euler step is DDIM's.
///
/// The least noisy and the noisiest index are not at the ends: start at the first time of that grid with
/// [`start`](Self::start).
#[derive(Clone, Debug)]
pub struct NoiseFlow<F> {
    /// The predicted noise.
    pub field: F,
    /// Its noise levels.
    pub schedule: NoiseSchedule,
}

impl<F> NoiseFlow<F> {
    /// Standard normal noise as samples at the time `t`: multiplied by `sqrt(t^2 + (1 - t)^2)`.
    ///
    /// # Shapes
    ///
    /// - noise and output: `[batch, tokens, channels]`
    pub fn start(&self, noise: Tensor<3>, t: f64) -> Tensor<3> {
        noise * norm(t)
    }
}

fn norm(t: f64) -> f64 {
    t.hypot(1.0 - t)
}

impl<F: NoiseField> VelocityField for NoiseFlow<F> {
    /// The times are read back from the device.
    ///
    /// # Panics
    ///
    /// If a time is 0, at which predicted noise says nothing of the data.
    fn velocity(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        let times: Vec<f64> = t.clone().into_data().iter().collect();
        assert!(
            times.iter().all(|t| *t > 0.0),
            "predicted noise has no velocity at time 0: begin at the first time of `flow_times`"
        );
        let device = x.device();
        let of = |value: &dyn Fn(f64) -> f64| {
            let values: Vec<f32> = times.iter().map(|t| value(*t) as f32).collect();
            Tensor::<1>::from_data(values.as_slice(), &device)
        };
        let indices = of(&|t| self.schedule.index_at(t));
        let scaled = x.clone() / beside_tokens(of(&norm));
        let noise = self.field.predict(scaled, indices).noise;
        (x - noise) / beside_tokens(t)
    }
}
