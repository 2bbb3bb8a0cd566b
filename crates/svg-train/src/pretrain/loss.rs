//! The three losses of self-distillation.

use burn::prelude::*;
use burn::tensor::activation::log_softmax;

use crate::pretrain::head::unit;

/// Keeps logarithms of vanishing distances finite.
const TINY: f64 = 1e-8;

/// The class loss of DINO: the mean cross-entropy over all pairs of a student's crop and a teacher's global
/// crop of one picture, except the pairs of a crop with itself.
///
/// # Shapes
///
/// - globals: the student's scores of the two global crops, `[batch, prototypes]` each
/// - locals: of the local crops
/// - targets: the teacher's, of the two global crops
/// - output: `[1]`
pub(crate) fn class_loss(
    globals: [Tensor<2>; 2],
    locals: Vec<Tensor<2>>,
    targets: [Tensor<2>; 2],
    temperature: f64,
) -> Tensor<1> {
    let pairs = 2 + 2 * locals.len();
    let [first, second] = globals;
    let [of_first, of_second] = targets;
    // The cross-entropy is linear in its target, so a local crop is compared with the sum of both.
    let both = of_first.clone() + of_second.clone();
    let crossed =
        cross_entropy(first, of_second, temperature) + cross_entropy(second, of_first, temperature);
    let sum = locals.into_iter().fold(crossed, |sum, scores| {
        sum + cross_entropy(scores, both.clone(), temperature)
    });
    sum.mean() / pairs as f64
}

/// The patch loss of iBOT (Zhou et al., 2022, arXiv 2111.07832): the cross-entropy at each hidden patch,
/// weighted so that pictures have equal weight, over the number of global crops.
///
/// # Shapes
///
/// - scores, targets: `[hidden, prototypes]`
/// - weights: one over the number of hidden patches of the patch's crop, `[hidden]`
/// - output: `[1]`
pub(crate) fn patch_loss(
    scores: Tensor<2>,
    targets: Tensor<2>,
    weights: Tensor<1>,
    crops: usize,
    temperature: f64,
) -> Tensor<1> {
    let each = cross_entropy(scores, targets, temperature);
    (each * weights).sum() / crops as f64
}

/// `-sum target log softmax(scores / temperature)` of each row, `[count]`.
fn cross_entropy(scores: Tensor<2>, targets: Tensor<2>, temperature: f64) -> Tensor<1> {
    let logarithms = log_softmax(scores / temperature, 1);
    -(targets * logarithms).sum_dim(1).squeeze_dim::<1>(1)
}

/// The spread of class tokens, KoLeo (Sablayrolles et al., 2019, arXiv 1806.03198): the mean negative
/// logarithm of the distance to the nearest neighbour, on the unit sphere. Of tokens `[batch, d_model]`, at
/// least two.
pub(crate) fn spread_loss(tokens: Tensor<2>) -> Tensor<1> {
    let directions = unit(tokens, 1);
    let nearest = nearest(directions.clone().detach());
    let neighbours = directions.clone().select(0, nearest);
    let distances = (directions - neighbours + TINY).square().sum_dim(1).sqrt();
    -(distances + TINY).log().mean()
}

/// For each direction, the index of the nearest other one.
fn nearest(directions: Tensor<2>) -> Tensor<1, Int> {
    let [count, _] = directions.dims();
    let device = directions.device();
    let cosines = directions.clone().matmul(directions.transpose());
    let itself = Tensor::<2>::eye(count, &device) * 4.0;
    (cosines - itself).argmax(1).squeeze_dim(1)
}

/// The mean entropy of targets `[count, prototypes]`, and the entropy of their mean, in nats. Collapse shows as
/// the first near the logarithm of the number of prototypes, or the second near 0.
///
/// - output: `[1]` each
pub(crate) fn entropies(targets: Tensor<2>) -> [Tensor<1>; 2] {
    let entropy = |shares: Tensor<2>| {
        let logarithms = shares.clone().clamp_min(f32::MIN_POSITIVE).log();
        (-(shares * logarithms).sum_dim(1)).mean()
    };
    [entropy(targets.clone()), entropy(targets.mean_dim(0))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(loss: Tensor<1>) -> f32 {
        loss.into_scalar()
    }

    fn certain(classes: &[usize], prototypes: usize) -> Tensor<2> {
        let device = Device::default();
        let rows: Vec<_> = classes.iter().map(|&class| class as i64).collect();
        let rows = Tensor::<1, Int>::from_data(rows.as_slice(), &device);
        rows.one_hot::<2>(prototypes).float()
    }

    #[test]
    fn the_loss_of_equal_scores_is_the_logarithm_of_the_number_of_prototypes() {
        let device = Device::default();
        let zeros = || Tensor::<2>::zeros([3, 7], &device);
        let targets = || certain(&[1, 2, 3], 7);
        let loss = class_loss(
            [zeros(), zeros()],
            vec![zeros(); 4],
            [targets(), targets()],
            0.1,
        );
        assert!((scalar(loss) - 7f32.ln()).abs() < 1e-6);
        let weights = Tensor::<1>::from_floats([0.5, 0.5, 1.0], &device);
        let loss = patch_loss(zeros(), targets(), weights, 2, 0.1);
        assert!((scalar(loss) - 7f32.ln()).abs() < 1e-6);
    }

    #[test]
    fn a_crop_is_not_compared_with_its_own_target() {
        let sure = |class| certain(&[class; 2], 4) * 50.0;
        let target = |class| certain(&[class; 2], 4);
        // Each global crop predicts the target of the other one.
        let crossed = class_loss([sure(1), sure(0)], vec![], [target(0), target(1)], 1.0);
        assert!(scalar(crossed) < 1e-6);
        let straight = class_loss([sure(0), sure(1)], vec![], [target(0), target(1)], 1.0);
        assert!((scalar(straight) - 50.0).abs() < 1e-3);
        // A local crop is compared with both: half of its pairs are right. Of four pairs, one is wrong.
        let local = class_loss(
            [sure(1), sure(0)],
            vec![sure(0)],
            [target(0), target(1)],
            1.0,
        );
        assert!((scalar(local) - 12.5).abs() < 1e-3);
    }

    #[test]
    fn the_spread_of_two_orthogonal_directions_is_known() {
        let device = Device::default();
        let tokens = Tensor::<2>::from_floats([[3.0, 0.0], [0.0, 0.2]], &device);
        let expected = -(2f32.sqrt()).ln();
        assert!((scalar(spread_loss(tokens)) - expected).abs() < 1e-5);
    }

    #[test]
    fn the_spread_has_a_finite_gradient_where_tokens_coincide() {
        let device = Device::default().autodiff();
        let tokens = Tensor::<2>::ones([3, 4], &device).require_grad();
        let gradients = spread_loss(tokens.clone()).backward();
        let largest: f32 = tokens.grad(&gradients).unwrap().abs().max().into_scalar();
        assert!(largest.is_finite());
    }

    #[test]
    fn entropies_distinguish_the_two_kinds_of_collapse() {
        let device = Device::default();
        let [each, mean] = entropies(certain(&[2; 6], 4)).map(scalar);
        assert!(each.abs() < 1e-6 && mean.abs() < 1e-6);
        let [each, mean] = entropies(certain(&[0, 1, 2, 3], 4)).map(scalar);
        assert!(each.abs() < 1e-6 && (mean - 4f32.ln()).abs() < 1e-6);
        let [each, mean] = entropies(Tensor::full([5, 4], 0.25, &device)).map(scalar);
        assert!((each - 4f32.ln()).abs() < 1e-6 && (mean - 4f32.ln()).abs() < 1e-6);
    }
}
