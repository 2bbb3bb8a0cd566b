//! The random numbers of one picture.

use svg_store::Random;

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
    pub(super) fn generator(self) -> Random {
        generator(Purpose::Crop, self.seed, self.epoch, self.index)
    }

    /// The first of these numbers, below a bound.
    pub(crate) fn below(self, bound: u64) -> u64 {
        self.generator().below(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAW: Draw = Draw {
        seed: 7,
        epoch: 2,
        index: 31,
    };

    #[test]
    fn draws_are_a_function_of_all_three_numbers() {
        let first = |draw: Draw| draw.generator().word();
        assert_eq!(first(DRAW), first(DRAW));
        let others = [
            Draw { seed: 8, ..DRAW },
            Draw { epoch: 3, ..DRAW },
            Draw { index: 30, ..DRAW },
        ];
        for other in others {
            assert_ne!(first(DRAW), first(other));
        }
        assert_ne!(first(DRAW), generator(Purpose::Order, 7, 2, 31).word());
    }
}
