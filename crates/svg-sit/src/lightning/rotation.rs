//! Where a token is, as turns of queries and keys.

use burn::prelude::*;
use svg_nn::Rotation;

/// Base of the frequencies.
const BASE: f64 = 10_000.0;

/// The turn of every token of a grid, `head_dim / 2` angles each: those of its row, then those of its column, at the
/// frequencies `10000^(-2 i / (head_dim / 2))`.
///
/// The file pairs channel `2 j` of a head with channel `2 j + 1`. Queries and keys are ordered at loading so that these
/// pairs are half a head apart, which is how [`Rotation`] turns them.
pub(super) fn table([rows, columns]: [usize; 2], head_dim: usize, device: &Device) -> Rotation {
    Rotation::from_angles(&angles([rows, columns], head_dim), head_dim, 0, device)
}

/// `[rows * columns, head_dim / 2]`, flattened.
pub(super) fn angles([rows, columns]: [usize; 2], head_dim: usize) -> Vec<f64> {
    let (half, quarter) = (head_dim / 2, head_dim / 4);
    let frequency = |i: usize| BASE.powf(-2.0 * i as f64 / half as f64);
    let mut angles = Vec::with_capacity(rows * columns * half);
    for row in 0..rows {
        for column in 0..columns {
            for place in [row, column] {
                angles.extend((0..quarter).map(|i| place as f64 * frequency(i)));
            }
        }
    }
    angles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_half_of_a_head_turns_by_the_row_and_the_second_by_the_column() {
        let angles = angles([2, 3], 8);
        let token = |i: usize| angles[4 * i..4 * i + 4].to_vec();
        assert_eq!(token(0), [0.0; 4]);
        assert_eq!(token(1), [0.0, 0.0, 1.0, 0.01]);
        assert_eq!(token(5), [1.0, 0.01, 2.0, 0.02]);
    }

    #[test]
    fn the_released_heads_have_eighteen_frequencies() {
        let angles = angles([16, 16], 72);
        assert_eq!(angles.len(), 256 * 36);
        let last = &angles[255 * 36..];
        assert_eq!((last[0], last[18]), (15.0, 15.0));
        assert!((last[17] - 15.0 * 10_000f64.powf(-34.0 / 36.0)).abs() < 1e-12);
    }
}
