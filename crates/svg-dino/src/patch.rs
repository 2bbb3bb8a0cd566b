//! Pixels to patch tokens.

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::prelude::*;
use svg_nn::ParameterGradients;

/// One linear map per patch: a convolution whose stride is its size, flattened row by row.
#[derive(Module, Debug)]
pub struct PatchEmbed {
    /// From 3 to `d_model` channels.
    pub proj: Conv2d,
}

impl PatchEmbed {
    pub(crate) fn new(patch_size: usize, d_model: usize, device: &Device) -> Self {
        let size = [patch_size, patch_size];
        Self {
            proj: Conv2dConfig::new([3, d_model], size)
                .with_stride(size)
                .init(device),
        }
    }

    /// # Shapes
    ///
    /// - pixels: `[batch, 3, rows * patch_size, columns * patch_size]`
    /// - output: `[batch, rows * columns, d_model]`
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        let patches = self.proj.forward(pixels); // [batch, d_model, rows, columns]
        patches.flatten::<3>(2, 3).swap_dims(1, 2) // [batch, patches, d_model]
    }

    /// Notes the gradients of filters and bias, given the one at the result. Every pixel is in one patch, so
    /// the filters' is a product of two matrices.
    ///
    /// # Shapes
    ///
    /// - pixels: as for [`forward`](Self::forward)
    /// - dy: `[batch, rows * columns, d_model]`
    pub(crate) fn backward(
        &self,
        pixels: Tensor<4>,
        dy: Tensor<3>,
        gradients: &mut ParameterGradients,
    ) {
        let filters = &self.proj.weight;
        let [d_model, channels, size, _] = filters.val().dims();
        let [batch, _, height, width] = pixels.dims();
        let (rows, columns) = (height / size, width / size);
        let dy = dy.reshape([batch * rows * columns, d_model]);
        if let Some(bias) = &self.proj.bias {
            let of_bias = dy.clone().sum_dim(0).reshape([d_model]);
            gradients.vectors.push((bias.id, of_bias));
        }
        let patches = pixels
            .reshape([batch, channels, rows, size, columns, size])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([batch * rows * columns, channels * size * size]);
        let of_filters = dy.transpose().matmul(patches);
        let of_filters = of_filters.reshape([d_model, channels, size, size]);
        gradients.kernels.push((filters.id, of_filters));
    }
}
