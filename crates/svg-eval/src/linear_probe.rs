//! Classification by a linear probe.

use burn::module::{Module, Param};
use burn::optim::{GradientsParams, LBFGSConfig, LineSearchFn};
use burn::prelude::*;
use burn::tensor::activation::log_softmax;

use crate::highest::highest;

/// Maximum number of steps; features of a few thousand channels need fewer.
const STEPS: usize = 500;

/// Tolerance below which the gradient of the mean loss counts as zero.
const FLAT: f64 = 1e-5;

/// Linear probe: multinomial logistic regression on standardised features of a frozen network.
///
/// Predicts `argmax (x - mean) / std * W + b`, where `W` and `b` minimise the mean cross-entropy
/// `+ decay / 2 * |W|^2`. The convex problem is solved on all features at once by L-BFGS from zero, until the
/// gradient vanishes or the loss no longer decreases in f32, so the result does not depend on a seed, an order
/// or a learning rate. Without decay, linearly separable classes have no minimum; the number of steps is
/// limited.
///
/// ```
/// use burn::prelude::*;
/// use svg_eval::LinearProbe;
///
/// let features = Tensor::from_floats([[-2.0], [-1.0], [5.0], [7.0]], &Default::default());
/// let probe = LinearProbe::fit(features.clone(), &[0, 0, 1, 1], 2, 1e-3);
/// assert_eq!(probe.classify(features), [0, 0, 1, 1]);
/// ```
#[derive(Clone, Debug)]
pub struct LinearProbe {
    /// `[1, channels]`
    mean: Tensor<2>,
    /// Reciprocal of the standard deviation, `[1, channels]`; 0 for constant channels.
    scale: Tensor<2>,
    plane: Plane,
}

/// Parameters as a module for the optimiser.
#[derive(Module, Debug)]
struct Plane {
    /// `[channels, classes]`
    weight: Param<Tensor<2>>,
    /// `[1, classes]`
    bias: Param<Tensor<2>>,
}

impl LinearProbe {
    /// Fits a probe to features and labels.
    ///
    /// # Shapes
    ///
    /// - features: `[n, channels]`, not part of an autodiff graph, with `n` labels below `classes`
    ///
    /// # Panics
    ///
    /// If there are no features, the number of labels differs, a label is not below `classes`, or the decay is
    /// negative.
    pub fn fit(features: Tensor<2>, labels: &[usize], classes: usize, decay: f64) -> Self {
        let ([count, channels], given) = (features.dims(), labels.len());
        assert!(count > 0, "a probe needs at least one feature");
        assert!(count == given, "{given} labels for {count} features");
        let highest = labels.iter().copied().max().unwrap_or(0);
        assert!(highest < classes, "class {highest} is not below {classes}");
        assert!(decay >= 0.0, "the decay {decay} is negative");
        let device = features.device();
        let mean = features.clone().mean_dim(0);
        let centred = features - mean.clone();
        let std = centred.clone().square().mean_dim(0).sqrt();
        // Deviations below the rounding error of the mean count as zero.
        let constant = std.clone().lower_equal(mean.clone().abs() * 1e-5);
        let scale = std.recip().mask_fill(constant, 0.0);
        let classes_of_all = labels.iter().map(|label| *label as i64).collect::<Vec<_>>();
        let labels = Tensor::<1, Int>::from_ints(classes_of_all.as_slice(), &device);
        let problem = Problem {
            features: centred * scale.clone(),
            truth: Tensor::eye(classes, &device).select(0, labels),
            decay,
        };
        let learning = device.autodiff();
        let plane = Plane {
            weight: Param::from_tensor(Tensor::zeros([channels, classes], &learning)),
            bias: Param::from_tensor(Tensor::zeros([1, classes], &learning)),
        };
        let mut optimizer = LBFGSConfig::new()
            .with_max_iter(STEPS)
            .with_max_eval(Some(2 * STEPS))
            .with_history_size(20)
            .with_tolerance_grad(FLAT)
            .with_tolerance_change(1e-8)
            .with_line_search_fn(LineSearchFn::StrongWolfe)
            .init();
        let (plane, _) = optimizer.step(1.0, plane, |plane| problem.loss(&plane));
        Self { mean, scale, plane }
    }

    /// Predicts the class of each feature; ties go to the lowest class.
    ///
    /// # Shapes
    ///
    /// - features: `[m, channels]`
    /// - output: `m` labels
    ///
    /// # Panics
    ///
    /// If the number of channels differs from [`fit`](Self::fit).
    pub fn classify(&self, features: Tensor<2>) -> Vec<usize> {
        let [_, channels] = self.mean.dims();
        assert_shape!(features, [_, channels]);
        let features = (features - self.mean.clone()) * self.scale.clone();
        let logits = self.plane.valid().logits(features);
        let [_, classes] = logits.dims();
        let logits = logits.into_data().iter::<f32>().collect::<Vec<_>>();
        logits.chunks_exact(classes).map(highest).collect()
    }
}

impl Plane {
    fn logits(&self, features: Tensor<2>) -> Tensor<2> {
        svg_nn::matmul(features, self.weight.val()) + self.bias.val()
    }
}

/// The optimisation problem.
struct Problem {
    /// Standardised features, `[n, channels]`
    features: Tensor<2>,
    /// One-hot labels, `[n, classes]`
    truth: Tensor<2>,
    decay: f64,
}

impl Problem {
    /// The loss of a plane on a device with gradients, and its gradients.
    fn loss(&self, plane: &Plane) -> (f64, GradientsParams) {
        let [features, truth] =
            [&self.features, &self.truth].map(|x| Tensor::from_inner(x.clone()));
        let log_p = log_softmax(plane.logits(features), 1);
        let entropy = (log_p * truth).sum_dim(1).mean().neg();
        let penalty = plane.weight.val().square().sum() * (self.decay / 2.0);
        let loss = entropy + penalty;
        let value = loss.clone().inner().into_scalar();
        (value, GradientsParams::from_grads(loss.backward(), plane))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    fn tensor<const N: usize>(rows: [[f32; N]; 6]) -> Tensor<2> {
        Tensor::from_data(TensorData::from(rows), &Device::default())
    }

    /// Normal numbers, the same in every run: those of the device would depend on the tests beside this one.
    fn random(count: usize, channels: usize) -> Tensor<2> {
        let uniform = |index: usize| {
            let place = (index + 1) as f64 * 12.9898 + count as f64 * 78.233;
            (place.sin() * 43_758.545_3).rem_euclid(1.0)
        };
        let normal = |index: usize| {
            let [radius, angle] = [2 * index, 2 * index + 1].map(uniform);
            let angle = (std::f64::consts::TAU * angle).cos();
            ((-2.0 * radius.max(1e-12).ln()).sqrt() * angle) as f32
        };
        let numbers: Vec<f32> = (0..count * channels).map(normal).collect();
        Tensor::<1>::from_floats(&*numbers, &Device::default()).reshape([count, channels])
    }

    const THREE: [[f32; 2]; 6] = [
        [0.0, 4.0],
        [1.0, 5.0],
        [4.0, -4.0],
        [5.0, -3.0],
        [-4.0, -4.0],
        [-5.0, -4.0],
    ];
    const LABELS: [usize; 6] = [0, 0, 1, 1, 2, 2];

    #[test]
    fn linearly_separable_classes_are_separated() {
        for decay in [0.0, 1e-6, 1e-2] {
            let probe = LinearProbe::fit(tensor(THREE), &LABELS, 3, decay);
            assert_eq!(probe.classify(tensor(THREE)), LABELS);
        }
    }

    #[test]
    fn the_gradient_at_the_end_is_zero() {
        let (features, decay) = (random(200, 12), 1e-3);
        let labels: Vec<usize> = (0..200).map(|index| index * 7 % 5).collect();
        let probe = LinearProbe::fit(features.clone(), &labels, 5, decay);
        let ints: Vec<i64> = labels.iter().map(|label| *label as i64).collect();
        let labels = Tensor::<1, Int>::from_ints(ints.as_slice(), &Device::default());
        let problem = Problem {
            features: (features - probe.mean) * probe.scale,
            truth: labels.one_hot::<2>(5).float(),
            decay,
        };
        let (loss, gradients) = problem.loss(&probe.plane);
        for id in [probe.plane.weight.id, probe.plane.bias.id] {
            let largest: f64 = gradients.get::<2>(id).unwrap().abs().max().into_scalar();
            // Because of rounding, the gradient can end slightly above FLAT.
            assert!(largest < 1e-4, "{largest}");
        }
        assert!(loss < 5f64.ln(), "{loss} is not below the loss of chance");
    }

    /// The biases of two classes differ by `ln 3` if one is three times as frequent.
    #[test]
    fn uninformative_features_give_the_prior_of_the_classes() {
        let probe = LinearProbe::fit(
            random(40, 2) * 0.0 + 3.3,
            &[[0; 10], [1; 10], [1; 10], [1; 10]].concat(),
            2,
            1e-3,
        );
        let bias: Vec<f32> = probe.plane.bias.val().inner().into_data().iter().collect();
        assert!((bias[1] - bias[0] - 3f32.ln()).abs() < 1e-3, "{bias:?}");
        assert_eq!(probe.classify(random(3, 2)), [1, 1, 1]);
    }

    #[test]
    fn predictions_do_not_depend_on_scale_and_origin_of_channels() {
        let labels: Vec<usize> = (0..60).map(|index| index % 3).collect();
        let (features, asked) = (random(60, 4), random(50, 4));
        let scale = Tensor::<2>::from_floats([[1000.0, 1.0, 0.01, 3.0]], &Device::default());
        let moved = |features: Tensor<2>| features * scale.clone() + 2.0;
        let own = LinearProbe::fit(features.clone(), &labels, 3, 1e-2);
        let other = LinearProbe::fit(moved(features), &labels, 3, 1e-2);
        let (one, two) = (own.classify(asked.clone()), other.classify(moved(asked)));
        let differ = one.iter().zip(&two).filter(|(one, two)| one != two).count();
        // One of fifty may differ because of rounding at the decision boundary.
        assert!(differ <= 1, "{differ} of 50 differ");
    }

    #[test]
    fn fitting_is_deterministic() {
        let features = random(50, 3);
        let labels: Vec<usize> = (0..50).map(|index| index % 2).collect();
        let weights = || {
            let probe = LinearProbe::fit(features.clone(), &labels, 2, 1e-3);
            probe.plane.weight.val().inner().into_data()
        };
        assert_eq!(weights(), weights());
    }

    #[test]
    #[should_panic(expected = "class 2 is not below 2")]
    fn a_label_out_of_range_panics() {
        LinearProbe::fit(tensor(THREE), &LABELS, 2, 0.0);
    }
}
