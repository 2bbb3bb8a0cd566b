//! Targets of the student: the teacher's scores, sharpened and balanced.

use burn::prelude::*;
use burn::tensor::activation::softmax;

use crate::pretrain::Balance;

/// Turns the scores of a teacher into targets, and keeps their moving mean.
#[derive(Clone, Debug)]
pub(crate) struct Targets {
    balance: Balance,
    /// The moving mean of the scores, `[1, prototypes]`; zeros at first, and always with Sinkhorn-Knopp.
    centre: Tensor<2>,
}

impl Targets {
    /// For so many prototypes; the mean begins at zero.
    pub fn new(balance: Balance, prototypes: usize, device: &Device) -> Self {
        Self {
            balance,
            centre: Tensor::zeros([1, prototypes], device),
        }
    }

    /// The moving mean of the scores, `[1, prototypes]`.
    pub fn centre(&self) -> &Tensor<2> {
        &self.centre
    }

    /// The same with another mean.
    pub fn with_centre(self, centre: Tensor<2>) -> Self {
        Self { centre, ..self }
    }

    /// Targets for scores `[count, prototypes]`; each row sums to 1. The moving mean is updated after it was used.
    pub fn of(self, scores: Tensor<2>, temperature: f64) -> (Self, Tensor<2>) {
        match self.balance {
            Balance::Centering { momentum } => {
                let sharp = (scores.clone() - self.centre.clone()) / temperature;
                let mean = scores.mean_dim(0);
                let centre = self.centre.clone() * momentum + mean * (1.0 - momentum);
                (self.with_centre(centre), softmax(sharp, 1))
            }
            Balance::SinkhornKnopp { rounds } => {
                let targets = sinkhorn_knopp(scores / temperature, rounds);
                (self, targets)
            }
        }
    }
}

/// Probabilities for scores `[count, prototypes]` whose rows sum to 1 while, after enough rounds, every prototype
/// has the same share of the batch. The largest score is subtracted first, which does not change the result but
/// keeps exponents small.
pub(crate) fn sinkhorn_knopp(scores: Tensor<2>, rounds: usize) -> Tensor<2> {
    let [count, prototypes] = scores.dims();
    let largest = scores.clone().max().reshape([1, 1]);
    let mut shares = (scores - largest).exp();
    shares = shares.clone() / shares.sum().reshape([1, 1]);
    for _ in 0..rounds {
        // A prototype that no row uses must not lead to a division by zero.
        let used = shares.clone().sum_dim(0).clamp_min(f32::MIN_POSITIVE);
        shares = shares / used / prototypes as f64;
        let asked = shares.clone().sum_dim(1).clamp_min(f32::MIN_POSITIVE);
        shares = shares / asked / count as f64;
    }
    shares * count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    fn scores(count: usize, prototypes: usize) -> Tensor<2> {
        let device = Device::default();
        device.seed(5);
        Tensor::random([count, prototypes], Distribution::Normal(0.0, 1.0), &device)
    }

    fn largest(tensor: Tensor<2>) -> f32 {
        tensor.abs().max().into_scalar()
    }

    #[test]
    fn balanced_rows_sum_to_one_and_prototypes_are_used_alike() {
        let targets = sinkhorn_knopp(scores(40, 8), 50);
        assert!(largest(targets.clone().sum_dim(1) - 1.0) < 1e-5);
        assert!(largest(targets.sum_dim(0) - 5.0) < 1e-3);
        let three = sinkhorn_knopp(scores(6, 32), 3);
        assert!(largest(three.sum_dim(1) - 1.0) < 1e-5);
    }

    #[test]
    fn a_shift_of_all_scores_changes_no_target() {
        let one = sinkhorn_knopp(scores(6, 5), 3);
        let other = sinkhorn_knopp(scores(6, 5) + 200.0, 3);
        assert!(largest(one - other) < 1e-4);
    }

    #[test]
    fn the_centre_is_used_before_it_is_updated() {
        let device = Device::default();
        let targets = Targets::new(Balance::Centering { momentum: 0.9 }, 2, &device);
        let scores = Tensor::<2>::from_floats([[1.0, 0.0], [3.0, 0.0]], &device);
        let (targets, first) = targets.of(scores.clone(), 1.0);
        let expected = softmax(scores.clone(), 1);
        assert!(largest(first - expected) < 1e-6);
        let centre = Tensor::<2>::from_floats([[0.2, 0.0]], &device);
        assert!(largest(targets.centre().clone() - centre.clone()) < 1e-6);
        let (_, second) = targets.of(scores.clone(), 0.5);
        let expected = softmax((scores - centre) / 0.5, 1);
        assert!(largest(second - expected) < 1e-6);
    }
}
