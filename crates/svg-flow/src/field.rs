//! What is integrated.

use burn::prelude::*;
use burn::tensor::DType;

/// When a solver asks a field: at which time, in which of how many steps.
///
/// Most fields need the time alone. Guidance may follow the number of the step, which several
/// evaluations of one step share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// The time, 0 at the noise and 1 at the data.
    pub t: f64,
    /// The step of the grid, from 0.
    pub step: usize,
    /// How many steps the grid has.
    pub steps: usize,
}

/// A velocity `v(x, t)`, which `x' = v(x, t)` follows from noise at time 0 to data at time 1.
///
/// Every closure of that signature is one.
pub trait VelocityField {
    /// The velocity of each sample at its own time.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, tokens, channels]`
    /// - t: `[batch]`
    fn velocity(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3>;

    /// The velocity of all samples at one moment of a solver.
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

/// One time for each sample of `x`, `[batch]`, in f32 whatever the type of `x`.
pub(crate) fn filled(x: &Tensor<3>, t: f64) -> Tensor<1> {
    let [batch, _, _] = x.dims();
    Tensor::full([batch], t, (&x.device(), DType::F32))
}

/// Times `[batch]` as `[batch, 1, 1]`, to be multiplied with samples.
pub(crate) fn beside_tokens(t: Tensor<1>) -> Tensor<3> {
    let [batch] = t.dims();
    t.reshape([batch, 1, 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reaches_every_sample_as_its_time() {
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
