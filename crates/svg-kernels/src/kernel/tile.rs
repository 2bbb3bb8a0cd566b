//! The linear maps of Winograd's minimal filtering F(2x2, 3x3), on many tiles at once.
//!
//! A tile is two by two pixels of an image, seen with its border as four by four. With
//!
//! ```text
//!       1  0 -1  0          1    0    0
//! B^T = 0  1  1  0    G =  1/2  1/2  1/2    A^T = 1  1  1  0
//!       0 -1  1  0         1/2 -1/2  1/2          0  1 -1  1
//!       0 -1  0  1          0    0    1
//! ```
//!
//! the two by two pixels of a convolution are `A^T [(G g G^T) * (B^T d B)] A`, where `g` is the filter,
//! `d` the tile with its border and `*` the product of elements: 16 multiplications instead of 36. Seen
//! as a function of `g`, the transpose of the same maps gives the gradient at the filter from the one at
//! the image (Lavin and Gray, arXiv 1509.09308).

use std::ops::Range;

/// The tiles of an image of any size; those at the right and the bottom may hang over.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// Of the image, in pixels.
    pub height: usize,
    /// Of the image, in pixels.
    pub width: usize,
}

impl Grid {
    /// Rows of tiles.
    pub fn rows(&self) -> usize {
        self.height.div_ceil(2)
    }

    /// Tiles in a row.
    pub fn columns(&self) -> usize {
        self.width.div_ceil(2)
    }

    /// Pixels of one channel.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }
}

/// One channel of every image of a batch, and some rows of its tiles, counted through the batch.
#[derive(Clone, Debug)]
pub struct Band {
    /// How one image is cut.
    pub grid: Grid,
    /// Rows of tiles, counted from the first of the first image.
    pub rows: Range<usize>,
    /// Channels of an image.
    pub channels: usize,
    /// The channel in question.
    pub channel: usize,
}

impl Band {
    /// Tiles of the band.
    pub fn tiles(&self) -> usize {
        self.rows.len() * self.grid.columns()
    }

    /// For each row of tiles, where its channel begins and its first row of pixels in there.
    pub fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        let (grid, channels, channel) = (self.grid, self.channels, self.channel);
        self.rows.clone().map(move |row| {
            let (image, row) = (row / grid.rows(), row % grid.rows());
            ((image * channels + channel) * grid.pixels(), 2 * row)
        })
    }

    /// The `offset`-th row of pixels of every row of tiles, its even pixels and then its odd ones.
    #[inline(always)]
    fn split(&self, image: &[f32], offset: isize, even: &mut [f32], odd: &mut [f32]) {
        let (columns, width) = (self.grid.columns(), self.grid.width);
        let targets = even.chunks_exact_mut(columns);
        let targets = targets.zip(odd.chunks_exact_mut(columns));
        for ((start, row), (even, odd)) in self.places().zip(targets) {
            let row = row.wrapping_add_signed(offset);
            if row >= self.grid.height {
                even.fill(0.0);
                odd.fill(0.0);
                continue;
            }
            let line = &image[start + row * width..][..width];
            for ((even, odd), pair) in even
                .iter_mut()
                .zip(odd.iter_mut())
                .zip(line.chunks_exact(2))
            {
                *even = pair[0];
                *odd = pair[1];
            }
            if width % 2 == 1 {
                even[columns - 1] = line[width - 1];
                odd[columns - 1] = 0.0;
            }
        }
    }
}

/// Numbers of working memory that the maps of one band need for each tile.
pub const WORK: usize = 16;

vectorised! {
    /// `B^T d B` of a band of an image: 16 slices with one number for each tile. `work` has
    /// [`WORK`] numbers for each tile.
    pub fn image_tiles(band: &Band, image: &[f32], work: &mut [f32], out: &mut [&mut [f32]; 16]) {
        let tiles = band.tiles();
        let columns = band.grid.columns();
        let (lines, sums) = work[..WORK * tiles].split_at_mut(8 * tiles);
        for (i, pair) in lines.chunks_exact_mut(2 * tiles).enumerate() {
            let (even, odd) = pair.split_at_mut(tiles);
            band.split(image, i as isize - 1, even, odd);
        }
        // The four rows of B^T, on both halves of the pixels at once.
        let line = |i: usize| &lines[2 * i * tiles..2 * (i + 1) * tiles];
        let mut rows = sums.chunks_exact_mut(2 * tiles);
        let mut row = || rows.next().expect("four rows");
        difference(line(0), line(2), row());
        sum(line(1), line(2), row());
        difference(line(2), line(1), row());
        difference(line(3), line(1), row());
        // The border puts a pixel before the first, so the even ones stand second and fourth.
        for (pair, out) in sums.chunks_exact(2 * tiles).zip(out.chunks_exact_mut(4)) {
            let (even, odd) = pair.split_at(tiles);
            let [first, second, third, fourth] = out else { unreachable!() };
            difference(&odd[..tiles - 1], &odd[1..], &mut first[1..]);
            sum(even, odd, second);
            difference(odd, even, third);
            difference(&even[1..], &even[..tiles - 1], fourth);
            for start in (0..tiles).step_by(columns) {
                first[start] = -odd[start];
                fourth[start + columns - 1] = -even[start + columns - 1];
            }
        }
    }

    /// `A dy A^T` of a band of the gradient at an image.
    pub fn gradient_tiles(
        band: &Band,
        image: &[f32],
        work: &mut [f32],
        out: &mut [&mut [f32]; 16]
    ) {
        let tiles = band.tiles();
        let (lines, sums) = work[..8 * tiles].split_at_mut(4 * tiles);
        for (i, pair) in lines.chunks_exact_mut(2 * tiles).enumerate() {
            let (even, odd) = pair.split_at_mut(tiles);
            band.split(image, i as isize, even, odd);
        }
        let (upper, lower) = lines.split_at(2 * tiles);
        let (both, apart) = sums.split_at_mut(2 * tiles);
        sum(upper, lower, both);
        difference(upper, lower, apart);
        for (pair, out) in [upper, both, apart, lower].into_iter().zip(out.chunks_exact_mut(4)) {
            let (even, odd) = pair.split_at(tiles);
            let [first, second, third, fourth] = out else { unreachable!() };
            first.copy_from_slice(even);
            sum(even, odd, second);
            difference(even, odd, third);
            fourth.copy_from_slice(odd);
        }
    }

    /// `A^T m A + bias` of 16 slices with one number for each tile, into the lines of a band of an
    /// image: two for each row of tiles, the second empty where the tile hangs over. `work` has
    /// [`WORK`] numbers for each tile.
    pub fn pixels(
        grid: Grid,
        products: [&[f32]; 16],
        bias: f32,
        work: &mut [f32],
        lines: &mut [&mut [f32]]
    ) {
        let columns = grid.columns();
        let tiles = lines.len() / 2 * columns;
        let (sums, halves) = work[..12 * tiles].split_at_mut(8 * tiles);
        for (j, sums) in sums.chunks_exact_mut(2 * tiles).enumerate() {
            let (upper, lower) = sums.split_at_mut(tiles);
            let [first, second, third, fourth] =
                [0, 1, 2, 3].map(|i| &products[4 * i + j][..tiles]);
            for t in 0..tiles {
                upper[t] = first[t] + second[t] + third[t];
            }
            for t in 0..tiles {
                lower[t] = second[t] - third[t] + fourth[t];
            }
        }
        let [first, second, third, fourth] =
            [0, 1, 2, 3].map(|j| &sums[2 * j * tiles..2 * (j + 1) * tiles]);
        let (even, odd) = halves.split_at_mut(2 * tiles);
        for t in 0..2 * tiles {
            even[t] = first[t] + second[t] + third[t] + bias;
        }
        for t in 0..2 * tiles {
            odd[t] = second[t] - third[t] + fourth[t] + bias;
        }
        for (i, line) in lines.iter_mut().enumerate() {
            let at = i % 2 * tiles + i / 2 * columns;
            let (even, odd) = (&even[at..at + columns], &odd[at..at + columns]);
            for ((even, odd), pair) in even.iter().zip(odd).zip(line.chunks_exact_mut(2)) {
                pair[0] = *even;
                pair[1] = *odd;
            }
            if line.len() % 2 == 1 {
                line[columns * 2 - 2] = even[columns - 1];
            }
        }
    }
}

/// Filters for one pass of a loop.
const LANES: usize = 16;

vectorised! {
    /// `G g G^T` of a row of filters, nine numbers each: 16 slices with one number for each filter.
    pub fn filter_tiles(filters: &[f32], out: &mut [&mut [f32]; 16]) {
        let count = filters.len() / 9;
        for start in (0..count).step_by(LANES) {
            let lanes = LANES.min(count - start);
            let mut g = [[0.0f32; LANES]; 9];
            let some = &filters[9 * start..9 * (start + lanes)];
            for (lane, filter) in some.chunks_exact(9).enumerate() {
                for (g, value) in g.iter_mut().zip(filter) {
                    g[lane] = *value;
                }
            }
            let mut rows = [[[0.0f32; LANES]; 3]; 4];
            for j in 0..3 {
                let column = spread([g[j], g[3 + j], g[6 + j]]);
                for i in 0..4 {
                    rows[i][j] = column[i];
                }
            }
            for (i, row) in rows.into_iter().enumerate() {
                for (j, value) in spread(row).into_iter().enumerate() {
                    out[4 * i + j][start..start + lanes].copy_from_slice(&value[..lanes]);
                }
            }
        }
    }

    /// `G^T s G` of 16 slices with one number for each filter: a row of filters, nine numbers each.
    pub fn filters(sums: [&[f32]; 16], out: &mut [f32]) {
        let count = out.len() / 9;
        for start in (0..count).step_by(LANES) {
            let lanes = LANES.min(count - start);
            let mut rows = [[[0.0f32; LANES]; 4]; 3];
            for j in 0..4 {
                let mut column = [[0.0f32; LANES]; 4];
                for (i, column) in column.iter_mut().enumerate() {
                    column[..lanes].copy_from_slice(&sums[4 * i + j][start..start + lanes]);
                }
                let column = gathered(column);
                for i in 0..3 {
                    rows[i][j] = column[i];
                }
            }
            let g = rows.map(gathered);
            let some = &mut out[9 * start..9 * (start + lanes)];
            for (lane, filter) in some.chunks_exact_mut(9).enumerate() {
                for (value, g) in filter.iter_mut().zip(g.as_flattened()) {
                    *value = g[lane];
                }
            }
        }
    }
}

/// `G` of three numbers.
#[inline(always)]
fn spread([a, b, c]: [[f32; LANES]; 3]) -> [[f32; LANES]; 4] {
    let mut out = [a, b, b, c];
    for l in 0..LANES {
        let outer = (a[l] + c[l]) * 0.5;
        out[1][l] = outer + b[l] * 0.5;
        out[2][l] = outer - b[l] * 0.5;
    }
    out
}

/// `G^T` of four numbers.
#[inline(always)]
fn gathered([a, b, c, d]: [[f32; LANES]; 4]) -> [[f32; LANES]; 3] {
    let mut out = [a, b, d];
    for l in 0..LANES {
        let outer = (b[l] + c[l]) * 0.5;
        out[0][l] += outer;
        out[1][l] = (b[l] - c[l]) * 0.5;
        out[2][l] += outer;
    }
    out
}

#[inline(always)]
fn sum(left: &[f32], right: &[f32], out: &mut [f32]) {
    for ((out, left), right) in out.iter_mut().zip(left).zip(right) {
        *out = left + right;
    }
}

#[inline(always)]
fn difference(left: &[f32], right: &[f32], out: &mut [f32]) {
    for ((out, left), right) in out.iter_mut().zip(left).zip(right) {
        *out = left - right;
    }
}
