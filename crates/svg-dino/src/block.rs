//! One pre-norm transformer block with LayerScale.

use burn::nn::{LayerNorm, LayerNormConfig};
use burn::prelude::*;
use svg_nn::{
    LayerScale, LayerScaleConfig, Mlp, MlpConfig, Rotation, SelfAttention, SelfAttentionConfig,
    SwiGluMlp, SwiGluMlpConfig,
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
}

impl Block {
    pub(crate) fn new(config: &DinoConfig, device: &Device) -> Self {
        let DinoConfig { d_model, d_ff, .. } = *config;
        let norm = LayerNormConfig::new(d_model).with_epsilon(config.norm_eps);
        let scale = LayerScaleConfig::new(d_model).with_initial(config.layer_scale);
        let attention =
            SelfAttentionConfig::new(d_model, config.n_heads).with_qkv_bias(config.qkv_bias);
        let mlp = match config.feed_forward {
            FeedForwardKind::Mlp => FeedForward::Mlp(MlpConfig::new(d_model, d_ff).init(device)),
            FeedForwardKind::SwiGlu => {
                FeedForward::SwiGlu(SwiGluMlpConfig::new(d_model, d_ff).init(device))
            }
        };
        Self {
            norm1: norm.init(device),
            attn: attention.init(device),
            ls1: scale.init(device),
            norm2: norm.init(device),
            mlp,
            ls2: scale.init(device),
        }
    }

    /// # Shapes
    ///
    /// - x and output: `[batch, tokens, d_model]`, f32: the branches may compute in a smaller type, the
    ///   sum never does
    pub fn forward(&self, x: Tensor<3>, rotation: &Rotation) -> Tensor<3> {
        let x = x.clone() + self.ls1.forward(self.attention(x, rotation));
        x.clone() + self.ls2.forward(self.feed_forward(x))
    }

    fn attention(&self, x: Tensor<3>, rotation: &Rotation) -> Tensor<3> {
        let dtype = x.dtype();
        let normed = self.norm1.forward(x);
        self.attn.forward_rotated(normed, rotation).cast(dtype)
    }

    fn feed_forward(&self, x: Tensor<3>) -> Tensor<3> {
        let dtype = x.dtype();
        self.mlp.forward(self.norm2.forward(x)).cast(dtype)
    }
}
