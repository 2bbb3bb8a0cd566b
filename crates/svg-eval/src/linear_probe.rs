//! Classes by a plane through the features.

use burn::module::{Module, Param};
use burn::optim::{GradientsParams, LBFGSConfig, LineSearchFn};
use burn::prelude::*;
use burn::tensor::activation::log_softmax;

/// More steps than features of a few thousand channels need.
const STEPS: usize = 500;

/// Where the gradient of the mean loss counts as zero.
const FLAT: f64 = 1e-5;

/// Multinomial logistic regression on standardised features, the linear probe of frozen networks.
///
/// `argmax (x - mean) / std * W + b`, where `W` and `b` minimise the mean cross-entropy
/// `+ decay / 2 * |W|^2`. The problem is convex and is solved on all features at once, by L-BFGS from zero,
/// until the gradient is flat or the loss falls no more in f32, so nothing depends on a seed, an order or a
/// rate. Without decay and with classes that a plane separates there is no minimum; it then ends after a
/// fixed number of steps at the latest.
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
    /// One over the deviation, `[1, channels]`; 0 for a channel that is constant.
    scale: Tensor<2>,
    plane: Plane,
}

/// The module that the optimiser sees.
#[derive(Module, Debug)]
struct Plane {
    /// `[channels, classes]`
    weight: Param<Tensor<2>>,
    /// `[1, classes]`
    bias: Param<Tensor<2>>,
}

impl LinearProbe {
    /// The plane that separates these features best.
    ///
    /// # Shapes
    ///
    /// - features: `[n, channels]` outside any graph, with `n` labels below `classes`
    ///
    /// # Panics
    ///
    /// If there are no features, not as many labels, a label that is no class, or a negative decay.
    pub fn fit(features: Tensor<2>, labels: &[usize], classes: usize, decay: f64) -> Self {
        let ([count, channels], given) = (features.dims(), labels.len());
        assert!(count > 0, "there is nothing to learn from");
        assert!(count == given, "{given} labels for {count} features");
        let highest = labels.iter().copied().max().unwrap_or(0);
        assert!(highest < classes, "class {highest} is none of {classes}");
        assert!(decay >= 0.0, "the decay {decay} is negative");
        let device = features.device();
        let mean = features.clone().mean_dim(0);
        let std = (features.clone() - mean.clone())
            .square()
            .mean_dim(0)
            .sqrt();
        // What is below the rounding of a mean is no deviation.
        let constant = std.clone().lower_equal(mean.clone().abs() * 1e-5);
        let scale = std.recip().mask_fill(constant, 0.0);
        let classes_of_all = labels.iter().map(|label| *label as i64).collect::<Vec<_>>();
        let labels = Tensor::<1, Int>::from_ints(classes_of_all.as_slice(), &device);
        let problem = Problem {
            features: (features - mean.clone()) * scale.clone(),
            truth: Tensor::eye(classes, &device).select(0, labels),
            decay,
        };
        // The optimiser steps parameters of a device with gradients only, which are given here all the same.
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

    /// The class of each feature; of equal ones the lowest.
    ///
    /// # Shapes
    ///
    /// - features: `[m, channels]`
    /// - output: `m` labels
    ///
    /// # Panics
    ///
    /// If the number of channels is not that of [`fit`](Self::fit).
    pub fn classify(&self, features: Tensor<2>) -> Vec<usize> {
        let [_, channels] = self.mean.dims();
        assert_shape!(features, [_, channels]);
        let features = (features - self.mean.clone()) * self.scale.clone();
        let logits = self.plane.logits(features);
        let [_, classes] = logits.dims();
        let logits = logits.into_data().iter::<f32>().collect::<Vec<_>>();
        let largest = |row: &[f32]| {
            (1..classes).fold(0, |most, class| match row[class] > row[most] {
                true => class,
                false => most,
            })
        };
        logits.chunks_exact(classes).map(largest).collect()
    }
}

impl Plane {
    fn logits(&self, features: Tensor<2>) -> Tensor<2> {
        features.matmul(self.weight.val().inner()) + self.bias.val().inner()
    }
}

/// What is minimised.
struct Problem {
    /// Standardised, `[n, channels]`
    features: Tensor<2>,
    /// One at each feature's class, `[n, classes]`
    truth: Tensor<2>,
    decay: f64,
}

impl Problem {
    /// The loss, and its gradients `x^T (p - y) / n + decay W` and the mean of `p - y`.
    fn loss(&self, plane: &Plane) -> (f64, GradientsParams) {
        let [count, _] = self.features.dims();
        let weight = plane.weight.val().inner();
        let log_p = log_softmax(plane.logits(self.features.clone()), 1);
        let entropy = (log_p.clone() * self.truth.clone()).sum_dim(1).mean().neg();
        let penalty = weight.clone().square().sum() * (self.decay / 2.0);
        let loss: f64 = (entropy + penalty).into_scalar();
        let error = (log_p.exp() - self.truth.clone()) / count as f64;
        let mut gradients = GradientsParams::new();
        let of_weight = self.features.clone().transpose().matmul(error.clone());
        gradients.register(plane.weight.id, of_weight + weight * self.decay);
        gradients.register(plane.bias.id, error.sum_dim(0));
        (loss, gradients)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, TensorData};

    use super::*;

    fn tensor<const N: usize>(rows: [[f32; N]; 6]) -> Tensor<2> {
        Tensor::from_data(TensorData::from(rows), &Device::default())
    }

    fn random(count: usize, channels: usize) -> Tensor<2> {
        let all = Distribution::Normal(0.0, 1.0);
        Tensor::random([count, channels], all, &Device::default())
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
    fn what_planes_separate_is_separated() {
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
            // Rounding of the loss can end it a little above FLAT.
            assert!(largest < 1e-4, "{largest}");
        }
        assert!(loss < 5f64.ln(), "{loss} is that of knowing nothing");
    }

    /// The bias of two classes of which one is thrice as frequent differs by `ln 3`.
    #[test]
    fn features_that_say_nothing_leave_the_odds() {
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
    fn scale_and_origin_of_a_channel_do_not_matter() {
        let labels: Vec<usize> = (0..60).map(|index| index % 3).collect();
        let (features, asked) = (random(60, 4), random(50, 4));
        let scale = Tensor::<2>::from_floats([[1000.0, 1.0, 0.01, 3.0]], &Device::default());
        let moved = |features: Tensor<2>| features * scale.clone() + 2.0;
        let own = LinearProbe::fit(features.clone(), &labels, 3, 1e-2);
        let other = LinearProbe::fit(moved(features), &labels, 3, 1e-2);
        let (one, two) = (own.classify(asked.clone()), other.classify(moved(asked)));
        let differ = one.iter().zip(&two).filter(|(one, two)| one != two).count();
        // One of fifty may lie on the border to within rounding.
        assert!(differ <= 1, "{differ} of 50 differ");
    }

    #[test]
    fn the_same_features_give_the_same_plane() {
        let features = random(50, 3);
        let labels: Vec<usize> = (0..50).map(|index| index % 2).collect();
        let weights = || {
            let probe = LinearProbe::fit(features.clone(), &labels, 2, 1e-3);
            probe.plane.weight.val().inner().into_data()
        };
        assert_eq!(weights(), weights());
    }

    #[test]
    #[should_panic(expected = "class 2 is none of 2")]
    fn a_label_that_is_no_class_panics() {
        LinearProbe::fit(tensor(THREE), &LABELS, 2, 0.0);
    }
}
