//! The distribution that an encoder returns.

use burn::prelude::*;

/// Where the logarithm of a variance is cut off, as in latent diffusion.
const LOG_VARIANCE: (f64, f64) = (-30.0, 20.0);

/// A normal distribution of latents, independent in every number.
#[derive(Clone, Debug)]
pub struct Posterior {
    /// `[batch, channels, rows, columns]`
    pub mean: Tensor<4>,
    /// Logarithm of the variance, `[batch, channels, rows, columns]`, in [-30, 20].
    pub log_variance: Tensor<4>,
}

impl Posterior {
    /// Splits what an encoder returns: means first, then logarithms of variances, which are clamped to [-30, 20].
    ///
    /// # Shapes
    ///
    /// - moments: `[batch, 2 channels, rows, columns]`
    pub fn of(moments: Tensor<4>) -> Self {
        let channels = moments.dims()[1] / 2;
        let (low, high) = LOG_VARIANCE;
        Self {
            mean: moments.clone().narrow(1, 0, channels),
            log_variance: moments.narrow(1, channels, channels).clamp(low, high),
        }
    }

    /// `mean + exp(log_variance / 2) noise`
    ///
    /// # Shapes
    ///
    /// - noise and output: `[batch, channels, rows, columns]`
    pub fn sample(&self, noise: Tensor<4>) -> Tensor<4> {
        let deviation = (self.log_variance.clone() * 0.5).exp();
        self.mean.clone() + deviation * noise
    }

    /// The Kullback-Leibler divergence of each image's distribution from the standard normal one:
    /// `sum(mean^2 + exp(log_variance) - 1 - log_variance) / 2`.
    ///
    /// # Shapes
    ///
    /// - output: `[batch]`
    pub fn divergence(&self) -> Tensor<1> {
        let variance = self.log_variance.clone().exp();
        let each = self.mean.clone().square() + variance - 1.0 - self.log_variance.clone();
        let each = each.flatten::<2>(1, 3); // [batch, numbers]
        each.sum_dim(1).squeeze_dim::<1>(1) * 0.5
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{TensorData, Tolerance};

    fn moments(values: [f32; 4]) -> Tensor<4> {
        let data = TensorData::new(values.to_vec(), [1, 4, 1, 1]);
        Tensor::from_data(data, &Device::default())
    }

    #[test]
    fn means_come_first_and_log_variances_are_clamped() {
        let posterior = Posterior::of(moments([0.5, -2.0, -100.0, 100.0]));
        let numbers = |tensor: Tensor<4>| tensor.into_data().try_to_vec::<f32>().unwrap();
        assert_eq!(numbers(posterior.mean.clone()), [0.5, -2.0]);
        assert_eq!(numbers(posterior.log_variance.clone()), [-30.0, 20.0]);
        let sample = posterior.sample(Tensor::ones([1, 2, 1, 1], &Device::default()));
        let want = [0.5 + (-15.0f32).exp(), -2.0 + 10.0f32.exp()];
        let want = TensorData::new(want.to_vec(), [1, 2, 1, 1]);
        sample
            .into_data()
            .assert_approx_eq::<f32>(&want, Tolerance::relative(1e-6));
    }

    #[test]
    fn the_standard_normal_distribution_has_no_divergence_from_itself() {
        let zero: f32 = Posterior::of(moments([0.0; 4])).divergence().into_scalar();
        assert_eq!(zero, 0.0);
        // (1 + 4 + e - 1 - 1 + 1 - 1 - 0) / 2 for means 1 and 2, log variances 1 and 0.
        let off: f32 = Posterior::of(moments([1.0, 2.0, 1.0, 0.0]))
            .divergence()
            .into_scalar();
        assert!((off - (3.0 + 1.0f32.exp()) / 2.0).abs() < 1e-6, "{off}");
    }
}
