//! Convolutions of any size and stride, as products of weights and neighbouring pixels: see [`super::multiply`].
//!
//! An image is laid out so that the pixels which one weight meets lie one after the other: with its border of zeros,
//! and one plane for each of the positions between two strides. Nothing is gathered: a panel of outputs reads its
//! inputs where they lie, once for each weight. The price are the pixels between two rows, which are computed and
//! left out; of filters that are wider than high, the image is turned, since then no pixel lies between rows.
//!
//! A sum has its terms in the order of the weights, whatever is computed beside it: an image has the same values
//! alone, in any batch, and on any number of threads.

use std::ops::Range;

use rayon::prelude::*;

use super::multiply::{LANES, PANEL, ROWS, Sums, Taps, VECTORS, multiply};
use super::scratch::Scratch;
use super::target::Target;

/// Weights of one output that are multiplied in one pass: their pixels stay in the nearest cache.
const DEPTH: usize = 64;
/// Sums that one thread keeps.
const KEPT: usize = 1 << 16;
/// Groups of outputs of a task, where there are few panels.
const GROUPS: usize = 8;

/// A filter's size, its steps, and the border of zeros, each for rows and for columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns of a filter.
    pub filter: [usize; 2],
    /// Rows and columns from one output to the next.
    pub stride: [usize; 2],
    /// Zeros on each side.
    pub padding: [usize; 2],
}

/// The sizes of the operands.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Images.
    pub batch: usize,
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the output.
    pub outputs: usize,
    /// Rows and columns of the input.
    pub image: [usize; 2],
    /// How it is seen.
    pub window: Window,
}

impl Sizes {
    /// Rows and columns of the output.
    ///
    /// # Panics
    ///
    /// If the filter is larger than the image with its border.
    pub fn output(&self) -> [usize; 2] {
        let Window {
            filter,
            stride,
            padding,
        } = self.window;
        std::array::from_fn(|axis| {
            let side = self.image[axis] + 2 * padding[axis];
            assert!(
                filter[axis] <= side,
                "a filter of {filter:?} in an image of {:?}",
                self.image
            );
            (side - filter[axis]) / stride[axis] + 1
        })
    }

    /// Rows and columns exchanged.
    fn turned(self) -> Self {
        let turn = |[rows, columns]: [usize; 2]| [columns, rows];
        let Window {
            filter,
            stride,
            padding,
        } = self.window;
        Self {
            image: turn(self.image),
            window: Window {
                filter: turn(filter),
                stride: turn(stride),
                padding: turn(padding),
            },
            ..self
        }
    }
}

/// `y = weight * x + bias`, `[batch, outputs, rows, columns]`, and its positive part if it is `rectified`.
pub fn convolve(
    sizes: Sizes,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    rectified: bool,
) -> Vec<f32> {
    let is_turned = sizes.window.padding[1] > sizes.window.padding[0];
    let plan = Plan::new(if is_turned { sizes.turned() } else { sizes }, is_turned);
    let weights = plan.grouped(weight);
    let [rows, columns] = sizes.output();
    let (seen, pixels) = (
        sizes.inputs * sizes.image[0] * sizes.image[1],
        rows * columns,
    );
    let mut y = vec![0.0f32; sizes.batch * sizes.outputs * pixels];
    let scratch = Scratch::default();
    let images = y
        .par_chunks_mut(sizes.outputs * pixels)
        .zip(x.par_chunks(seen));
    images.for_each(|(y, x)| {
        let laid_out = plan.needs_copy().then(|| plan.lay_out(x, &scratch));
        let x = laid_out.as_deref().unwrap_or(x);
        plan.image(
            x,
            &weights,
            bias,
            rectified,
            Target::new(y),
            sizes.batch,
            &scratch,
        );
        if is_turned {
            y.par_chunks_mut(pixels).with_min_len(16).for_each(|plane| {
                let turned = scratch_copy(plane, &scratch);
                for (row, line) in plane.chunks_exact_mut(columns).enumerate() {
                    for (column, pixel) in line.iter_mut().enumerate() {
                        *pixel = turned[column * rows + row];
                    }
                }
            });
        }
    });
    y
}

fn scratch_copy<'a>(plane: &[f32], scratch: &'a Scratch) -> super::scratch::Lent<'a> {
    let mut copy = scratch.take(plane.len());
    copy.copy_from_slice(plane);
    copy
}

/// What is the same for all images.
struct Plan {
    sizes: Sizes,
    /// Whether images are turned when they are laid out.
    is_turned: bool,
    /// Rows and columns of a plane of the layout.
    plane: [usize; 2],
    /// [`DEPTH`] at a time.
    taps: Vec<Taps>,
    panels: Vec<Panel>,
}

/// Neighbouring outputs that are computed at once.
struct Panel {
    /// The first, counted in rows of the layout.
    start: usize,
    vectors: usize,
    /// Those that are outputs and not computed by an earlier panel, and where they go in a plane of the output.
    runs: Vec<(Range<usize>, usize)>,
}

impl Plan {
    fn new(sizes: Sizes, is_turned: bool) -> Self {
        let Window {
            filter,
            stride,
            padding,
        } = sizes.window;
        let plane: [usize; 2] = std::array::from_fn(|axis| {
            (sizes.image[axis] + 2 * padding[axis]).div_ceil(stride[axis])
        });
        let pixels = plane[0] * plane[1];
        let mut offsets = Vec::with_capacity(sizes.inputs * filter[0] * filter[1]);
        for input in 0..sizes.inputs {
            for row in 0..filter[0] {
                for column in 0..filter[1] {
                    let phase =
                        (input * stride[0] + row % stride[0]) * stride[1] + column % stride[1];
                    let place = row / stride[0] * plane[1] + column / stride[1];
                    offsets.push(phase * pixels + place);
                }
            }
        }
        let taps = offsets.chunks(DEPTH).map(|chunk| Taps::new(chunk.to_vec()));
        Self {
            taps: taps.collect(),
            panels: panels(sizes.output(), plane[1]),
            sizes,
            is_turned,
            plane,
        }
    }

    /// Numbers of an image as it is laid out; a few more, if a panel is wider than the image.
    fn laid_out_len(&self) -> usize {
        let Window { stride, .. } = self.sizes.window;
        let planes = self.sizes.inputs * stride[0] * stride[1];
        planes * self.plane[0] * self.plane[1] + if self.is_small() { PANEL } else { 0 }
    }

    fn is_small(&self) -> bool {
        let [rows, columns] = self.sizes.output();
        (rows - 1) * self.plane[1] + columns < PANEL
    }

    fn needs_copy(&self) -> bool {
        let Window {
            stride, padding, ..
        } = self.sizes.window;
        stride != [1, 1] || padding != [0, 0] || self.is_small()
    }

    /// An image with its border, cut into the planes of the strides.
    fn lay_out<'a>(&self, x: &[f32], scratch: &'a Scratch) -> super::scratch::Lent<'a> {
        let Window {
            stride, padding, ..
        } = self.sizes.window;
        let [height, width] = self.sizes.image;
        let [rows, columns] = self.plane;
        let mut out = scratch.take(self.laid_out_len());
        let channels = out.par_chunks_mut(stride[0] * stride[1] * rows * columns);
        let channels = channels.with_min_len(8).enumerate();
        channels.for_each(|(channel, out)| {
            out.fill(0.0);
            let Some(x) = x.get(channel * height * width..(channel + 1) * height * width) else {
                return;
            };
            for row in 0..height {
                let (to, phase) = (
                    (row + padding[0]) / stride[0],
                    (row + padding[0]) % stride[0],
                );
                let out = &mut out[(phase * stride[1] * rows + to) * columns..];
                match (stride[1], self.is_turned) {
                    (1, false) => {
                        let line = &x[row * width..][..width];
                        out[padding[1]..][..width].copy_from_slice(line);
                    }
                    (step, turned) => {
                        for column in 0..width {
                            let (to, phase) =
                                ((column + padding[1]) / step, (column + padding[1]) % step);
                            let from = match turned {
                                true => column * height + row,
                                false => row * width + column,
                            };
                            out[phase * rows * columns + to] = x[from];
                        }
                    }
                }
            }
        });
        out
    }

    /// Weights as they are multiplied: of each pass, of each group of [`ROWS`] outputs, those for one tap side by
    /// side. Outputs that there are not have zeros.
    fn grouped(&self, weight: &[f32]) -> Vec<f32> {
        let (outputs, groups) = (self.sizes.outputs, self.groups());
        let depth: usize = self.taps.iter().map(Taps::len).sum();
        let filter = self.sizes.window.filter;
        // The taps of a turned image go through a filter by columns.
        let place = |k: usize| match self.is_turned {
            true => {
                let (input, within) = (k / (filter[0] * filter[1]), k % (filter[0] * filter[1]));
                let (row, column) = (within / filter[1], within % filter[1]);
                (input * filter[1] + column) * filter[0] + row
            }
            false => k,
        };
        let mut out = vec![0.0f32; depth * groups * ROWS];
        let mut rest = out.as_mut_slice();
        let mut first = 0;
        for taps in &self.taps {
            let (pass, after) = rest.split_at_mut(taps.len() * groups * ROWS);
            let chunks = pass.par_chunks_mut(taps.len() * ROWS).enumerate();
            chunks.for_each(|(group, out)| {
                for (row, output) in (group * ROWS..outputs.min((group + 1) * ROWS)).enumerate() {
                    let weight = &weight[output * depth..][..depth];
                    for (k, out) in out.chunks_exact_mut(ROWS).enumerate() {
                        out[row] = weight[place(first + k)];
                    }
                }
            });
            rest = after;
            first += taps.len();
        }
        out
    }

    fn groups(&self) -> usize {
        self.sizes.outputs.div_ceil(ROWS)
    }

    /// One image, on all threads.
    #[allow(clippy::too_many_arguments)]
    fn image(
        &self,
        x: &[f32],
        weights: &[f32],
        bias: Option<&[f32]>,
        rectified: bool,
        y: Target,
        batch: usize,
        scratch: &Scratch,
    ) {
        let groups = self.groups();
        let threads = rayon::current_num_threads();
        let panels = (KEPT / (groups * ROWS * PANEL)).clamp(1, self.panels.len());
        let few = batch * self.panels.len().div_ceil(panels) < 4 * threads;
        let step = if few { GROUPS.min(groups) } else { groups };
        let parts = groups.div_ceil(step);
        let tasks = self.panels.len().div_ceil(panels) * parts;
        (0..tasks).into_par_iter().for_each(|task| {
            let first = task / parts * panels;
            let panels = &self.panels[first..self.panels.len().min(first + panels)];
            let first = task % parts * step;
            let some = first..groups.min(first + step);
            let mut sums = scratch.take(panels.len() * some.len() * ROWS * PANEL);
            self.sums(x, weights, bias, panels, some.clone(), &mut sums);
            let all = sums.chunks_exact(some.len() * ROWS * PANEL);
            for (panel, sums) in panels.iter().zip(all) {
                let outputs = some.start * ROWS..self.sizes.outputs.min(some.end * ROWS);
                for (output, sums) in outputs.zip(sums.chunks_exact(PANEL)) {
                    self.write(panel, output, sums, rectified, y);
                }
            }
        });
    }

    /// Of some panels, the sums of some groups of outputs.
    fn sums(
        &self,
        x: &[f32],
        weights: &[f32],
        bias: Option<&[f32]>,
        panels: &[Panel],
        groups: Range<usize>,
        sums: &mut [f32],
    ) {
        for (row, sums) in sums.chunks_exact_mut(PANEL).enumerate() {
            let output = groups.start * ROWS + row % (groups.len() * ROWS);
            sums.fill(
                bias.and_then(|bias| bias.get(output))
                    .copied()
                    .unwrap_or(0.0),
            );
        }
        let mut rest = weights;
        for taps in &self.taps {
            let (pass, after) = rest.split_at(taps.len() * self.groups() * ROWS);
            rest = after;
            let of_groups = &pass[groups.start * taps.len() * ROWS..];
            let all = sums.chunks_exact_mut(groups.len() * ROWS * PANEL);
            for (panel, sums) in panels.iter().zip(all) {
                let of_groups = of_groups.chunks_exact(taps.len() * ROWS);
                let (tiles, _) = sums.as_chunks_mut::<{ ROWS * PANEL }>();
                for (weights, sums) in of_groups.zip(tiles) {
                    let sums: &mut Sums = sums;
                    multiply(weights, taps, x, panel.start, panel.vectors, sums);
                }
            }
        }
    }

    fn write(&self, panel: &Panel, output: usize, sums: &[f32], rectified: bool, y: Target) {
        let [rows, columns] = self.sizes.output();
        for (lanes, to) in &panel.runs {
            // SAFETY: no other panel has these outputs, by the runs, and no other task this panel and this channel.
            let y = unsafe { y.slice(output * rows * columns + to, lanes.len()) };
            let sums = &sums[lanes.clone()];
            match rectified {
                true => {
                    for (y, sum) in y.iter_mut().zip(sums) {
                        *y = if *sum < 0.0 { 0.0 } else { *sum };
                    }
                }
                false => y.copy_from_slice(sums),
            }
        }
    }
}

/// The outputs of a plane whose rows lie `pitch` apart. The last panel ends with the last output.
fn panels([rows, columns]: [usize; 2], pitch: usize) -> Vec<Panel> {
    let count = (rows - 1) * pitch + columns;
    let starts = (0..count).step_by(PANEL);
    let panel = |from: usize| {
        let vectors = (count - from).div_ceil(LANES).min(VECTORS);
        let start = from.min(count.saturating_sub(LANES * vectors));
        let end = count.min(start + LANES * vectors);
        let runs = (from / pitch..=(end - 1) / pitch).filter_map(|row| {
            let begin = (row * pitch).max(from);
            let stop = (row * pitch + columns).min(end);
            let to = || row * columns + begin - row * pitch;
            (begin < stop).then(|| (begin - start..stop - start, to()))
        });
        Panel {
            start,
            vectors,
            runs: runs.collect(),
        }
    };
    starts.map(panel).collect()
}
