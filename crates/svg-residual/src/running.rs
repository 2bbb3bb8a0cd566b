//! A moving average of statistics.

use serde::{Deserialize, Serialize};

use crate::{Moments, Statistics};

/// Statistics averaged over the batches of a training run, so that inference does not depend on a batch.
///
/// `average = (1 - momentum) average + momentum batch`, as in batch normalisation; the first batch
/// initialises the average. Checkpoints store it beside the weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Running {
    /// Current average; `None` before the first batch.
    pub statistics: Option<Statistics>,
    /// Weight of a new batch, in `(0, 1]`.
    pub momentum: f64,
}

impl Running {
    /// Creates an empty average.
    ///
    /// # Panics
    ///
    /// If `momentum` is not in `(0, 1]`.
    pub fn new(momentum: f64) -> Self {
        assert!(
            momentum > 0.0 && momentum <= 1.0,
            "momentum {momentum} is not in (0, 1]"
        );
        Self {
            statistics: None,
            momentum,
        }
    }

    /// Updates the average with the statistics of a batch.
    pub fn update(&mut self, batch: Statistics) {
        let mixed = |old: f64, new: f64| old + (new - old) * self.momentum;
        let moments = |old: Moments, new: Moments| Moments {
            mean: mixed(old.mean, new.mean),
            std: mixed(old.std, new.std),
        };
        self.statistics = Some(match self.statistics {
            None => batch,
            Some(old) => Statistics {
                semantic: moments(old.semantic, batch.semantic),
                residual: moments(old.residual, batch.residual),
            },
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constant(value: f64) -> Statistics {
        let moments = Moments {
            mean: value,
            std: value,
        };
        Statistics {
            semantic: moments,
            residual: moments,
        }
    }

    #[test]
    fn the_first_batch_initialises_the_average() {
        let mut running = Running::new(0.1);
        assert_eq!(running.statistics, None);
        running.update(constant(3.0));
        assert_eq!(running.statistics, Some(constant(3.0)));
    }

    #[test]
    fn later_batches_are_weighted_by_the_momentum() {
        let mut running = Running::new(0.25);
        running.update(constant(2.0));
        running.update(constant(6.0));
        assert_eq!(running.statistics, Some(constant(3.0)));
    }

    #[test]
    #[should_panic(expected = "momentum 0 is not in (0, 1]")]
    fn momentum_zero_panics() {
        Running::new(0.0);
    }
}
