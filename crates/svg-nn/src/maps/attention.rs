//! Attention between all positions of a map.

use burn::nn::GroupNorm;
use burn::nn::conv::Conv2d;
use burn::prelude::*;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;

use super::conv::{conv1x1, pointwise};
use super::norm::{group_norm, norm_only};

/// `x + proj_out(softmax(q k^T / sqrt(channels)) v)` with `q`, `k`, `v` of `norm(x)`: one head over all
/// positions, which have no order.
///
/// The four projections are convolutions of one pixel because the checkpoints have them so. They are
/// computed as the matrix products that they are, by burn's fused attention between them.
#[derive(Module, Debug)]
pub struct AttentionBlock {
    /// Before the projections.
    pub norm: GroupNorm,
    /// Queries.
    pub q: Conv2d,
    /// Keys.
    pub k: Conv2d,
    /// Values.
    pub v: Conv2d,
    /// Output projection.
    pub proj_out: Conv2d,
}

impl AttentionBlock {
    /// A block with PyTorch's default initialisation.
    pub fn new(channels: usize, groups: usize, device: &Device) -> Self {
        let projection = || conv1x1(channels, channels, device);
        Self {
            norm: group_norm(groups, channels, device),
            q: projection(),
            k: projection(),
            v: projection(),
            proj_out: projection(),
        }
    }

    /// Every position attends to every position.
    ///
    /// # Shapes
    ///
    /// - input and output: `[batch, channels, height, width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let shape = x.dims();
        let normed = norm_only(&self.norm, x.clone());
        let tokens = normed.flatten::<3>(2, 3).swap_dims(1, 2); // [batch, positions, channels]
        let project = |conv| pointwise(conv, tokens.clone()).unsqueeze_dim::<4>(1); // one head
        let (q, k, v) = (project(&self.q), project(&self.k), project(&self.v));
        // The scale is that of the head's size unless one is given, and the head is all channels.
        let attended = attention(q, k, v, None, None, AttentionModuleOptions::default());
        let attended = pointwise(&self.proj_out, attended.squeeze_dim::<3>(1));
        x + attended.swap_dims(1, 2).reshape(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::activation::softmax;
    use burn::tensor::{Distribution, Tolerance};

    fn map(device: &Device) -> Tensor<4> {
        Tensor::random([2, 4, 3, 5], Distribution::Normal(0.0, 1.0), device)
    }

    #[test]
    fn attention_is_the_formula_with_convolutions() {
        let device = Device::default();
        let block = AttentionBlock::new(4, 2, &device);
        let x = map(&device);
        let normed = block.norm.forward(x.clone());
        let part = |conv: &Conv2d| conv.forward(normed.clone()).flatten::<3>(2, 3);
        let scores = part(&block.q).swap_dims(1, 2).matmul(part(&block.k)) / 2.0; // sqrt(4)
        let mixed = part(&block.v).matmul(softmax(scores, 2).swap_dims(1, 2));
        let want = x.clone() + block.proj_out.forward(mixed.reshape([2, 4, 3, 5]));
        let got = block.forward(x).into_data();
        got.assert_approx_eq::<f32>(&want.into_data(), Tolerance::absolute(1e-5));
    }

    #[test]
    fn turning_the_map_over_turns_the_output_over() {
        let device = Device::default();
        let block = AttentionBlock::new(4, 2, &device);
        let x = map(&device);
        let want = block.forward(x.clone()).flip([2, 3]).into_data();
        let got = block.forward(x.flip([2, 3])).into_data();
        got.assert_approx_eq::<f32>(&want, Tolerance::absolute(1e-5));
    }
}
