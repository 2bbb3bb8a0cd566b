//! Patches as tokens.

use burn::nn::conv::Conv2d;
use burn::prelude::*;

/// What a convolution whose stride is its size makes of each patch, row by row; and the grid of patches, rows and
/// columns.
///
/// # Shapes
///
/// - x: `[batch, d_input, rows * size, columns * size]`
/// - output: `[batch, rows * columns, d_output]`
///
/// # Panics
///
/// If `x` has another number of channels, or a side is not a positive multiple of `size`.
pub fn patch_tokens(layer: &Conv2d, x: Tensor<4>) -> (Tensor<3>, [usize; 2]) {
    let (weight, [size, _]) = (layer.weight.val(), layer.kernel_size);
    let ([_, d_input, ..], [_, channels, height, width]) = (weight.dims(), x.dims());
    let whole = |side: usize| side >= size && side.is_multiple_of(size);
    assert!(
        channels == d_input && whole(height) && whole(width),
        "expected {d_input} channels and sides that are multiples of {size}, got {channels} channels \
         and {height} by {width} pixels"
    );
    let bias = layer.bias.as_ref().map(|bias| bias.val());
    let patches = svg_kernels::patch_conv(x, weight, bias); // [batch, d_output, rows, columns]
    let tokens = patches.flatten::<3>(2, 3).swap_dims(1, 2);
    (tokens, [height / size, width / size])
}
