//! Pools of three by three pixels: three rows become one, and then three columns.

use rayon::prelude::*;

/// What is taken of each square.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The largest pixel.
    Largest,
    /// The mean of the pixels that there are.
    Mean,
    /// The mean of nine pixels, zeros beyond the border among them.
    MeanWithBorder,
}

/// Planes per task, at least: a small one is done in microseconds.
const PLANES: usize = 16;

/// Rows or columns of the output: one for each square of three that fits, with a border of `padding` pixels.
pub fn side(side: usize, stride: usize, padding: usize) -> usize {
    (side + 2 * padding - 3) / stride + 1
}

/// Every plane of `[height, width]` pixels pooled, with a border of at most one pixel.
pub fn pool(
    taken: Taken,
    x: &[f32],
    [height, width]: [usize; 2],
    stride: usize,
    padding: usize,
) -> Vec<f32> {
    let [rows, columns] = [height, width].map(|pixels| side(pixels, stride, padding));
    let planes = x.len() / (height * width);
    let mut y = vec![0.0f32; planes * rows * columns];
    let planes = y
        .par_chunks_mut(rows * columns)
        .zip(x.par_chunks(height * width));
    let planes = planes.with_min_len(PLANES);
    planes.for_each_init(
        || vec![0.0f32; width + 2 * padding],
        |line, (y, x)| {
            for (row, y) in y.chunks_exact_mut(columns).enumerate() {
                let first = (row * stride).saturating_sub(padding);
                let last = (row * stride + 2 - padding).min(height - 1);
                let lines =
                    [first, first + 1, last].map(|row| &x[row.min(last) * width..][..width]);
                match taken {
                    Taken::Largest => largest(lines, padding, stride, line, y),
                    _ => {
                        let count = last - first + 1;
                        let there = (taken == Taken::Mean).then_some(count);
                        mean(lines, count, there, padding, stride, line, y);
                    }
                }
            }
        },
    );
    y
}

#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

vectorised! {
    /// A row of the largest of three lines, one of which may be there twice.
    fn largest(lines: [&[f32]; 3], padding: usize, stride: usize, line: &mut [f32], y: &mut [f32]) {
        line.fill(f32::NEG_INFINITY);
        let [a, b, c] = lines;
        let inner = &mut line[padding..][..a.len()];
        for (i, most) in inner.iter_mut().enumerate() {
            *most = larger(larger(a[i], b[i]), c[i]);
        }
        match stride {
            1 => {
                let [a, b, c] = [0, 1, 2].map(|from| &line[from..][..y.len()]);
                for (i, y) in y.iter_mut().enumerate() {
                    *y = larger(larger(a[i], b[i]), c[i]);
                }
            }
            _ => {
                for (i, y) in y.iter_mut().enumerate() {
                    let three = &line[i * stride..][..3];
                    *y = larger(larger(three[0], three[1]), three[2]);
                }
            }
        }
    }

    /// A row of the means of `count` lines, each beside those that repeat the last; of so many pixels that are `there`
    /// in a column, or else of nine.
    fn mean(
        lines: [&[f32]; 3],
        count: usize,
        there: Option<usize>,
        padding: usize,
        stride: usize,
        line: &mut [f32],
        y: &mut [f32]
    ) {
        line.fill(0.0);
        let [a, b, c] = lines;
        let width = a.len();
        let inner = &mut line[padding..][..width];
        match count {
            1 => inner.copy_from_slice(a),
            2 => for (i, sum) in inner.iter_mut().enumerate() {
                *sum = a[i] + b[i];
            },
            _ => for (i, sum) in inner.iter_mut().enumerate() {
                *sum = a[i] + b[i] + c[i];
            },
        }
        let whole = 1.0 / (3 * there.unwrap_or(3)) as f32;
        match stride {
            1 => {
                let [a, b, c] = [0, 1, 2].map(|from| &line[from..][..y.len()]);
                for (i, y) in y.iter_mut().enumerate() {
                    *y = (a[i] + b[i] + c[i]) * whole;
                }
            }
            _ => {
                for (i, y) in y.iter_mut().enumerate() {
                    let three = &line[i * stride..][..3];
                    *y = (three[0] + three[1] + three[2]) * whole;
                }
            }
        }
        // At the border there are fewer columns.
        if let (Some(rows), 1) = (there, padding) {
            let last = y.len() - 1;
            for i in [0, last] {
                let first = (i * stride).saturating_sub(1);
                let columns = (i * stride + 1).min(width - 1) - first + 1;
                let sum: f32 = line[i * stride..][..3].iter().sum();
                y[i] = sum / (rows * columns) as f32;
            }
        }
    }
}
