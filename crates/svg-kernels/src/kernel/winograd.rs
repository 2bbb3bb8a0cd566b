//! Three by three convolutions with many channels, by minimal filtering: see [`super::tile`].
//!
//! An image is cut into bands of tiles, whose transforms and products stay in the caches. For each of
//! the 16 numbers of a tile there is one matrix product of channels with channels, over all tiles of the
//! band; that is where the time should go, and a good matrix product is what there is.

use std::ops::Range;

use rayon::prelude::*;

use super::matrix::Matrix;
use super::planes::Planes;
use super::scratch::Scratch;
use super::target::Target;
pub use super::tile::Grid;
use super::tile::{self, Band, WORK};

/// Channels that one thread multiplies at a time.
const BLOCK: usize = 128;
/// The same where there is one band only: more tasks, and filters that stay in the nearer cache.
const SMALL_BLOCK: usize = 32;
/// Tiles of a band, if a row of tiles is not more already.
const TILES: usize = 128;
/// Tiles of a band whose products are added up in a matrix of all channels, which is expensive to read.
const TILES_SUMMED: usize = 256;

/// A convolution of stride one with a border of one zero: the sizes of its operands.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Images.
    pub batch: usize,
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the output.
    pub outputs: usize,
    /// Of an image.
    pub grid: Grid,
}

impl Sizes {
    /// Bands of about so many tiles.
    fn bands(&self, tiles: usize) -> Vec<Range<usize>> {
        let rows = self.batch * self.grid.rows();
        let step = (tiles / self.grid.columns()).max(1);
        let starts = (0..rows).step_by(step);
        starts.map(|start| start..rows.min(start + step)).collect()
    }
}

/// Which way the filters are read.
#[derive(Clone, Copy, Debug)]
pub enum Direction {
    /// From inputs to outputs.
    Forward,
    /// From the gradient at the outputs to the one at the inputs: turned by half, channels exchanged.
    Backward,
}

/// `y = weight * x + bias`, `[batch, outputs, height, width]`; backward, the gradient at the input, given the one at
/// the output for `x`.
pub fn convolve(
    sizes: Sizes,
    direction: Direction,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let grid = sizes.grid;
    let (from, to) = match direction {
        Direction::Forward => (sizes.inputs, sizes.outputs),
        Direction::Backward => (sizes.outputs, sizes.inputs),
    };
    let mut y = vec![0.0f32; sizes.batch * to * grid.pixels()];
    let target = Target::new(&mut y);
    let bands = sizes.bands(TILES);
    let step = if bands.len() > 1 { BLOCK } else { SMALL_BLOCK };
    let blocks: Vec<_> = (0..to).step_by(step).collect();
    let block = |start: usize| start..to.min(start + step);
    let scratch = Scratch::default();
    let filters = |start| Filters::new(sizes, direction, block(start), weight, &scratch);
    // One band reads each block of filters once: then they need not leave the cache.
    let shared: Option<Vec<Filters>> =
        (bands.len() > 1).then(|| blocks.par_iter().map(|start| filters(*start)).collect());

    bands.into_par_iter().for_each(|rows| {
        let band = |channels, channel| Band {
            grid,
            rows: rows.clone(),
            channels,
            channel,
        };
        let tiles = band(from, 0).tiles();
        let seen = transformed(from, tiles, &scratch, |channel, work, out| {
            tile::image_tiles(&band(from, channel), x, work, out);
        });
        blocks.par_iter().enumerate().for_each(|(index, start)| {
            let own = shared.is_none().then(|| filters(*start));
            let filters = own
                .as_ref()
                .or_else(|| shared.as_ref().map(|all| &all[index]));
            let filters = filters.expect("one or the other");
            let channels = block(*start);
            let mut products = Planes::new(channels.len(), tiles, &scratch);
            for plane in 0..16 {
                let right = seen.matrix(plane);
                filters
                    .matrix(plane)
                    .multiply(right, products.plane_mut(plane), false);
            }
            let mut work = scratch.take(WORK * tiles);
            for (row, channel) in channels.enumerate() {
                // SAFETY: a channel of a band is this task's alone.
                let mut lines = unsafe { lines(&band(to, channel), target) };
                let bias = bias.map_or(0.0, |bias| bias[channel]);
                tile::pixels(grid, products.row(row), bias, &mut work, &mut lines);
            }
        });
    });
    y
}

/// Two lines of pixels for each row of tiles, the second empty where the tiles hang over.
///
/// # Safety
///
/// Nobody else has these lines.
unsafe fn lines<'a>(band: &Band, image: Target<'a>) -> Vec<&'a mut [f32]> {
    let Grid { height, width } = band.grid;
    let line = |start: usize, row: usize| {
        let len = if row < height { width } else { 0 };
        // SAFETY: the caller's promise.
        unsafe { image.slice(start + row.min(height - 1) * width, len) }
    };
    let pairs = band
        .places()
        .map(|(start, row)| [line(start, row), line(start, row + 1)]);
    pairs.flatten().collect()
}

/// The gradient at the filters, `[outputs, inputs, 3, 3]`, given the one at the output.
pub fn weight_gradient(sizes: Sizes, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let (inputs, outputs) = (sizes.inputs, sizes.outputs);
    let scratch = Scratch::default();
    let mut sums = Planes::new(outputs, inputs, &scratch);
    for (index, rows) in sizes.bands(TILES_SUMMED).into_iter().enumerate() {
        let band = |channels, channel| Band {
            grid: sizes.grid,
            rows: rows.clone(),
            channels,
            channel,
        };
        let tiles = band(inputs, 0).tiles();
        let (seen, pulled) = rayon::join(
            || {
                transformed(inputs, tiles, &scratch, |channel, work, out| {
                    tile::image_tiles(&band(inputs, channel), x, work, out);
                })
            },
            || {
                transformed(outputs, tiles, &scratch, |channel, work, out| {
                    tile::gradient_tiles(&band(outputs, channel), dy, work, out);
                })
            },
        );
        let shared = sums.shared();
        let blocks = outputs.div_ceil(BLOCK);
        (0..16 * blocks).into_par_iter().for_each(|task| {
            let (plane, first) = (task / blocks, task % blocks * BLOCK);
            let rows = BLOCK.min(outputs - first);
            // SAFETY: these rows of this plane are this task's alone.
            let sums = unsafe { shared.rows(plane, first, rows) };
            let left = pulled.some_rows(plane, first, rows);
            left.multiply(seen.matrix(plane).transposed(), sums, index > 0);
        });
    }
    let mut gradient = vec![0.0f32; outputs * inputs * 9];
    let rows = gradient.par_chunks_mut(inputs * 9).enumerate();
    rows.for_each(|(row, filters)| tile::filters(sums.row(row), filters));
    gradient
}

/// Every channel of a band, as 16 planes of `[channels, tiles]`.
fn transformed<'a>(
    channels: usize,
    tiles: usize,
    scratch: &'a Scratch,
    transform: impl Fn(usize, &mut [f32], &mut [&mut [f32]; 16]) + Sync,
) -> Planes<'a> {
    let mut planes = Planes::new(channels, tiles, scratch);
    let shared = planes.shared();
    let channels = (0..channels).into_par_iter().with_min_len(8);
    channels.for_each_init(
        || scratch.take(WORK * tiles),
        |work, channel| {
            // SAFETY: the rows of a channel are this task's alone.
            let mut out = unsafe { shared.row(channel) };
            transform(channel, work, &mut out);
        },
    );
    planes
}

/// Transformed filters of some of the channels that a convolution yields.
struct Filters<'a> {
    direction: Direction,
    planes: Planes<'a>,
}

impl<'a> Filters<'a> {
    fn new(
        sizes: Sizes,
        direction: Direction,
        block: Range<usize>,
        weight: &[f32],
        scratch: &'a Scratch,
    ) -> Self {
        let (rows, columns) = match direction {
            Direction::Forward => (block, 0..sizes.inputs),
            Direction::Backward => (0..sizes.outputs, block),
        };
        let mut planes = Planes::new(rows.len(), columns.len(), scratch);
        let shared = planes.shared();
        for (row, output) in rows.enumerate() {
            let start = output * sizes.inputs;
            let filters = &weight[9 * (start + columns.start)..9 * (start + columns.end)];
            // SAFETY: one row at a time.
            tile::filter_tiles(filters, &mut unsafe { shared.row(row) });
        }
        Self { direction, planes }
    }

    /// From the channels that a convolution reads to those that it yields.
    fn matrix(&self, plane: usize) -> Matrix<'_> {
        match self.direction {
            Direction::Forward => self.planes.matrix(plane),
            // To turn a filter exchanges the first and the last row of its transform, and columns.
            Direction::Backward => {
                let turned = |i: usize| [3, 1, 2, 0][i];
                let plane = 4 * turned(plane / 4) + turned(plane % 4);
                self.planes.matrix(plane).transposed()
            }
        }
    }
}
