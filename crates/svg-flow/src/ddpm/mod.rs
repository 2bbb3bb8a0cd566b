//! Denoising diffusion with discrete noise levels (Ho et al., "Denoising Diffusion Probabilistic Models", arXiv
//! 2006.11239), as DiT was trained and is sampled.

mod flow;
mod prediction;
mod respaced;
mod sample;
mod schedule;
mod solver;
mod spacing;
#[cfg(test)]
mod tests;

pub use flow::NoiseFlow;
pub use prediction::{NoiseField, NoisePrediction};
pub use respaced::{DdpmStep, Respaced};
pub use sample::denoise;
pub use schedule::NoiseSchedule;
pub use solver::{Ancestral, Ddim, DdpmSolver};
pub use spacing::Spacing;
