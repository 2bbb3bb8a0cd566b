//! The steps of a sampler over some indices of a noise schedule.

use super::schedule::flow_time;
use crate::{NoiseSchedule, Spacing};

/// A diffusion over some indices of a [`NoiseSchedule`], with the noise levels of these and betas between them
/// (Nichol and Dhariwal, "Improved Denoising Diffusion Probabilistic Models", arXiv 2102.09672, section 4).
///
/// ```
/// use svg_flow::{NoiseSchedule, Respaced, Spacing};
///
/// let respaced = Respaced::new(&NoiseSchedule::linear(1000), &Spacing::steps(250)).unwrap();
/// assert_eq!(respaced.len(), 250);
/// assert_eq!(respaced.step(249).index, 999);
/// assert!((respaced.step(249).beta() - 0.077519345).abs() < 1e-9);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Respaced {
    steps: Vec<DdpmStep>,
}

/// One step towards the data: from the noise level of an index to that of the next lower one, or to the data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DdpmStep {
    /// Place among the visited indices; 0 is the last step that is made.
    pub place: usize,
    /// Index in the schedule, which the network receives.
    pub index: usize,
    /// Part of the variance that is the data's, before the step.
    pub alpha_bar: f64,
    /// The same after the step; 1 if the step leads to the data.
    pub previous: f64,
    /// Logarithm of the posterior variance. In the last step, where that is 0, it is that of the step before.
    pub log_variance: f64,
}

impl DdpmStep {
    /// `beta`, the variance that is added from one index to the next.
    pub fn beta(&self) -> f64 {
        1.0 - self.alpha_bar / self.previous
    }

    /// Variance of the posterior `q(x_previous | x, data)`: `beta (1 - previous) / (1 - alpha_bar)`.
    pub fn posterior_variance(&self) -> f64 {
        self.beta() * (1.0 - self.previous) / (1.0 - self.alpha_bar)
    }

    /// Coefficients of data and samples in the mean of that posterior.
    pub fn mean_coefficients(&self) -> [f64; 2] {
        let (beta, rest) = (self.beta(), 1.0 - self.alpha_bar);
        [
            beta * self.previous.sqrt() / rest,
            (1.0 - self.previous) * (1.0 - beta).sqrt() / rest,
        ]
    }

    /// Coefficients of samples and noise in the data: `sqrt(1 / alpha_bar)` and `-sqrt(1 / alpha_bar - 1)`.
    pub fn data_coefficients(&self) -> [f64; 2] {
        let inverse = 1.0 / self.alpha_bar;
        [inverse.sqrt(), -(inverse - 1.0).sqrt()]
    }

    /// Time on the linear path from noise at 0 to data at 1 after the step; see [`NoiseSchedule::flow_time`].
    pub fn time_after(&self) -> f64 {
        flow_time(self.previous)
    }
}

impl Respaced {
    /// Keeps some indices of `schedule`.
    ///
    /// # Errors
    ///
    /// As [`Spacing::indices`].
    pub fn new(schedule: &NoiseSchedule, spacing: &Spacing) -> Result<Self, String> {
        let indices = spacing.indices(schedule.len())?;
        let mut previous = 1.0;
        let mut steps = Vec::with_capacity(indices.len());
        for (place, index) in indices.into_iter().enumerate() {
            let alpha_bar = schedule.alpha_bar(index);
            let mut step = DdpmStep {
                place,
                index,
                alpha_bar,
                previous,
                log_variance: 0.0,
            };
            step.log_variance = step.posterior_variance().ln();
            steps.push(step);
            previous = alpha_bar;
        }
        // Without a second step there is no other variance to take; nothing is drawn in the last step.
        let second = steps.get(1).map(|step| step.log_variance);
        steps[0].log_variance = second.unwrap_or_else(|| steps[0].beta().ln());
        Ok(Self { steps })
    }

    /// Number of steps.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// The step at a place, 0 for the last one that is made.
    ///
    /// # Panics
    ///
    /// If there is no such place.
    pub fn step(&self, place: usize) -> &DdpmStep {
        &self.steps[place]
    }

    /// The steps in the order in which they are made: from noise to data.
    pub fn from_noise(&self) -> impl ExactSizeIterator<Item = &DdpmStep> {
        self.steps.iter().rev()
    }

    /// The same noise levels as times of the linear path, from almost 0 to 1: a grid for
    /// [`NoiseFlow`](crate::NoiseFlow).
    pub fn flow_times(&self) -> Vec<f64> {
        let levels = self.from_noise().map(|step| flow_time(step.alpha_bar));
        levels.chain([1.0]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dit() -> Respaced {
        Respaced::new(&NoiseSchedule::linear(1000), &Spacing::steps(250)).unwrap()
    }

    fn check(found: f64, expected: f64, digits: f64) {
        assert!((found - expected).abs() < digits, "{found} for {expected}");
    }

    #[test]
    fn betas_and_variances_are_those_of_dit() {
        let dit = dit();
        check(dit.step(0).beta(), 1e-4, 1e-15);
        check(dit.step(1).beta(), 5.990655645e-4, 5e-14);
        check(dit.step(249).beta(), 0.077519345, 5e-10);
        assert_eq!(dit.step(0).posterior_variance(), 0.0);
        check(dit.step(1).posterior_variance(), 8.570253441e-5, 5e-15);
        check(dit.step(249).posterior_variance(), 0.077519082, 5e-10);
        check(dit.step(0).log_variance, -9.364628160, 5e-10);
        check(dit.step(249).log_variance, 0.077519082_f64.ln(), 1e-8);
    }

    #[test]
    fn the_mean_has_the_coefficients_of_dit() {
        let dit = dit();
        let [data, x] = dit.step(100).mean_coefficients();
        check(data, 0.0175514215, 5e-11);
        check(x, 0.9762581388, 5e-11);
        let [data, x] = dit.step(0).mean_coefficients();
        check(data, 1.0, 1e-15);
        assert_eq!(x, 0.0);
    }

    #[test]
    fn the_products_of_new_alphas_are_the_levels_that_are_kept() {
        let schedule = NoiseSchedule::linear(1000);
        for spacing in [
            Spacing::steps(250),
            Spacing::Ddim(50),
            Spacing::Sections(vec![3, 30]),
        ] {
            let respaced = Respaced::new(&schedule, &spacing).unwrap();
            let mut product = 1.0;
            for place in 0..respaced.len() {
                let step = respaced.step(place);
                product *= 1.0 - step.beta();
                check(product / schedule.alpha_bar(step.index), 1.0, 1e-12);
            }
        }
    }

    #[test]
    fn a_single_step_has_no_second_variance_and_takes_its_beta() {
        let one = Respaced::new(&NoiseSchedule::linear(1000), &Spacing::steps(1)).unwrap();
        assert_eq!(one.len(), 1);
        check(one.step(0).log_variance, 1e-4_f64.ln(), 1e-9);
    }

    #[test]
    fn times_of_the_linear_path_increase_to_the_data() {
        let times = dit().flow_times();
        assert_eq!((times.len(), times[250]), (251, 1.0));
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
        check(times[0], 0.006_312_841, 1e-9);
    }
}
