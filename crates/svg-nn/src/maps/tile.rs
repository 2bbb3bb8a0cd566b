//! Large grids, piece by piece.

use std::ops::Range;

use burn::prelude::*;
use burn::tensor::TensorData;

/// How a grid is cut into overlapping tiles, in cells of the grid.
///
/// Tiles are squares of `tile` cells, spread evenly so that neighbours share at least `overlap` cells.
/// Along an axis that is shorter than a tile there is one tile, of the axis' length.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub struct Tiling {
    /// Side of a tile.
    pub tile: usize,
    /// Cells that neighbouring tiles share at least; smaller than `tile`. Without any, seams show.
    pub overlap: usize,
}

/// One tile along one axis: the cells it covers, and the weight of each of its pixels.
#[derive(Debug)]
struct Span {
    cells: Range<usize>,
    weights: Vec<f32>,
}

impl Span {
    /// The pixels that the tile becomes.
    fn pixels(&self, upsampling: usize) -> Range<usize> {
        self.cells.start * upsampling..self.cells.end * upsampling
    }

    /// The weights, along the given axis of a map.
    fn weights(&self, axis: usize, device: &Device) -> Tensor<4> {
        let mut shape = [1; 4];
        shape[axis] = self.weights.len();
        Tensor::from_data(TensorData::new(self.weights.clone(), shape), device)
    }
}

impl Tiling {
    /// The tiles along an axis of so many cells; their weights sum to one at every pixel.
    fn spans(self, cells: usize, upsampling: usize) -> Vec<Span> {
        let slack = cells.saturating_sub(self.tile);
        let gaps = slack.div_ceil(self.tile - self.overlap);
        let starts = (0..=gaps).map(|index| index * slack / gaps.max(1));
        let tiles = starts.map(|start| start..cells.min(start + self.tile));
        let tiles: Vec<_> = tiles.collect();
        let shared = |a: usize, b: usize| match (tiles.get(a), tiles.get(b)) {
            (Some(a), Some(b)) => (a.end - b.start) * upsampling,
            _ => 0,
        };
        let ramps = tiles.iter().enumerate().map(|(i, tile)| {
            let (before, after) = (shared(i.wrapping_sub(1), i), shared(i, i + 1));
            ramp(tile.len() * upsampling, before, after)
        });
        let ramps: Vec<_> = ramps.collect();
        // More than two tiles share a pixel if the overlap is more than half a tile.
        let mut total = vec![0.0; cells * upsampling];
        for (tile, ramp) in tiles.iter().zip(&ramps) {
            let under = total[tile.start * upsampling..].iter_mut();
            under.zip(ramp).for_each(|(sum, weight)| *sum += weight);
        }
        let normalise = |(cells, ramp): (Range<usize>, Vec<f64>)| {
            let under = &total[cells.start * upsampling..];
            let weights = ramp.iter().zip(under).map(|(w, sum)| (w / sum) as f32);
            let weights = weights.collect();
            Span { cells, weights }
        };
        tiles.into_iter().zip(ramps).map(normalise).collect()
    }
}

/// Weights that rise over `before` pixels, stay at one and fall over the last `after`.
fn ramp(length: usize, before: usize, after: usize) -> Vec<f64> {
    let rise = |distance: usize, over: usize| match over {
        0 => 1.0,
        _ => ((distance as f64 + 0.5) / over as f64).min(1.0),
    };
    (0..length)
        .map(|at| rise(at, before).min(rise(length - 1 - at, after)))
        .collect()
}

/// Decodes a map tile by tile. Where tiles overlap, the result is their mean, weighted by the distance to
/// their borders.
/// A map that fits into one tile is decoded as a whole.
///
/// # Shapes
///
/// - map: `[batch, channels, rows, columns]`
/// - what `decode` makes of a part of it: `[batch, _, upsampling * rows, upsampling * columns]`
///
/// # Panics
///
/// If the overlap is not smaller than the tile.
pub fn blend(
    map: Tensor<4>,
    tiling: Tiling,
    upsampling: usize,
    decode: &dyn Fn(Tensor<4>) -> Tensor<4>,
) -> Tensor<4> {
    let Tiling { tile, overlap } = tiling;
    assert!(
        overlap < tile,
        "tiles of {tile} cells cannot overlap by {overlap}"
    );
    let [_, _, rows, columns] = map.dims();
    if rows <= tile && columns <= tile {
        return decode(map);
    }
    let across = tiling.spans(columns, upsampling);
    let mut canvas = None;
    for row in tiling.spans(rows, upsampling) {
        for column in &across {
            let part = s![.., .., row.cells.clone(), column.cells.clone()];
            let piece = decode(map.clone().slice(part));
            let device = piece.device();
            let piece = piece * row.weights(2, &device) * column.weights(3, &device);
            let [batch, channels, ..] = piece.dims();
            let size = [batch, channels, rows * upsampling, columns * upsampling];
            let whole = canvas.unwrap_or_else(|| Tensor::<4>::zeros(size, &device));
            let area = s![.., .., row.pixels(upsampling), column.pixels(upsampling)];
            let sum = whole.clone().slice(area) + piece;
            canvas = Some(whole.slice_assign(area, sum));
        }
    }
    canvas.expect("every axis has a tile")
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};

    const TILINGS: [(usize, usize); 6] = [(4, 0), (4, 1), (4, 3), (5, 2), (7, 3), (1, 0)];

    #[test]
    fn tiles_cover_the_axis_and_share_what_was_asked() {
        for (tile, overlap) in TILINGS {
            for cells in 1..30 {
                let spans = Tiling::new(tile, overlap).spans(cells, 2);
                assert_eq!(spans[0].cells.start, 0);
                assert_eq!(spans.last().unwrap().cells.end, cells);
                for pair in spans.windows(2) {
                    let [left, right] = [&pair[0].cells, &pair[1].cells];
                    assert_eq!([left.len(), right.len()], [tile; 2]);
                    assert!(left.start < right.start && left.end >= right.start + overlap);
                }
            }
        }
    }

    #[test]
    fn weights_are_positive_and_sum_to_one_at_every_pixel() {
        for (tile, overlap) in TILINGS {
            for cells in 1..30 {
                let mut total = vec![0.0; cells * 3];
                for span in Tiling::new(tile, overlap).spans(cells, 3) {
                    assert!(span.weights.iter().all(|weight| *weight > 0.0));
                    for (pixel, weight) in span.pixels(3).zip(&span.weights) {
                        total[pixel] += weight;
                    }
                }
                let off = total.iter().map(|sum| (sum - 1.0f32).abs());
                assert!(off.fold(0.0, f32::max) < 1e-6, "{tile} {overlap} {cells}");
            }
        }
    }

    /// What sees one cell only does not notice that it is tiled.
    #[test]
    fn a_local_function_is_blended_to_the_same_map() {
        let device = Device::default();
        let map = Tensor::<4>::random([2, 3, 11, 6], Distribution::Normal(0.0, 1.0), &device);
        let double = |map: Tensor<4>| {
            let [batch, channels, rows, columns] = map.dims();
            map.reshape([batch, channels, rows, 1, columns, 1])
                .repeat(&[1, 1, 1, 2, 1, 2])
                .reshape([batch, channels, 2 * rows, 2 * columns])
                .tanh()
        };
        let want = double(map.clone()).into_data();
        for (tile, overlap) in TILINGS {
            let got = blend(map.clone(), Tiling::new(tile, overlap), 2, &double).into_data();
            got.assert_approx_eq::<f32>(&want, Tolerance::absolute(1e-6));
        }
    }

    /// However much two tiles disagree, the difference is spread over all the pixels that they share.
    #[test]
    fn tiles_that_disagree_meet_in_a_ramp() {
        let device = Device::default();
        let map = Tensor::<4>::zeros([1, 1, 1, 6], &device);
        let calls = std::cell::Cell::new(0.0);
        let count = |map: Tensor<4>| {
            calls.set(calls.get() + 1.0);
            map.repeat(&[1, 1, 2, 2]) + calls.get()
        };
        let whole = blend(map, Tiling::new(4, 2), 2, &count);
        let row: Vec<f32> = whole.into_data().try_to_vec().unwrap();
        let ramp = [1.125, 1.375, 1.625, 1.875];
        let want = [&[1.0; 4][..], &ramp, &[2.0; 4]].concat().repeat(2);
        assert_eq!(row, want);
    }

    #[test]
    #[should_panic(expected = "tiles of 4 cells cannot overlap by 4")]
    fn an_overlap_of_the_whole_tile_panics() {
        let map = Tensor::zeros([1, 1, 8, 8], &Default::default());
        blend(map, Tiling::new(4, 4), 1, &|map| map);
    }
}
