//! The random numbers of one picture.

use rand::rngs::ChaCha8Rng;

pub(super) use crate::random::below;
use crate::random::{Purpose, generator};

/// The random numbers of one picture in one epoch.
///
/// Two draws of the same three numbers are the same, on every machine and in every order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// Seed of the run.
    pub seed: u64,
    /// How often all pictures have been seen before.
    pub epoch: u64,
    /// The picture's number in its set.
    pub index: u64,
}

impl Draw {
    /// The generator from which these numbers come, at its beginning.
    pub(super) fn generator(self) -> ChaCha8Rng {
        generator(Purpose::Crop, self.seed, self.epoch, self.index)
    }

    /// The first of these numbers, below a bound.
    pub(crate) fn below(self, bound: u64) -> u64 {
        below(&mut self.generator(), bound)
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    const DRAW: Draw = Draw {
        seed: 7,
        epoch: 2,
        index: 31,
    };

    #[test]
    fn equal_draws_are_equal_and_any_difference_makes_other_numbers() {
        let first = |draw: Draw| draw.generator().next_u64();
        assert_eq!(first(DRAW), first(DRAW));
        let others = [
            Draw { seed: 8, ..DRAW },
            Draw { epoch: 3, ..DRAW },
            Draw { index: 30, ..DRAW },
        ];
        for other in others {
            assert_ne!(first(DRAW), first(other));
        }
        assert_ne!(first(DRAW), generator(Purpose::Order, 7, 2, 31).next_u64());
    }

    #[test]
    fn numbers_below_a_bound_are_uniform() {
        let mut generator = DRAW.generator();
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[below(&mut generator, 7) as usize] += 1;
        }
        // Four standard deviations of a count, 92.6 each.
        assert!(
            counts.iter().all(|count| count.abs_diff(10_000) < 371),
            "{counts:?}"
        );
        assert_eq!(below(&mut generator, 1), 0);
    }
}
