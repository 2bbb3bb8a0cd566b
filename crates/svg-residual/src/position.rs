//! Interpolation of learned positions.

use burn::prelude::*;
use burn::tensor::TensorData;

/// Resamples positions of a square grid to another grid by bicubic interpolation.
///
/// The convention is that of PyTorch's `interpolate` with `mode="bicubic"`, `align_corners=False`:
/// pixel centres at half integers, cubic convolution with `a = -3/4` (Keys, 1981), edges repeated. It is
/// computed as two matrix products, which are differentiable on every device; on the native grid the
/// matrices are identities.
///
/// # Shapes
///
/// - positions: `[1, side * side, d_model]`, row by row
/// - output: `[1, rows * columns, d_model]`
pub(crate) fn resample(
    positions: Tensor<3>,
    side: usize,
    [rows, columns]: [usize; 2],
) -> Tensor<3> {
    let [_, _, width] = positions.dims();
    let device = positions.device();
    let along = |to| {
        let data = TensorData::new(taps(side, to), [to, side]);
        Tensor::<2>::from_data(data, &device)
    };
    let tall = positions.reshape([side, side * width]);
    let tall = svg_nn::matmul(along(rows), tall).reshape([rows, side, width]);
    let wide = tall.swap_dims(0, 1).reshape([side, rows * width]);
    let wide = svg_nn::matmul(along(columns), wide).reshape([columns, rows, width]);
    wide.swap_dims(0, 1).reshape([1, rows * columns, width])
}

/// Interpolation weights of `from` positions for each of `to` positions, `[to, from]`.
fn taps(from: usize, to: usize) -> Vec<f32> {
    let mut weights = vec![0.0; to * from];
    for (i, row) in weights.chunks_exact_mut(from).enumerate() {
        let centre = (i as f64 + 0.5) * from as f64 / to as f64 - 0.5;
        let first = centre.floor() as isize - 1;
        for source in first..first + 4 {
            let clamped = source.clamp(0, from as isize - 1) as usize;
            row[clamped] += cubic((centre - source as f64).abs());
        }
    }
    weights.into_iter().map(|weight| weight as f32).collect()
}

/// Kernel of the cubic convolution, for distances of at most 2.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.75;
    match x {
        x if x <= 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x => ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::module::interpolate;
    use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
    use burn::tensor::{Distribution, Tolerance};

    fn positions(side: usize) -> Tensor<3> {
        let device = Device::default();
        Tensor::random([1, side * side, 3], Distribution::Normal(0.0, 1.0), &device)
    }

    #[test]
    fn the_native_grid_keeps_the_learned_positions() {
        let learned = positions(5);
        let out = resample(learned.clone(), 5, [5, 5]).into_data();
        out.assert_eq(&learned.into_data(), true);
    }

    #[test]
    fn constant_positions_stay_constant() {
        let ones = Tensor::ones([1, 16, 2], &Default::default());
        let out = resample(ones, 4, [7, 3]);
        let off: f32 = (out - 1.0).abs().max().into_scalar();
        assert!(off < 1e-6, "{off}");
    }

    #[test]
    fn resampling_equals_burns_bicubic_interpolation() {
        let options = InterpolateOptions::new(InterpolateMode::Bicubic).with_align_corners(false);
        for grid in [[7, 4], [3, 9], [4, 4], [1, 11]] {
            let learned = positions(4);
            let image = learned.clone().swap_dims(1, 2).reshape([1, 3, 4, 4]);
            let expected = interpolate(image, options.clone().with_output_size(grid));
            let expected = expected.flatten::<3>(2, 3).swap_dims(1, 2).into_data();
            let out = resample(learned, 4, grid).into_data();
            out.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-5));
        }
    }
}
