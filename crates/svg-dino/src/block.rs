//! One pre-norm transformer block with LayerScale.

use burn::nn::{LayerNorm, LayerNormConfig};
use burn::prelude::*;
use svg_nn::{
    LayerScale, LayerScaleConfig, Mlp, MlpConfig, Rotation, SelfAttention, SelfAttentionConfig,
    SwiGluMlp, SwiGluMlpConfig, layer_norm,
};

use crate::{DinoConfig, FeedForwardKind};

/// The feed-forward layer of a block.
#[derive(Module, Debug)]
pub enum FeedForward {
    /// Two projections around an exact GELU.
    Mlp(Mlp),
    /// Three projections, one of them gating another.
    SwiGlu(SwiGluMlp),
}

impl FeedForward {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Mlp(mlp) => mlp.forward(x),
            Self::SwiGlu(mlp) => mlp.forward(x),
        }
    }
}

/// `x + ls1(attn(norm1(x)))`, then `x + ls2(mlp(norm2(x)))`.
#[derive(Module, Debug)]
pub struct Block {
    /// Before the attention.
    pub norm1: LayerNorm,
    /// All tokens to all tokens, patches rotated by their position.
    pub attn: SelfAttention,
    /// After the attention.
    pub ls1: LayerScale,
    /// Before the feed-forward layer.
    pub norm2: LayerNorm,
    /// Each token by itself.
    pub mlp: FeedForward,
    /// After the feed-forward layer.
    pub ls2: LayerScale,
    norm_eps: f64,
}

impl Block {
    pub(crate) fn new(config: &DinoConfig, device: &Device) -> Self {
        let DinoConfig { d_model, d_ff, .. } = *config;
        let norm = LayerNormConfig::new(d_model).with_epsilon(config.norm_eps);
        let scale = LayerScaleConfig::new(d_model).with_initial(config.layer_scale);
        let attention = SelfAttentionConfig::new(d_model, config.n_heads)
            .with_qkv_bias(config.qkv_bias)
            .with_learned_key_bias(false);
        let mlp = match config.feed_forward {
            FeedForwardKind::Mlp => FeedForward::Mlp(MlpConfig::new(d_model, d_ff).init(device)),
            FeedForwardKind::SwiGlu => {
                FeedForward::SwiGlu(SwiGluMlpConfig::new(d_model, d_ff).init(device))
            }
        };
        Self {
            norm1: norm.init(device),
            attn: without_key_bias(attention.init(device), d_model),
            ls1: scale.init(device),
            norm2: norm.init(device),
            mlp,
            ls2: scale.init(device),
            norm_eps: config.norm_eps,
        }
    }

    /// # Shapes
    ///
    /// - x and output: `[batch, tokens, d_model]`, f32: the branches may compute in a smaller type, the
    ///   sum never does
    pub fn forward(&self, x: Tensor<3>, rotation: &Rotation) -> Tensor<3> {
        let x = self.ls1.add(x.clone(), self.attention(x, rotation));
        self.ls2.add(x.clone(), self.feed_forward(x))
    }

    fn attention(&self, x: Tensor<3>, rotation: &Rotation) -> Tensor<3> {
        let dtype = x.dtype();
        let normed = layer_norm(&self.norm1, self.norm_eps, x);
        self.attn.forward_rotated(normed, rotation).cast(dtype)
    }

    fn feed_forward(&self, x: Tensor<3>) -> Tensor<3> {
        let dtype = x.dtype();
        let normed = layer_norm(&self.norm2, self.norm_eps, x);
        self.mlp.forward(normed).cast(dtype)
    }
}

/// The middle third of the fused bias is zero in every DINOv3, and no file has it. Keys are turned by their
/// position, so another bias would not cancel in the softmax. It is not learned.
fn without_key_bias(mut attention: SelfAttention, d_model: usize) -> SelfAttention {
    let silent = move |bias: Tensor<1>| bias.slice_fill(s![d_model..2 * d_model], 0.0);
    attention.qkv.bias = attention.qkv.bias.map(|bias| bias.init_mapper(silent));
    attention
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_drawn_without_a_bias_and_queries_and_values_with_one() {
        let config = DinoConfig::new(16, 1, 2, 32);
        let block = Block::new(&config, &Device::default());
        let bias = block.attn.qkv.bias.unwrap().val();
        let longest = |part: usize| -> f32 {
            let part = bias.clone().narrow(0, 16 * part, 16);
            part.abs().max().into_scalar()
        };
        assert!(longest(0) > 0.01 && longest(2) > 0.01);
        assert_eq!(longest(1), 0.0);
    }
}
