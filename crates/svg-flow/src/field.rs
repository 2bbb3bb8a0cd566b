//! Velocity fields.

use burn::prelude::*;
use burn::tensor::DType;

/// Point of the grid at which a solver evaluates a field: the time and the step.
///
/// Most fields only need the time. Guidance schedules may depend on the index of the step, which all
/// evaluations within one step share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Time, 0 at the noise and 1 at the data.
    pub t: f64,
    /// Index of the step, from 0.
    pub step: usize,
    /// Number of steps in the grid.
    pub steps: usize,
}

/// A velocity field `v(x, t)`: `x' = v(x, t)` leads from noise at time 0 to data at time 1.
///
/// Every closure of this signature implements the trait.
///
/// ```
/// use burn::prelude::*;
/// use svg_flow::VelocityField;
///
/// let field = |x: Tensor<3>, t: Tensor<1>| x * t.reshape([-1, 1, 1]);
/// let x = Tensor::full([1, 1, 1], 3.0, &Device::default());
/// let t = Tensor::full([1], 0.5, &x.device());
/// assert_eq!(field.velocity(x, t).into_scalar::<f32>(), 1.5);
/// ```
pub trait VelocityField {
    /// Velocity of each sample at its own time.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, tokens, channels]`
    /// - t: `[batch]`
    fn velocity(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3>;

    /// Velocity of all samples at one point of the grid.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, tokens, channels]`
    fn velocity_at(&self, x: Tensor<3>, at: Moment) -> Tensor<3> {
        let t = filled(&x, at.t);
        self.velocity(x, t)
    }
}

impl<F> VelocityField for F
where
    F: Fn(Tensor<3>, Tensor<1>) -> Tensor<3>,
{
    fn velocity(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        self(x, t)
    }
}

/// The time `t` for each sample of `x`, `[batch]`, always in f32.
pub(crate) fn filled(x: &Tensor<3>, t: f64) -> Tensor<1> {
    let [batch, _, _] = x.dims();
    Tensor::full([batch], t, (&x.device(), DType::F32))
}

/// Times `[batch]` reshaped to `[batch, 1, 1]`, to broadcast over samples.
pub(crate) fn beside_tokens(t: Tensor<1>) -> Tensor<3> {
    let [batch] = t.dims();
    t.reshape([batch, 1, 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn velocity_at_passes_the_time_to_every_sample() {
        let x = Tensor::<3>::zeros([3, 2, 1], &Device::default());
        let field = |x: Tensor<3>, t: Tensor<1>| x + beside_tokens(t);
        let at = Moment {
            t: 0.25,
            step: 1,
            steps: 4,
        };
        let v = field.velocity_at(x, at).into_data();
        assert_eq!(v.iter::<f32>().collect::<Vec<_>>(), [0.25; 6]);
    }
}
