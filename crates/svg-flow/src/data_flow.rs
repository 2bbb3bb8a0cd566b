//! A field of predicted data as a velocity.

use burn::prelude::*;

use crate::VelocityField;
use crate::field::beside_tokens;

/// The velocity `(data(x, t) - x) / max(1 - t, floor)` of a field that predicts data, as RiT and, in the reversed
/// convention, RAEv2 (arXiv 2605.18324) do with the floor 0.05.
///
/// ```
/// use burn::prelude::*;
/// use svg_flow::{DataFlow, VelocityField};
///
/// let flow = DataFlow { field: |x: Tensor<3>, _: Tensor<1>| x.zeros_like() + 3.0, floor: 0.05 };
/// let x = Tensor::ones([1, 1, 1], &Device::default());
/// let t = Tensor::full([1], 0.5, &x.device());
/// assert_eq!(flow.velocity(x, t).into_scalar::<f32>(), 4.0);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct DataFlow<F> {
    /// Expected data given samples and times; of the same signature as a velocity.
    pub field: F,
    /// Least remaining time that the difference is divided by.
    pub floor: f64,
}

impl<F: VelocityField> VelocityField for DataFlow<F> {
    fn velocity(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        let remaining = (t.clone().neg() + 1.0).clamp_min(self.floor);
        (self.field.velocity(x.clone(), t) - x) / beside_tokens(remaining)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Moment, velocity_of_data};

    #[test]
    fn each_sample_is_divided_by_its_own_remaining_time() {
        let device = Device::default();
        let flow = DataFlow {
            field: |x: Tensor<3>, _: Tensor<1>| x * 2.0,
            floor: 0.05,
        };
        let x = Tensor::<3>::ones([3, 1, 1], &device);
        let t = Tensor::from_data([0.0, 0.75, 1.0], &device);
        let v: Vec<f32> = flow.velocity(x, t).into_data().iter().collect();
        assert_eq!(v, [1.0, 4.0, 20.0]);
    }

    #[test]
    fn it_is_the_conversion_at_one_time() {
        let device = Device::default();
        let field = |x: Tensor<3>, t: Tensor<1>| x.square() + beside_tokens(t);
        let flow = DataFlow { field, floor: 0.05 };
        let x = Tensor::<3>::from_data([[[0.5, -2.0]]], &device);
        for t in [0.25, 0.99] {
            let (step, steps) = (0, 1);
            let found = flow.velocity_at(x.clone(), Moment { t, step, steps });
            let data = x.clone().square() + t;
            let difference = found - velocity_of_data(x.clone(), data, t, 0.05);
            assert!(difference.abs().max().into_scalar::<f32>() < 1e-5);
        }
    }
}
