//! The table of positions on another grid, as each library resizes it.

use burn::prelude::*;
use burn::tensor::TensorData;
use svg_nn::matmul;

use crate::Positions;

/// Rows of a table that belong to a grid of patches, resized to another grid.
///
/// # Shapes
///
/// - table: `[1, side * side, channels]`
/// - output: `[1, rows * columns, channels]`
pub(crate) fn resized(
    table: Tensor<3>,
    side: usize,
    [rows, columns]: [usize; 2],
    rule: Positions,
) -> Tensor<3> {
    if [rows, columns] == [side, side] {
        return table;
    }
    let [_, _, channels] = table.dims();
    let device = table.device();
    let weights = |to: usize| {
        let data = TensorData::new(rule.weights(side, to), [to, side]);
        Tensor::<2>::from_data(data, &device).cast(table.dtype())
    };
    let table = table.clone().reshape([side, side * channels]);
    let tall = matmul(weights(rows), table); // [rows, side * channels]
    let tall = tall.reshape([rows, side, channels]).swap_dims(0, 1);
    let both = matmul(weights(columns), tall.reshape([side, rows * channels]));
    let both = both.reshape([columns, rows, channels]).swap_dims(0, 1);
    both.reshape([1, rows * columns, channels])
}

impl Positions {
    /// What each of `to` places takes of each of `from`, row by row; a row sums to one.
    ///
    /// Places are computed in f32 as in PyTorch's `interpolate`, which decides what a weight is in the last digits.
    fn weights(self, from: usize, to: usize) -> Vec<f32> {
        let mut all = vec![0.0; from * to];
        for (place, row) in all.chunks_exact_mut(from).enumerate() {
            match self {
                Self::Bicubic => cubic(row, place, from as f32 / to as f32),
                Self::BicubicOffset => {
                    let factor = (to as f64 + 0.1) / from as f64;
                    cubic(row, place, (1.0 / factor) as f32);
                }
                Self::BicubicAntialiased => {
                    filtered(row, place, from as f32 / to as f32, 2.0, |x| {
                        kernel(x, -0.5)
                    })
                }
                Self::LinearAntialiased => {
                    filtered(row, place, from as f32 / to as f32, 1.0, |x| {
                        (1.0 - x.abs()).max(0.0)
                    })
                }
            }
        }
        all
    }
}

/// Keys' cubic convolution kernel.
fn kernel(x: f32, a: f32) -> f32 {
    let x = x.abs();
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * a
    } else {
        0.0
    }
}

/// Four neighbours, those beyond the edge being the edge.
fn cubic(row: &mut [f32], place: usize, scale: f32) {
    let centre = scale * (place as f32 + 0.5) - 0.5;
    let (below, last) = (centre.floor(), row.len() as i64 - 1);
    for offset in -1..=2 {
        let weight = kernel(centre - below - offset as f32, -0.75);
        row[(below as i64 + offset).clamp(0, last) as usize] += weight;
    }
}

/// All within the support of a filter, which is as wide as a place of the smaller grid; those beyond the edge are left
/// out.
fn filtered(row: &mut [f32], place: usize, scale: f32, support: f32, filter: impl Fn(f32) -> f32) {
    let wide = scale.max(1.0);
    let centre = scale * (place as f32 + 0.5);
    let first = (centre - support * wide + 0.5).max(0.0) as usize;
    let end = ((centre + support * wide + 0.5) as usize).min(row.len());
    let mut sum = 0.0;
    for (index, weight) in row.iter_mut().enumerate().take(end).skip(first) {
        *weight = filter((index as f32 - centre + 0.5) / wide);
        sum += *weight;
    }
    row.iter_mut().for_each(|weight| *weight /= sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Positions; 4] = [
        Positions::Bicubic,
        Positions::BicubicAntialiased,
        Positions::BicubicOffset,
        Positions::LinearAntialiased,
    ];

    #[test]
    fn a_table_of_one_number_keeps_it() {
        for rule in ALL {
            for (from, to) in [(4, 7), (7, 4), (37, 16), (14, 16), (3, 1)] {
                for row in rule.weights(from, to).chunks(from) {
                    let sum: f32 = row.iter().sum();
                    assert!((sum - 1.0).abs() < 1e-6, "{rule:?} {from} to {to}: {sum}");
                }
            }
        }
    }

    #[test]
    fn the_same_grid_is_the_table_itself_and_a_mirrored_one_the_mirrored_table() {
        let device = Device::default();
        let count = 5 * 5 * 2;
        let table = Tensor::<1, Int>::arange(0..count, &device).float().sin();
        let table = table.reshape([1, 25, 2]);
        for rule in ALL {
            let same = resized(table.clone(), 5, [5, 5], rule);
            same.into_data().assert_eq(&table.to_data(), true);
            if rule == Positions::BicubicOffset {
                // It is not symmetric: its places are moved towards the beginning.
                continue;
            }
            let flip = |table: Tensor<3>| table.flip([1]);
            let one = flip(resized(table.clone(), 5, [3, 8], rule));
            let other = resized(flip(table.clone()), 5, [3, 8], rule);
            let difference: f32 = (one - other).abs().max().into_scalar();
            assert!(difference < 1e-5, "{rule:?}: {difference}");
        }
    }

    #[test]
    fn rules_differ() {
        for (i, one) in ALL.iter().enumerate() {
            for other in &ALL[i + 1..] {
                let [one, other] = [one, other].map(|rule| rule.weights(7, 4));
                let pairs = one.iter().zip(&other);
                let difference = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(difference > 1e-3, "{difference}");
            }
        }
    }
}
