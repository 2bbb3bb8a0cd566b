//! Training times.

use crate::TimeShift;

/// Distribution of training times, as a map from random numbers that the caller draws.
///
/// ```
/// use svg_flow::TimeSampler;
///
/// let shifted = TimeSampler::Uniform { shift: 0.5 };
/// assert_eq!(shifted.time(0.5, 0.0), 0.25 / 0.75);
/// let logit_normal = TimeSampler::LogitNormal { mean: 0.0, std: 1.0 };
/// assert_eq!(logit_normal.time(0.3, 0.0), 0.5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TimeSampler {
    /// A shifted uniform time, of density `s / (s + (1 - s) t)^2` (arXiv 2510.15301, released code,
    /// with the shift 0.4).
    Uniform {
        /// `s` of [`TimeShift`].
        shift: f64,
    },
    /// `1 / (1 + exp(-(mean + std z)))` of a standard normal `z` (Esser et al., "Scaling Rectified
    /// Flow Transformers", arXiv 2403.03206).
    LogitNormal {
        /// Mean of the logit; negative values favour noise.
        mean: f64,
        /// Standard deviation of the logit.
        std: f64,
    },
}

impl TimeSampler {
    /// Time for a number that is uniform on [0, 1) and one that is standard normal. Each variant uses one
    /// of them.
    ///
    /// # Panics
    ///
    /// If the shift is not finite.
    pub fn time(&self, uniform: f64, normal: f64) -> f64 {
        match *self {
            Self::Uniform { shift } => TimeShift::new(shift).apply(uniform),
            Self::LogitNormal { mean, std } => 1.0 / (1.0 + (-(mean + std * normal)).exp()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean over [0, 1] by the midpoint rule.
    fn mean(value: impl Fn(f64) -> f64) -> f64 {
        let count = 100_000;
        let points = (0..count).map(|i| (i as f64 + 0.5) / count as f64);
        points.map(value).sum::<f64>() / count as f64
    }

    #[test]
    fn shifted_uniform_times_have_the_documented_density() {
        let s: f64 = 0.4;
        let sampler = TimeSampler::Uniform { shift: s };
        let density = |t: f64| s / (s + (1.0 - s) * t).powi(2);
        assert!((mean(density) - 1.0).abs() < 1e-8);
        for moment in [|t: f64| t, |t: f64| t * t, |t: f64| (3.0 * t).cos()] {
            let sampled = mean(|u| moment(sampler.time(u, 0.0)));
            let expected = mean(|t| moment(t) * density(t));
            assert!((sampled - expected).abs() < 1e-8, "{sampled} {expected}");
        }
    }

    #[test]
    fn logit_normal_times_have_the_given_mean_and_deviation() {
        let sampler = TimeSampler::LogitNormal {
            mean: -0.5,
            std: 2.0,
        };
        let logit = |t: f64| (t / (1.0 - t)).ln();
        assert!((logit(sampler.time(0.9, 0.0)) + 0.5).abs() < 1e-12);
        assert!((logit(sampler.time(0.9, 1.0)) - 1.5).abs() < 1e-12);
    }
}
