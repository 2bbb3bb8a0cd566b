//! A network with labels.

use burn::prelude::*;
use svg_flow::{Branches, VelocityField};

use crate::Sit;

/// The velocity of samples of given classes: a field, and the two branches of guidance.
///
/// The unconditional branch is the network with the label of no class. [`both`](Branches::both) is one
/// pass of twice the batch.
#[derive(Clone, Debug)]
pub struct Conditioned<'a> {
    network: &'a Sit,
    labels: Tensor<1, Int>,
}

impl<'a> Conditioned<'a> {
    pub(crate) fn new(network: &'a Sit, labels: Tensor<1, Int>) -> Self {
        Self { network, labels }
    }

    fn no_class(&self) -> Tensor<1, Int> {
        self.labels.full_like(self.network.null_class() as i64)
    }
}

impl VelocityField for Conditioned<'_> {
    /// # Panics
    ///
    /// If there is not one label for each sample, or as [`Sit::forward`].
    fn velocity(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        self.network.forward(x, t, self.labels.clone())
    }
}

impl Branches for Conditioned<'_> {
    fn conditional(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        self.velocity(x, t)
    }

    fn unconditional(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        self.network.forward(x, t, self.no_class())
    }

    fn both(&self, x: Tensor<3>, t: Tensor<1>) -> [Tensor<3>; 2] {
        let [batch, _, _] = x.dims();
        let twice = self.network.forward(
            Tensor::cat(vec![x.clone(), x], 0),
            Tensor::cat(vec![t.clone(), t], 0),
            Tensor::cat(vec![self.labels.clone(), self.no_class()], 0),
        );
        [0, batch].map(|first| twice.clone().narrow(0, first, batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::tiny;
    use crate::model::tests::{samples, woken};
    use burn::tensor::Tolerance;

    #[test]
    fn both_branches_at_once_are_the_two_passes() {
        let device = Device::default();
        let sit = woken(&tiny(), &device);
        let (x, t) = samples(&tiny(), 3, &device);
        let field = sit.conditioned(Tensor::from_data([0, 4, 2], &device));
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
    fn without_a_class_the_labels_do_not_matter() {
        let device = Device::default();
        let sit = woken(&tiny(), &device);
        let (x, t) = samples(&tiny(), 2, &device);
        let with = |labels: [i64; 2]| sit.conditioned(Tensor::from_data(labels, &device));
        let [one, other] = [[0, 1], [3, 3]].map(|labels| {
            let velocity = with(labels).unconditional(x.clone(), t.clone());
            velocity.into_data()
        });
        one.assert_eq(&other, true);
        let null = sit.null_class() as i64;
        let asked = with([null, null]).velocity(x.clone(), t.clone());
        asked.into_data().assert_eq(&one, true);
        let difference = with([0, 1]).velocity(x.clone(), t.clone()) - with([3, 3]).velocity(x, t);
        assert!(difference.abs().max().into_scalar::<f32>() > 1e-3);
    }
}
