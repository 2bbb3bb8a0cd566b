//! Schedules over the steps of a training.

use crate::pretrain::Pretraining;
use crate::run::schedule::{cosine, warmed};

impl<C> Pretraining<C> {
    /// The learning rate of step `number`, counted from 0: linear warm-up, then half a cosine down.
    pub(crate) fn rate(&self, number: u64) -> f64 {
        let optimizer = &self.optimizer;
        let ends = [optimizer.learning_rate, optimizer.last_learning_rate];
        warmed(ends, optimizer.warmup_steps, number, self.steps)
    }

    /// The weight decay of step `number`, to be multiplied by the learning rate.
    pub(crate) fn weight_decay(&self, number: u64) -> f64 {
        cosine(self.optimizer.weight_decay, number, self.steps)
    }

    /// The momentum of the teacher at step `number`.
    pub(crate) fn momentum(&self, number: u64) -> f64 {
        cosine(self.teacher.momentum, number, self.steps)
    }

    /// The temperature of the teacher in step `number`.
    pub(crate) fn temperature(&self, number: u64) -> f64 {
        let teacher = &self.teacher;
        let [first, last] = teacher.temperature;
        let warmup = teacher.temperature_warmup.max(1);
        first + (last - first) * number.min(warmup) as f64 / warmup as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_begin_and_end_at_their_configured_values() {
        let mut config = Pretraining::smallest();
        config.steps = 104;
        config.optimizer.warmup_steps = 4;
        config.optimizer.learning_rate = 2.0;
        config.optimizer.last_learning_rate = 0.5;
        config.optimizer.weight_decay = [0.04, 0.2];
        config.teacher.momentum = [0.99, 1.0];
        config.teacher.temperature = [0.04, 0.07];
        config.teacher.temperature_warmup = 30;
        let near = |value: f64, expected: f64| assert!((value - expected).abs() < 1e-12, "{value}");
        near(config.rate(0), 0.5);
        near(config.rate(3), 2.0);
        near(config.rate(4), 2.0);
        near(config.rate(54), 1.25);
        near(config.rate(104), 0.5);
        near(config.weight_decay(0), 0.04);
        near(config.weight_decay(52), 0.12);
        near(config.momentum(104), 1.0);
        near(config.temperature(15), 0.055);
        near(config.temperature(90), 0.07);
    }
}
