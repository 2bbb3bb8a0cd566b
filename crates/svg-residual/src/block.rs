//! One pre-norm transformer block with dropout.

use burn::nn::{
    Dropout, DropoutConfig, Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig,
};
use burn::prelude::*;
use burn::tensor::activation::softmax;
use svg_nn::{Activation, Mlp, MlpConfig, SelfAttention, SelfAttentionConfig, layer_norm, linear};

use crate::ResidualConfig;
use crate::model::NORM_EPS;

/// `x + attn(ln_1(x))`, then `x + mlp(ln_2(x))`, as in torchvision's vision transformer.
///
/// Dropout acts on the attention probabilities, on the hidden channels of the feed-forward layer and on
/// the output of both branches; it is active if the input is on an autodiff device and the block is
/// not frozen. The fused attention does not support dropout, so active dropout uses the decomposed form.
#[derive(Module, Debug)]
pub struct Block {
    /// Norm before the attention.
    pub ln_1: LayerNorm,
    /// Self-attention over all tokens.
    pub self_attention: SelfAttention,
    /// Norm before the feed-forward layer.
    pub ln_2: LayerNorm,
    /// Feed-forward layer with exact GELU.
    pub mlp: Mlp,
    /// Dropout in all four places.
    pub dropout: Dropout,
    n_heads: usize,
}

impl Block {
    pub(crate) fn new(config: &ResidualConfig, device: &Device) -> Self {
        let ResidualConfig { d_model, d_ff, .. } = *config;
        let norm = LayerNormConfig::new(d_model).with_epsilon(NORM_EPS);
        let mut self_attention = SelfAttentionConfig::new(d_model, config.n_heads).init(device);
        self_attention.qkv = xavier(d_model, 3 * d_model, Initializer::Zeros, device);
        self_attention.proj.bias = Some(Initializer::Zeros.init([d_model], device));
        let bias = Initializer::Normal {
            mean: 0.0,
            std: 1e-6,
        };
        let mut mlp = MlpConfig::new(d_model, d_ff).init(device);
        mlp.fc1 = xavier(d_model, d_ff, bias.clone(), device);
        mlp.fc2 = xavier(d_ff, d_model, bias, device);
        Self {
            ln_1: norm.init(device),
            self_attention,
            ln_2: norm.init(device),
            mlp,
            dropout: DropoutConfig::new(config.dropout).init(),
            n_heads: config.n_heads,
        }
    }

    /// Applies the block.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, tokens, d_model]`, f32; the branches may compute in a smaller type, the
    ///   residual sum never does
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = x.clone() + self.attention(x);
        x.clone() + self.feed_forward(x)
    }

    fn attention(&self, x: Tensor<3>) -> Tensor<3> {
        let dtype = x.dtype();
        let normed = layer_norm(&self.ln_1, NORM_EPS, x);
        let attended = match self.drops(&normed) {
            true => self.attend_dropping(normed),
            false => self.self_attention.forward(normed),
        };
        self.dropout.forward(attended).cast(dtype)
    }

    fn feed_forward(&self, x: Tensor<3>) -> Tensor<3> {
        let dtype = x.dtype();
        let normed = layer_norm(&self.ln_2, NORM_EPS, x);
        let out = match self.drops(&normed) {
            true => {
                let hidden = linear(&self.mlp.fc1, normed); // [batch, tokens, d_ff]
                let active = self.dropout.forward(Activation::Gelu.forward(hidden));
                linear(&self.mlp.fc2, active)
            }
            false => self.mlp.forward(normed),
        };
        self.dropout.forward(out).cast(dtype)
    }

    /// Whether [`Dropout`] would change `x`.
    fn drops(&self, x: &Tensor<3>) -> bool {
        self.dropout.prob > 0.0 && self.dropout.training.is_enabled() && x.device().is_autodiff()
    }

    /// `proj(dropout(softmax(q k^T / sqrt(head_dim))) v)`
    fn attend_dropping(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, tokens, width] = x.dims();
        let (heads, head_dim) = (self.n_heads, width / self.n_heads);
        let qkv = linear(&self.self_attention.qkv, x); // [batch, tokens, 3 d]
        let qkv = qkv.reshape([batch, tokens, 3, heads, head_dim]);
        let qkv = qkv.permute([2, 0, 3, 1, 4]); // [3, batch, heads, tokens, head_dim]
        let part = |i| qkv.clone().narrow(0, i, 1).squeeze_dim::<4>(0);
        let queries = part(0) * (head_dim as f64).powf(-0.5);
        let scores = queries.matmul(part(1).swap_dims(2, 3)); // [batch, heads, tokens, tokens]
        let out = self.dropout.forward(softmax(scores, 3)).matmul(part(2));
        let out = out.swap_dims(1, 2).reshape([batch, tokens, width]);
        linear(&self.self_attention.proj, out)
    }
}

/// A linear layer with a separate initialiser for the bias; the one in burn's configuration fills both.
fn xavier(inputs: usize, outputs: usize, bias: Initializer, device: &Device) -> Linear {
    let weight = Initializer::XavierUniform { gain: 1.0 };
    let config = LinearConfig::new(inputs, outputs).with_initializer(weight);
    let mut linear = config.init(device);
    linear.bias = Some(bias.init([outputs], device));
    linear
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::tiny;
    use burn::tensor::{Distribution, Tolerance};

    fn tokens(device: &Device) -> Tensor<3> {
        Tensor::random([2, 5, 16], Distribution::Normal(0.0, 1.0), device)
    }

    #[test]
    fn the_decomposed_form_equals_the_fused_one_if_nothing_is_dropped() {
        // No value is dropped at this probability, but the decomposed form is used.
        let device = Device::default().autodiff();
        let block = Block::new(&tiny().with_dropout(1e-12), &device);
        let x = tokens(&device);
        assert!(block.drops(&x));
        let expected = block.valid().forward(x.clone().inner()).into_data();
        let out = block.forward(x).into_data();
        out.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-5));
    }

    #[test]
    fn dropout_is_active_only_in_training() {
        let device = Device::default().autodiff();
        let block = Block::new(&tiny().with_dropout(0.5), &device);
        let x = tokens(&device);
        let once = || block.forward(x.clone()).into_data();
        assert!(once() != once(), "two passes dropped the same values");
        let (still, x) = (block.valid(), x.clone().inner());
        let once = || still.forward(x.clone()).into_data();
        once().assert_eq(&once(), true);
    }

    #[test]
    fn a_frozen_block_has_no_dropout() {
        let device = Device::default().autodiff();
        let block = Block::new(&tiny().with_dropout(0.5), &device).freeze();
        let x = tokens(&device);
        let once = || block.forward(x.clone()).into_data();
        once().assert_eq(&once(), true);
    }

    #[test]
    fn fused_projections_are_initialised_within_the_xavier_bound() {
        let block = Block::new(&tiny(), &Default::default());
        let largest = |tensor: Tensor<2>| tensor.abs().max().into_scalar::<f32>();
        let bound = (6.0f32 / (16.0 + 48.0)).sqrt();
        let qkv = largest(block.self_attention.qkv.weight.val());
        assert!(qkv <= bound && qkv > 0.8 * bound, "{qkv} of {bound}");
        let bias = |linear: &Linear| {
            let bias = linear.bias.as_ref().expect("the layer has a bias").val();
            bias.abs().max().into_scalar::<f32>()
        };
        assert_eq!(bias(&block.self_attention.qkv), 0.0);
        assert_eq!(bias(&block.self_attention.proj), 0.0);
        let drawn = bias(&block.mlp.fc1);
        assert!(drawn > 0.0 && drawn < 1e-5, "{drawn}");
    }
}
