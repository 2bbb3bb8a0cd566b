//! The learning rate as a function of the step.

use crate::flow::{AdamWSettings, RateSchedule};
use crate::run::schedule::warmed;

impl AdamWSettings {
    /// The learning rate of step `number` of `steps`, counted from 0.
    ///
    /// Of `w` steps of warm-up the i-th, counted from 1, has the share `i / w` of the rate.
    pub(crate) fn rate(&self, number: u64, steps: u64) -> f64 {
        let last = match self.schedule {
            RateSchedule::Constant => self.learning_rate,
            RateSchedule::Cosine => 0.0,
        };
        let ends = [self.learning_rate, last];
        warmed(ends, self.warmup_steps, number, steps)
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
