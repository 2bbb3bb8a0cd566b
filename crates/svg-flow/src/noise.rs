//! Where the noise of a stochastic solver comes from.

use burn::prelude::*;

/// Standard normal noise as a value, so that who samples decides how it is drawn.
///
/// Every closure of that signature is one.
pub trait NoiseSource {
    /// The noise of one step, counted from 0, with the shape and on the device of `like`.
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
