//! A moving average of statistics.

use serde::{Deserialize, Serialize};

use crate::{Moments, Statistics};

/// Statistics averaged over the batches of a training run, so that inference need not depend on a
/// batch.
///
/// `average = (1 - momentum) average + momentum batch`, as in batch normalisation; the first batch is
/// taken as it is. It is a value that a checkpoint stores beside the weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Running {
    /// The average so far; `None` before the first batch.
    pub statistics: Option<Statistics>,
    /// Weight of a new batch, in `(0, 1]`.
    pub momentum: f64,
}

impl Running {
    /// An average of nothing yet.
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

    /// Takes in the statistics of one more batch.
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
    fn the_first_batch_is_the_average() {
        let mut running = Running::new(0.1);
        assert_eq!(running.statistics, None);
        running.update(constant(3.0));
        assert_eq!(running.statistics, Some(constant(3.0)));
    }

    #[test]
    fn a_later_batch_moves_the_average_by_its_weight() {
        let mut running = Running::new(0.25);
        running.update(constant(2.0));
        running.update(constant(6.0));
        assert_eq!(running.statistics, Some(constant(3.0)));
    }

    #[test]
    #[should_panic(expected = "momentum 0 is not in (0, 1]")]
    fn an_average_that_never_moves_is_refused() {
        Running::new(0.0);
    }
}
