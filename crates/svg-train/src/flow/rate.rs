//! The learning rate as a function of the step.

use std::f64::consts::PI;

use crate::flow::{AdamWSettings, RateSchedule};

impl AdamWSettings {
    /// The learning rate of step `number` of `steps`, counted from 0.
    ///
    /// Of `w` steps of warm-up the i-th, counted from 1, has the share `i / w` of the rate.
    pub(crate) fn rate(&self, number: u64, steps: u64) -> f64 {
        let warmup = self.warmup_steps;
        if number < warmup {
            return self.learning_rate * (number + 1) as f64 / warmup as f64;
        }
        match self.schedule {
            RateSchedule::Constant => self.learning_rate,
            RateSchedule::Cosine => {
                let span = steps.saturating_sub(warmup).max(1) as f64;
                let over = ((number - warmup) as f64 / span).min(1.0);
                self.learning_rate * 0.5 * (1.0 + (PI * over).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::FlowTraining;

    #[test]
    fn the_rate_grows_then_stays_or_falls_to_nothing() {
        let mut settings = AdamWSettings {
            learning_rate: 2.0,
            warmup_steps: 4,
            ..FlowTraining::tiny().optimizer
        };
        let rates = |settings: &AdamWSettings| [0, 3, 4, 54, 104].map(|n| settings.rate(n, 104));
        settings.schedule = RateSchedule::Constant;
        assert_eq!(rates(&settings), [0.5, 2.0, 2.0, 2.0, 2.0]);
        settings.schedule = RateSchedule::Cosine;
        let [first, _, full, half, none] = rates(&settings);
        assert_eq!((first, full), (0.5, 2.0));
        assert!((half - 1.0).abs() < 1e-12 && none.abs() < 1e-12);
    }
}
