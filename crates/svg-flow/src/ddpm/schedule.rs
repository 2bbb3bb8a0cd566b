//! Noise levels of a diffusion that is trained on whole numbers of steps.

/// Noise levels `alpha_bar_i` of a variance-preserving diffusion: at index `i` samples are
/// `sqrt(alpha_bar_i) data + sqrt(1 - alpha_bar_i) noise`. Index 0 is next to the data.
///
/// ```
/// use svg_flow::NoiseSchedule;
///
/// let schedule = NoiseSchedule::linear(1000);
/// assert_eq!(schedule.len(), 1000);
/// assert!((schedule.alpha_bar(499) - 0.0785872429).abs() < 1e-10);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseSchedule {
    alpha_bars: Vec<f64>,
}

impl NoiseSchedule {
    /// Betas that increase linearly from `0.1 / steps` to `20 / steps`, which are 1e-4 and 0.02 for the 1000
    /// steps of DDPM and DiT (arXiv 2006.11239, section 4; arXiv 2212.09748).
    ///
    /// # Panics
    ///
    /// If `steps` is less than 21: the largest beta would not be below 1.
    pub fn linear(steps: usize) -> Self {
        let (first, last) = (0.1 / steps as f64, 20.0 / steps as f64);
        assert!(
            last < 1.0,
            "`steps` must be at least 21 for linear betas, but is {steps}"
        );
        let slope = (last - first) / (steps - 1) as f64;
        Self::of_betas((0..steps).map(|i| first + slope * i as f64))
    }

    /// `alpha_bar_i`, the product of `1 - beta_j` for `j` up to `i`.
    ///
    /// # Panics
    ///
    /// If there is no beta, or one is not between 0 and 1.
    pub fn of_betas(betas: impl IntoIterator<Item = f64>) -> Self {
        let mut product = 1.0;
        let alpha_bars: Vec<f64> = betas
            .into_iter()
            .map(|beta| {
                assert!(
                    0.0 < beta && beta < 1.0,
                    "a beta of a noise schedule must lie between 0 and 1, but is {beta}"
                );
                product *= 1.0 - beta;
                product
            })
            .collect();
        assert!(!alpha_bars.is_empty(), "a noise schedule needs a beta");
        Self { alpha_bars }
    }

    /// Number of noise levels.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.alpha_bars.len()
    }

    /// The part of the variance at an index that is the data's.
    ///
    /// # Panics
    ///
    /// If the index is not below [`len`](Self::len).
    pub fn alpha_bar(&self, index: usize) -> f64 {
        self.alpha_bars[index]
    }

    /// The time on the linear path from noise at 0 to data at 1 at which data and noise have the same ratio as at
    /// an index: `t = a / (a + s)` with `a = sqrt(alpha_bar)` and `s = sqrt(1 - alpha_bar)`.
    ///
    /// # Panics
    ///
    /// If the index is not below [`len`](Self::len).
    pub fn flow_time(&self, index: usize) -> f64 {
        flow_time(self.alpha_bar(index))
    }

    /// The index at a time of the linear path, the inverse of [`flow_time`](Self::flow_time). Between two indices
    /// it is a fraction, linear in the time; beyond the first and the last it is that one.
    pub fn index_at(&self, t: f64) -> f64 {
        // Times decrease with the index.
        let later = self.alpha_bars.partition_point(|bar| flow_time(*bar) > t);
        if later == 0 {
            return 0.0;
        }
        if later == self.len() {
            return (self.len() - 1) as f64;
        }
        let [above, below] = [self.flow_time(later - 1), self.flow_time(later)];
        (later - 1) as f64 + (above - t) / (above - below)
    }
}

/// `a / (a + s)` for `a^2 = alpha_bar`, `s^2 = 1 - alpha_bar`.
pub(crate) fn flow_time(alpha_bar: f64) -> f64 {
    let (data, noise) = (alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt());
    data / (data + noise)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_betas_have_the_published_noise_levels() {
        let schedule = NoiseSchedule::linear(1000);
        assert!((schedule.alpha_bar(0) - 0.9999).abs() < 1e-15);
        assert!((schedule.alpha_bar(499) - 0.0785872429).abs() < 5e-11);
        assert!((schedule.alpha_bar(999) - 4.035829765e-5).abs() < 5e-15);
    }

    #[test]
    fn fewer_steps_have_larger_betas() {
        let schedule = NoiseSchedule::linear(100);
        assert!((schedule.alpha_bar(0) - 0.999).abs() < 1e-15);
        let beta = 1.0 - schedule.alpha_bar(99) / schedule.alpha_bar(98);
        assert!((beta - 0.2).abs() < 1e-12, "{beta}");
    }

    #[test]
    fn indices_and_times_of_the_linear_path_are_inverse() {
        let schedule = NoiseSchedule::linear(1000);
        for index in [0, 1, 499, 998, 999] {
            let back = schedule.index_at(schedule.flow_time(index));
            assert!((back - index as f64).abs() < 1e-9, "{index}: {back}");
        }
        let between = 0.5 * (schedule.flow_time(499) + schedule.flow_time(500));
        assert!((schedule.index_at(between) - 499.5).abs() < 1e-9);
        assert_eq!([0.0, 1.0].map(|t| schedule.index_at(t)), [999.0, 0.0]);
    }

    #[test]
    #[should_panic(expected = "`steps` must be at least 21 for linear betas, but is 20")]
    fn betas_of_one_panic() {
        NoiseSchedule::linear(20);
    }

    #[test]
    #[should_panic(expected = "a beta of a noise schedule must lie between 0 and 1, but is 0")]
    fn betas_of_zero_panic() {
        NoiseSchedule::of_betas([0.1, 0.0]);
    }
}
