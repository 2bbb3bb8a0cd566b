//! The symmetries of a square.

use svg_store::Random;

use super::Augmentation;

/// One of the eight symmetries of a square.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Orientation {
    /// Horizontal flip after the rotation.
    mirrored: bool,
    /// Rotations by 90 degrees to the left.
    turns: u64,
}

impl Orientation {
    pub(super) fn draw(settings: &Augmentation, random: &mut Random) -> Self {
        let mirrored = random.fraction() < settings.flip;
        let turns = random.below(4);
        Self {
            mirrored,
            turns: if settings.turn { turns } else { 0 },
        }
    }

    /// Source row and column of a pixel.
    pub(super) fn source(self, [row, column]: [usize; 2], size: usize) -> [usize; 2] {
        let last = size - 1;
        let column = if self.mirrored { last - column } else { column };
        match self.turns {
            0 => [row, column],
            1 => [column, last - row],
            2 => [last - row, last - column],
            _ => [last - column, row],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::tests::{lively, plain};
    use super::*;

    #[test]
    fn orientations_are_the_eight_symmetries_of_a_square() {
        let size = 3;
        let every: Vec<_> = [false, true]
            .into_iter()
            .flat_map(|mirrored| (0..4).map(move |turns| Orientation { mirrored, turns }))
            .collect();
        let places = || (0..9).map(|place| [place / size, place % size]);
        let map = |orientation: Orientation| -> Vec<_> {
            places()
                .map(|place| orientation.source(place, size))
                .collect()
        };
        let maps: BTreeSet<_> = every.iter().map(|&orientation| map(orientation)).collect();
        assert_eq!(maps.len(), 8);
        // Closed, so each has its inverse.
        for first in &every {
            for second in &every {
                let both: Vec<_> = places()
                    .map(|place| second.source(first.source(place, size), size))
                    .collect();
                assert!(maps.contains(&both), "{first:?} {second:?}");
            }
        }
    }

    #[test]
    fn all_orientations_are_equally_frequent() {
        let mut random = Random::keyed([5, 1, 0, 0]);
        let mut counts = [0_usize; 8];
        for _ in 0..8000 {
            let Orientation { mirrored, turns } = Orientation::draw(&lively(), &mut random);
            counts[4 * usize::from(mirrored) + turns as usize] += 1;
        }
        // Four standard deviations of 29.6.
        assert!(
            counts.iter().all(|count| count.abs_diff(1000) < 119),
            "{counts:?}"
        );
        let still = Orientation::draw(&plain(), &mut random);
        assert_eq!(
            still,
            Orientation {
                mirrored: false,
                turns: 0
            }
        );
    }
}
