//! A velocity network with its condition, as a field.

use burn::prelude::*;
use svg_flow::{Branches, VelocityField};
use svg_roles::{Condition, Velocity};

/// The velocity of samples under a condition: a field, and the two branches of guidance.
///
/// [`both`](Branches::both) is one pass of twice the batch.
#[derive(Clone, Debug)]
pub struct Conditioned<'a> {
    network: &'a dyn Velocity,
    condition: Condition,
}

impl<'a> Conditioned<'a> {
    /// `network` under `condition`, which has one entry per sample.
    pub fn new(network: &'a dyn Velocity, condition: Condition) -> Self {
        Self { network, condition }
    }
}

impl VelocityField for Conditioned<'_> {
    fn velocity(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        self.network.velocity(x, t, &self.condition)
    }
}

impl Branches for Conditioned<'_> {
    fn conditional(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        self.velocity(x, t)
    }

    fn unconditional(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        let without = self.network.unconditional(&self.condition);
        self.network.velocity(x, t, &without)
    }

    fn both(&self, x: Tensor<3>, t: Tensor<1>) -> [Tensor<3>; 2] {
        let [batch, _, _] = x.dims();
        let without = self.network.unconditional(&self.condition);
        let twice = self.network.velocity(
            Tensor::cat(vec![x.clone(), x], 0),
            Tensor::cat(vec![t.clone(), t], 0),
            &self.condition.clone().join(without),
        );
        [0, batch].map(|first| twice.clone().narrow(0, first, batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::woken;
    use burn::tensor::Tolerance;

    fn samples(batch: usize) -> (Tensor<3>, Tensor<1>) {
        let device = Device::default();
        let wave = Tensor::<1, Int>::arange(0..(batch * 4 * 24) as i64, &device).float();
        let x = (wave * 0.37).sin().reshape([batch, 4, 24]);
        (x, Tensor::full([batch], 0.3, &device))
    }

    #[test]
    fn both_branches_at_once_equal_two_passes() {
        let (network, device) = (woken(), Device::default());
        let (x, t) = samples(3);
        let field = Conditioned::new(&network, Condition::classes(&[0, 4, 2], &device));
        let [conditional, unconditional] = field.both(x.clone(), t.clone());
        for (at_once, alone) in [
            (conditional, field.conditional(x.clone(), t.clone())),
            (unconditional, field.unconditional(x, t)),
        ] {
            let (at_once, alone) = (at_once.into_data(), alone.into_data());
            at_once.assert_approx_eq::<f32>(&alone, Tolerance::absolute(1e-6));
        }
    }

    #[test]
    fn the_unconditional_branch_does_not_depend_on_the_class() {
        let (network, device) = (woken(), Device::default());
        let (x, t) = samples(2);
        let with =
            |classes: [usize; 2]| Conditioned::new(&network, Condition::classes(&classes, &device));
        let [one, other] = [[0, 1], [3, 3]].map(|classes| {
            let velocity = with(classes).unconditional(x.clone(), t.clone());
            velocity.into_data()
        });
        one.assert_eq(&other, true);
        let null = network.spec().classes;
        let asked = with([null, null]).velocity(x.clone(), t.clone());
        asked.into_data().assert_eq(&one, true);
        let difference = with([0, 1]).velocity(x.clone(), t.clone()) - with([3, 3]).velocity(x, t);
        assert!(difference.abs().max().into_scalar::<f32>() > 1e-3);
    }
}
