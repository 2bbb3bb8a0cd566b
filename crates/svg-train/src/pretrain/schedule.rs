//! Schedules over the steps of a training.

use std::f64::consts::PI;

use crate::pretrain::Pretraining;

impl<C> Pretraining<C> {
    /// The learning rate of step `number`, counted from 0: linear warm-up, then half a cosine down.
    pub(crate) fn rate(&self, number: u64) -> f64 {
        let optimizer = &self.optimizer;
        let warmup = optimizer.warmup_steps;
        if number < warmup {
            return optimizer.learning_rate * (number + 1) as f64 / warmup as f64;
        }
        let ends = [optimizer.learning_rate, optimizer.last_learning_rate];
        cosine(ends, number - warmup, self.steps.saturating_sub(warmup))
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

/// From the first to the second along half a cosine of `steps` steps.
fn cosine([first, last]: [f64; 2], number: u64, steps: u64) -> f64 {
    let over = (number as f64 / steps.max(1) as f64).min(1.0);
    last + 0.5 * (first - last) * (1.0 + (PI * over).cos())
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
