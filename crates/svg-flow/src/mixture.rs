//! The velocity field of a Gaussian mixture in closed form.

use burn::prelude::*;
use burn::tensor::activation::softmax;

use crate::VelocityField;
use crate::field::beside_tokens;

/// Exact velocity field for data from a mixture of isotropic Gaussians; tokens are independent.
///
/// With standard normal noise, data `sum_k p_k N(m_k, s^2 I)` and `a = (1 - t)^2 + t^2 s^2`, component
/// `k` alone has the velocity
///
/// `v_k = m_k + (t s^2 - (1 - t)) / a (x - t m_k)`,
///
/// and the mixture has the mean of these under the posterior `r_k`, proportional to
/// `p_k N(x; t m_k, a I)`. The distribution at every time is known too, which makes it a test case for
/// solvers. It is the toy data of the paper's figure 4 (arXiv 2510.15301).
///
/// ```
/// use burn::prelude::*;
/// use svg_flow::{GaussianMixture, VelocityField};
///
/// let mixture = GaussianMixture::new(vec![vec![-2.0], vec![2.0]], vec![1.0, 1.0], 0.5);
/// let device = Device::default();
/// let x = Tensor::zeros([1, 1, 1], &device);
/// let t = Tensor::full([1], 0.5, &device);
/// // The midpoint belongs to both components equally, so their velocities cancel.
/// assert_eq!(mixture.velocity(x, t).into_scalar::<f32>(), 0.0);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianMixture {
    means: Vec<Vec<f64>>,
    weights: Vec<f64>,
    std: f64,
}

impl GaussianMixture {
    /// Takes one mean and one weight per component and the shared standard deviation `s`. Weights need not
    /// sum to 1.
    ///
    /// # Panics
    ///
    /// If there is no component, if the numbers of means and weights or the lengths of the means differ, if
    /// a weight or the deviation is not positive, or if a number is not finite.
    pub fn new(means: Vec<Vec<f64>>, weights: Vec<f64>, std: f64) -> Self {
        assert!(
            !means.is_empty() && means.len() == weights.len(),
            "{} means with {} weights: each component needs one of each",
            means.len(),
            weights.len()
        );
        let channels = means[0].len();
        assert!(
            channels > 0 && means.iter().all(|mean| mean.len() == channels),
            "the means of a mixture must have the same length, at least 1"
        );
        assert!(
            means.iter().flatten().all(|m| m.is_finite()),
            "the means of a mixture must be finite"
        );
        assert!(
            weights
                .iter()
                .chain([&std])
                .all(|x| *x > 0.0 && x.is_finite()),
            "the weights {weights:?} and the deviation {std} of a mixture must be positive and finite"
        );
        Self {
            means,
            weights,
            std,
        }
    }

    /// Probability of each component, given the position of a token at its time.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, tokens, channels]`
    /// - t: `[batch]`
    /// - output: `[batch, tokens, components]`
    ///
    /// # Panics
    ///
    /// If the number of channels is not the length of the means.
    pub fn posterior(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        let [batch, _, _] = x.dims();
        assert_shape!(x, [batch, _, self.means[0].len()]);
        assert_shape!(t, [batch]);
        let device = x.device();
        let t = beside_tokens(t);
        let row = |numbers: Vec<f64>| row(numbers, &device);
        let square = |mean: &Vec<f64>| mean.iter().map(|m| m * m).sum::<f64>();
        let squares = row(self.means.iter().map(square).collect());
        let priors = row(self.weights.iter().map(|weight| weight.ln()).collect());
        // -|x - t m|^2 / 2a without |x|^2, which is the same for all components.
        let products = x.matmul(self.means_on(&device).swap_dims(1, 2)); // [batch, tokens, components]
        let distances = products - t.clone() * squares * 0.5;
        softmax(distances * t.clone() / self.variance(t) + priors, 2)
    }

    fn means_on(&self, device: &Device) -> Tensor<3> {
        let [components, channels] = [self.means.len(), self.means[0].len()];
        row(self.means.concat(), device).reshape([1, components, channels])
    }

    /// `a`, of the shape of `t`.
    fn variance(&self, t: Tensor<3>) -> Tensor<3> {
        (t.clone().neg() + 1.0).square() + t.square() * (self.std * self.std)
    }
}

impl VelocityField for GaussianMixture {
    /// # Panics
    ///
    /// If the number of channels is not the length of the means.
    fn velocity(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        let posterior = self.posterior(x.clone(), t.clone());
        let mean = posterior.matmul(self.means_on(&x.device())); // [batch, tokens, channels]
        let t = beside_tokens(t);
        let slope = t.clone() * (self.std * self.std + 1.0) - 1.0;
        // v_k is linear in m_k, so the mean of the velocities is the velocity of the mean.
        mean.clone() + (x - mean * t.clone()) * (slope / self.variance(t))
    }
}

/// Tensor `[1, 1, n]` of the numbers.
fn row(numbers: Vec<f64>, device: &Device) -> Tensor<3> {
    let numbers: Vec<f32> = numbers.into_iter().map(|x| x as f32).collect();
    let count = numbers.len();
    Tensor::<1>::from_data(numbers.as_slice(), device).reshape([1, 1, count])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Moment, Rk4, TimeShift, integrate, unwatched};
    use burn::tensor::Tolerance;

    fn close(found: Tensor<3>, expected: Tensor<3>, tolerance: f64) {
        let (found, expected) = (found.into_data(), expected.into_data());
        found.assert_approx_eq::<f32>(&expected, Tolerance::absolute(tolerance));
    }

    fn points() -> Tensor<3> {
        let device = Device::default();
        Tensor::from_data(
            [[[0.5, -1.0], [2.0, 0.1]], [[-0.3, 0.2], [1.0, 1.0]]],
            &device,
        )
    }

    #[test]
    fn the_flow_of_one_gaussian_is_an_affine_map() {
        // x(1) = m + s x(0)
        let field = GaussianMixture::new(vec![vec![1.0, -2.0]], vec![3.0], 0.5);
        let times = TimeShift::new(1.0).grid(40);
        let end = integrate(&field, &Rk4, &times, points(), &mut unwatched).x;
        let mean = row(vec![1.0, -2.0], &Device::default());
        close(end, points() * 0.5 + mean, 1e-4);
    }

    #[test]
    fn the_velocity_is_the_posterior_mean_of_the_components() {
        // The documented formula, evaluated element by element.
        let (means, weights, std) = ([[1.0, 0.5], [-1.0, 2.0]], [0.3, 0.7], 0.4);
        let field = GaussianMixture::new(
            means.iter().map(|mean| mean.to_vec()).collect(),
            weights.to_vec(),
            std,
        );
        for t in [0.0, 0.4, 1.0] {
            let (step, steps) = (0, 1);
            let found = field.velocity_at(points(), Moment { t, step, steps });
            let found: Vec<f64> = found.into_data().iter().collect();
            let x: Vec<f64> = points().into_data().iter().collect();
            let a = (1.0 - t) * (1.0 - t) + t * t * std * std;
            for (x, found) in x.chunks(2).zip(found.chunks(2)) {
                let density = |k: usize| {
                    let far = (0..2)
                        .map(|c| (x[c] - t * means[k][c]).powi(2))
                        .sum::<f64>();
                    weights[k] * (-far / (2.0 * a)).exp()
                };
                let densities = [density(0), density(1)];
                for c in 0..2 {
                    let v = |k: usize| {
                        let m: f64 = means[k][c];
                        m + (t * std * std - (1.0 - t)) / a * (x[c] - t * m)
                    };
                    let sum = densities[0] * v(0) + densities[1] * v(1);
                    let expected = sum / (densities[0] + densities[1]);
                    assert!(
                        (found[c] - expected).abs() < 1e-4,
                        "{} {expected}",
                        found[c]
                    );
                }
            }
        }
    }

    #[test]
    fn samples_are_divided_among_the_components_by_weight() {
        // Quantiles of the normal distribution by numerical integration, instead of random numbers.
        let count = 2000;
        let mut quantiles = vec![];
        let (mut below, width) = (0.0, 1e-4);
        let mut z = -6.0_f64;
        while quantiles.len() < count {
            below += width * (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
            if below * count as f64 >= quantiles.len() as f64 + 0.5 {
                quantiles.push(z as f32);
            }
            z += width;
        }
        let device = Device::default();
        let start = Tensor::<1>::from_data(quantiles.as_slice(), &device).reshape([1, count, 1]);
        let field = GaussianMixture::new(vec![vec![-2.0], vec![2.0]], vec![1.0, 3.0], 0.3);
        let times = TimeShift::new(1.0).grid(100);
        let end = integrate(&field, &Rk4, &times, start, &mut unwatched).x;
        let x: Vec<f64> = end.into_data().iter().collect();
        let upper: Vec<f64> = x.into_iter().filter(|x| *x > 0.0).collect();
        let part = upper.len() as f64 / count as f64;
        let mean = upper.iter().sum::<f64>() / upper.len() as f64;
        let variance = upper.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / upper.len() as f64;
        assert!((part - 0.75).abs() < 2e-3, "{part}");
        assert!((mean - 2.0).abs() < 5e-3, "{mean}");
        assert!((variance - 0.09).abs() < 3e-3, "{variance}");
    }

    #[test]
    fn the_posterior_is_the_prior_at_noise_and_certain_at_distant_components() {
        let field = GaussianMixture::new(vec![vec![-9.0], vec![9.0]], vec![1.0, 3.0], 0.5);
        let device = Device::default();
        let x = Tensor::<3>::from_data([[[9.0]], [[9.0]]], &device);
        let t = Tensor::from_data([0.0, 1.0], &device);
        let expected = Tensor::from_data([[[0.25, 0.75]], [[0.0, 1.0]]], &device);
        close(field.posterior(x, t), expected, 1e-6);
    }

    #[test]
    #[should_panic(expected = "2 means with 1 weights")]
    fn a_mixture_needs_a_weight_for_each_mean() {
        GaussianMixture::new(vec![vec![1.0], vec![2.0]], vec![1.0], 1.0);
    }
}
