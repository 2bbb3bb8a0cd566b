//! Noise for stochastic solvers.

use burn::prelude::*;

/// Source of standard normal noise, so that the caller decides how it is drawn.
///
/// Every closure of this signature implements the trait.
pub trait NoiseSource {
    /// Noise of one step, counted from 0, with the shape and device of `like`.
    ///
    /// # Shapes
    ///
    /// - like and output: `[batch, tokens, channels]`
    fn noise(&self, step: usize, like: &Tensor<3>) -> Tensor<3>;
}

impl<F> NoiseSource for F
where
    F: Fn(usize, &Tensor<3>) -> Tensor<3>,
{
    fn noise(&self, step: usize, like: &Tensor<3>) -> Tensor<3> {
        self(step, like)
    }
}
