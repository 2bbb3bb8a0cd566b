//! Eight rows of weights times up to forty-eight neighbouring pixels: where a convolution spends its time.

/// Rows of weights that are multiplied at once.
pub const ROWS: usize = 8;
/// Pixels of a vector.
pub const LANES: usize = 16;
/// Vectors of a panel, at most.
pub const VECTORS: usize = 3;
/// Pixels of a panel, at most.
pub const PANEL: usize = LANES * VECTORS;

/// `ROWS` sums for each of `PANEL` pixels.
pub type Sums = [f32; ROWS * PANEL];

/// Where the pixels lie that are multiplied with one weight after the other.
#[derive(Clone, Debug)]
pub struct Taps {
    offsets: Vec<usize>,
    furthest: usize,
}

impl Taps {
    /// From the first pixel of a panel, at least one.
    pub fn new(offsets: Vec<usize>) -> Self {
        let furthest = *offsets.iter().max().expect("at least one");
        Self { offsets, furthest }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }
}

/// `sums[row][lane] += sum over k of weights[k][row] * pixels[start + taps[k] + lane]`, for the lanes of so many
/// vectors, the terms in the order of `k`.
///
/// # Panics
///
/// If a pixel lies outside, or there are not [`ROWS`] weights for each tap.
pub fn multiply(
    weights: &[f32],
    taps: &Taps,
    pixels: &[f32],
    start: usize,
    vectors: usize,
    sums: &mut Sums,
) {
    let Taps { offsets, furthest } = taps;
    assert!(weights.len() == ROWS * offsets.len() && (1..=VECTORS).contains(&vectors));
    assert!(start + furthest + LANES * vectors <= pixels.len());
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            let pixels = &pixels[start..];
            // SAFETY: the processor has these instructions, and the loads lie inside, by the assertions.
            return unsafe {
                match vectors {
                    1 => x86::avx512::<1>(weights, offsets, pixels, sums),
                    2 => x86::avx512::<2>(weights, offsets, pixels, sums),
                    _ => x86::avx512::<3>(weights, offsets, pixels, sums),
                }
            };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            return unsafe { x86::avx2(weights, offsets, &pixels[start..], vectors, sums) };
        }
    }
    anywhere(weights, offsets, &pixels[start..], vectors, sums);
}

/// The same on every processor.
fn anywhere(weights: &[f32], offsets: &[usize], pixels: &[f32], vectors: usize, sums: &mut Sums) {
    for first in (0..LANES * vectors).step_by(LANES) {
        for half in (0..ROWS).step_by(4) {
            let place = |row: usize| (half + row) * PANEL + first;
            let mut parts = [[0.0f32; LANES]; 4];
            for (row, part) in parts.iter_mut().enumerate() {
                part.copy_from_slice(&sums[place(row)..][..LANES]);
            }
            for (weights, offset) in weights.chunks_exact(ROWS).zip(offsets) {
                let pixels: &[f32; LANES] = pixels[offset + first..][..LANES]
                    .try_into()
                    .expect("a slice of this length");
                for (part, weight) in parts.iter_mut().zip(&weights[half..]) {
                    for (sum, pixel) in part.iter_mut().zip(pixels) {
                        *sum += weight * pixel;
                    }
                }
            }
            for (row, part) in parts.iter().enumerate() {
                sums[place(row)..][..LANES].copy_from_slice(part);
            }
        }
    }
}

// Indices name registers: a row of weights and a vector of pixels.
#[cfg(target_arch = "x86_64")]
#[allow(clippy::needless_range_loop)]
mod x86 {
    use std::arch::x86_64::*;

    use super::{LANES, PANEL, ROWS, Sums};

    /// # Safety
    ///
    /// The processor has AVX-512, there are [`ROWS`] weights for each offset, and [`LANES`] pixels for each
    /// vector from each offset.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn avx512<const VECTORS: usize>(
        weights: &[f32],
        offsets: &[usize],
        pixels: &[f32],
        sums: &mut Sums,
    ) {
        let (weights, pixels, sums) = (weights.as_ptr(), pixels.as_ptr(), sums.as_mut_ptr());
        // SAFETY: the places of weights, pixels and sums are inside, by the caller's promise and the size of `Sums`.
        unsafe {
            let mut parts = [[_mm512_setzero_ps(); VECTORS]; ROWS];
            for row in 0..ROWS {
                for v in 0..VECTORS {
                    parts[row][v] = _mm512_loadu_ps(sums.add(row * PANEL + v * LANES));
                }
            }
            for (k, offset) in offsets.iter().enumerate() {
                let mut pixel = [_mm512_setzero_ps(); VECTORS];
                for (v, pixel) in pixel.iter_mut().enumerate() {
                    *pixel = _mm512_loadu_ps(pixels.add(offset + v * LANES));
                }
                for row in 0..ROWS {
                    let weight = _mm512_set1_ps(*weights.add(k * ROWS + row));
                    for v in 0..VECTORS {
                        parts[row][v] = _mm512_fmadd_ps(weight, pixel[v], parts[row][v]);
                    }
                }
            }
            for row in 0..ROWS {
                for v in 0..VECTORS {
                    _mm512_storeu_ps(sums.add(row * PANEL + v * LANES), parts[row][v]);
                }
            }
        }
    }

    /// # Safety
    ///
    /// The processor has AVX2 and FMA, and as [`avx512`].
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn avx2(
        weights: &[f32],
        offsets: &[usize],
        pixels: &[f32],
        vectors: usize,
        sums: &mut Sums,
    ) {
        const HALF: usize = ROWS / 2;
        const WIDTH: usize = LANES / 2;
        let (weights, pixels, sums) = (weights.as_ptr(), pixels.as_ptr(), sums.as_mut_ptr());
        for tile in 0..2 * vectors {
            let (first, half) = (tile / 2 * LANES, tile % 2 * HALF);
            // SAFETY: as in `avx512`.
            unsafe {
                let sums = sums.add(half * PANEL + first);
                let (weights, pixels) = (weights.add(half), pixels.add(first));
                let mut parts = [[_mm256_setzero_ps(); 2]; HALF];
                for row in 0..HALF {
                    for v in 0..2 {
                        parts[row][v] = _mm256_loadu_ps(sums.add(row * PANEL + v * WIDTH));
                    }
                }
                for (k, offset) in offsets.iter().enumerate() {
                    let left = _mm256_loadu_ps(pixels.add(*offset));
                    let right = _mm256_loadu_ps(pixels.add(offset + WIDTH));
                    for row in 0..HALF {
                        let weight = _mm256_set1_ps(*weights.add(k * ROWS + row));
                        parts[row][0] = _mm256_fmadd_ps(weight, left, parts[row][0]);
                        parts[row][1] = _mm256_fmadd_ps(weight, right, parts[row][1]);
                    }
                }
                for row in 0..HALF {
                    for v in 0..2 {
                        _mm256_storeu_ps(sums.add(row * PANEL + v * WIDTH), parts[row][v]);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_processor_has_the_same_sums() {
        let number = |i: usize| ((i * 7919 + 13) % 101) as f32 / 50.0 - 1.0;
        let depth = 37;
        let weights: Vec<_> = (0..ROWS * depth).map(number).collect();
        let pixels: Vec<_> = (0..600).map(|i| number(i + 5)).collect();
        let offsets: Vec<_> = (0..depth).map(|k| (k * 31) % 500).collect();
        for vectors in 1..=VECTORS {
            let mut want = [0.5; ROWS * PANEL];
            anywhere(&weights, &offsets, &pixels[3..], vectors, &mut want);
            let mut plain = [0.5f64; ROWS * PANEL];
            for (row, plain) in plain.chunks_exact_mut(PANEL).enumerate() {
                for (lane, sum) in plain[..LANES * vectors].iter_mut().enumerate() {
                    for (k, offset) in offsets.iter().enumerate() {
                        let (w, x) = (weights[k * ROWS + row], pixels[3 + offset + lane]);
                        *sum += f64::from(w) * f64::from(x);
                    }
                }
            }
            let mut got = [0.5; ROWS * PANEL];
            multiply(
                &weights,
                &Taps::new(offsets.clone()),
                &pixels,
                3,
                vectors,
                &mut got,
            );
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                let mut half = [0.5; ROWS * PANEL];
                // SAFETY: the processor can, and all offsets lie inside.
                unsafe { x86::avx2(&weights, &offsets, &pixels[3..], vectors, &mut half) };
                close(&half, &plain);
            }
            close(&want, &plain);
            close(&got, &plain);
        }
    }

    #[track_caller]
    fn close(got: &[f32], want: &[f64]) {
        for (got, want) in got.iter().zip(want) {
            assert!((f64::from(*got) - want).abs() < 1e-5, "{got}, {want}");
        }
    }

    #[test]
    #[should_panic(expected = "pixels.len()")]
    fn pixels_outside_panic() {
        multiply(
            &[0.0; ROWS],
            &Taps::new(vec![0]),
            &[0.0; 15],
            0,
            1,
            &mut [0.0; ROWS * PANEL],
        );
    }
}
