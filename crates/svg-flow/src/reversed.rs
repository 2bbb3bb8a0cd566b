//! The reversed time convention.

use burn::prelude::*;

use crate::{Branches, Moment, VelocityField};

/// A field of the convention in which time 0 is data and time 1 is noise: `v'(x, t) = -v(x, 1 - t)`.
///
/// Public velocity networks use both conventions; REPA, RAE and Stable Diffusion 3 use this one. The
/// wrapper converts in both directions, and reversing twice changes nothing. It implements [`Branches`] if
/// the inner type does.
///
/// ```
/// use burn::prelude::*;
/// use svg_flow::{Reversed, VelocityField};
///
/// let field = Reversed(|x: Tensor<3>, t: Tensor<1>| x * t.reshape([-1, 1, 1]));
/// let x = Tensor::ones([1, 1, 1], &Device::default());
/// let t = Tensor::full([1], 0.25, &x.device());
/// assert_eq!(field.velocity(x, t).into_scalar::<f32>(), -0.75);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Reversed<V>(pub V);

impl<V: VelocityField> VelocityField for Reversed<V> {
    fn velocity(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        self.0.velocity(x, flipped(t)).neg()
    }

    fn velocity_at(&self, x: Tensor<3>, at: Moment) -> Tensor<3> {
        let t = 1.0 - at.t;
        self.0.velocity_at(x, Moment { t, ..at }).neg()
    }
}

impl<B: Branches> Branches for Reversed<B> {
    fn conditional(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        self.0.conditional(x, flipped(t)).neg()
    }

    fn unconditional(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        self.0.unconditional(x, flipped(t)).neg()
    }

    fn both(&self, x: Tensor<3>, t: Tensor<1>) -> [Tensor<3>; 2] {
        self.0.both(x, flipped(t)).map(Tensor::neg)
    }
}

fn flipped(t: Tensor<1>) -> Tensor<1> {
    t.neg() + 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::beside_tokens;

    fn field(x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        x * beside_tokens(t) + 1.0
    }

    fn x() -> Tensor<3> {
        Tensor::from_data([[[1.0, 2.0]], [[3.0, -4.0]]], &Device::default())
    }

    fn at(t: f64) -> Moment {
        Moment {
            t,
            step: 0,
            steps: 1,
        }
    }

    #[test]
    fn reversing_twice_changes_nothing() {
        let t = Tensor::<1>::from_data([0.25, 0.75], &Device::default());
        let twice = Reversed(Reversed(field));
        let expected = field(x(), t.clone()).into_data();
        twice
            .velocity(x(), t)
            .into_data()
            .assert_eq(&expected, true);
        let expected = field.velocity_at(x(), at(0.25)).into_data();
        twice
            .velocity_at(x(), at(0.25))
            .into_data()
            .assert_eq(&expected, true);
    }

    #[test]
    fn a_field_and_its_reverse_are_opposite_at_mirrored_times() {
        let there = field.velocity_at(x(), at(0.25));
        let back = Reversed(field).velocity_at(x(), at(0.75));
        let data = (there + back).into_data();
        assert!(data.iter::<f32>().all(|sum| sum == 0.0));
    }
}
