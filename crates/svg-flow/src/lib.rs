//! The mathematics of flow matching: velocity fields, guidance, solvers, time grids, the loss.
//!
//! A flow carries noise to data along `x' = v(x, t)`, from time 0 to time 1 (Lipman et al., "Flow
//! Matching for Generative Modeling", arXiv 2210.02747; Liu et al., "Flow Straight and Fast", arXiv
//! 2209.03003). Tensors are `[batch, tokens, channels]`. The crate contains no network and draws no
//! random numbers: noise is an argument.
//!
//! The main design decision: **a sampler is a fold over a time grid, and everything else wraps the
//! field.** [`integrate`] follows a [`VelocityField`] through a slice of times with a [`Solver`].
//! Guidance, conditioning, the reversed time convention and the counting of evaluations are fields that
//! wrap other fields, so no solver has options for them. A closure is a field too, so each part can be
//! tested against an exact solution.
//!
//! ```
//! use burn::prelude::*;
//! use svg_flow::{Euler, Guidance, Guided, Pair, TimeShift, integrate, unwatched};
//!
//! // Straight flows towards 2 with the condition and towards 1 without it.
//! let towards = |end: f64| {
//!     move |x: Tensor<3>, t: Tensor<1>| (x.neg() + end) / (t.neg() + 1.0).reshape([-1, 1, 1])
//! };
//! let field = Guided {
//!     branches: Pair { conditional: towards(2.0), unconditional: towards(1.0) },
//!     guidance: Guidance::constant(1.5),
//! };
//! let noise = Tensor::zeros([1, 4, 3], &Device::default());
//! let times = TimeShift::new(0.15).grid(25);
//! let solution = integrate(&field, &Euler, &times, noise, &mut unwatched);
//! assert!(solution.finished);
//! assert!((solution.x - 2.5).abs().max().into_scalar::<f32>() < 1e-5); // 1 + 1.5 (2 - 1)
//! ```
//!
//! - [`VelocityField`] and [`Moment`]: what is integrated, and the point of the grid it is evaluated at
//! - [`Reversed`]: a field of the convention in which time 0 is data
//! - [`Branches`], [`Pair`], [`Guided`], [`Guidance`], [`GuidanceSchedule`]: guidance and its schedules
//! - [`ChannelMask`], [`MaskedBranches`]: guidance of some channels
//! - [`Counted`]: counts function evaluations
//! - [`TimeShift`], [`times`], [`sde_times`]: time grids; any slice of times works
//! - [`Solver`]: [`Euler`], [`Heun`], [`Midpoint`], [`Rk4`], [`DormandPrince`], [`EulerMaruyama`]
//!   [`StochasticHeun`]
//! - [`NoiseSchedule`], [`Respaced`], [`Spacing`], [`denoise`], [`Ancestral`], [`Ddim`]: diffusion over discrete noise
//!   levels, as DiT is sampled; [`NoiseFlow`]: the same as a flow
//! - [`StepSizeController`]: adaptive step sizes for embedded pairs
//! - [`integrate`]: the integration loop, with a callback that can stop it
//! - [`linear_path`], [`flow_matching_loss`], [`TimeSampler`]: training
//! - [`score`], [`velocity_of_score`], [`velocity_of_noise`], [`velocity_of_data`], [`expected_data`], [`DataFlow`]:
//!   conversions of a velocity
//! - [`GaussianMixture`]: an exact velocity in closed form

mod branches;
mod counted;
mod data_flow;
mod ddpm;
mod field;
mod grid;
mod guidance;
mod guided;
mod integrate;
mod loss;
mod mask;
mod mixture;
mod path;
mod reversed;
mod sampler;
mod schedule;
mod score;
mod shift;
mod solver;
mod step_size;

pub use branches::{Branches, Pair};
pub use counted::Counted;
pub use data_flow::DataFlow;
pub use ddpm::{
    Ancestral, Ddim, DdpmSolver, DdpmStep, NoiseField, NoiseFlow, NoisePrediction, NoiseSchedule,
    Respaced, Spacing, denoise,
};
pub use field::{Moment, VelocityField};
pub use grid::{sde_times, times};
pub use guidance::Guidance;
pub use guided::Guided;
pub use integrate::{Progress, Solution, integrate, unwatched};
pub use loss::flow_matching_loss;
pub use mask::{ChannelMask, MaskedBranches};
pub use mixture::GaussianMixture;
pub use path::{PathPoint, linear_path};
pub use reversed::Reversed;
pub use sampler::TimeSampler;
pub use schedule::GuidanceSchedule;
pub use score::{expected_data, score, velocity_of_data, velocity_of_noise, velocity_of_score};
pub use shift::TimeShift;
pub use solver::{
    Diffusion, DormandPrince, Euler, EulerMaruyama, Heun, LastStep, Midpoint, Rk4, Solver, Step,
    StochasticHeun,
};
pub use step_size::{Attempt, StepSizeController};
