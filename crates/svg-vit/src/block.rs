//! One pre-norm transformer block.

use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::activation::sigmoid;
use svg_nn::{
    LayerScale, LayerScaleConfig, Mlp, MlpConfig, SelfAttention, SelfAttentionConfig, layer_norm,
    linear,
};

use crate::{Family, Gelu, VitConfig};

/// The plain feed-forward layer of a configuration.
pub(crate) fn plain(config: &VitConfig, device: &Device) -> Mlp {
    MlpConfig::new(config.d_model, config.d_ff)
        .with_approximate_gelu(config.gelu == Gelu::Tanh)
        .init(device)
}

/// `fc2(gelu(fc1(x)))`
///
/// # Shapes
///
/// - x and output: `[batch, tokens, d_model]`
pub(crate) fn forward_plain(mlp: &Mlp, gelu: Gelu, x: Tensor<3>) -> Tensor<3> {
    match gelu {
        Gelu::Exact | Gelu::Tanh => mlp.forward(x),
        Gelu::Quick => {
            let hidden = linear(&mlp.fc1, x); // [batch, tokens, d_ff]
            let gate = sigmoid(hidden.clone() * 1.702);
            linear(&mlp.fc2, hidden * gate)
        }
    }
}

/// `w3(silu(a) * b)` with `[a, b] = w12(x)`, all with bias.
#[derive(Module, Debug)]
pub struct Gated {
    /// Gate and what it multiplies, from `d_model` to `2 d_ff`.
    pub w12: Linear,
    /// Back to `d_model`.
    pub w3: Linear,
}

impl Gated {
    fn new(config: &VitConfig, device: &Device) -> Self {
        let VitConfig { d_model, d_ff, .. } = *config;
        Self {
            w12: LinearConfig::new(d_model, 2 * d_ff).init(device),
            w3: LinearConfig::new(d_ff, d_model).init(device),
        }
    }

    /// # Shapes
    ///
    /// - x and output: `[batch, tokens, d_model]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let hidden = linear(&self.w12, x); // [batch, tokens, 2 d_ff]
        let [gate, value] = halves(hidden);
        let gate = gate.clone() * sigmoid(gate);
        linear(&self.w3, gate * value)
    }
}

/// Both halves of the channels.
fn halves(x: Tensor<3>) -> [Tensor<3>; 2] {
    let [_, _, width] = x.dims();
    [0, 1].map(|half| x.clone().narrow(2, half * width / 2, width / 2))
}

/// The feed-forward layer of a block.
#[derive(Module, Debug)]
pub enum FeedForward {
    /// Two projections around a GELU.
    Plain(Mlp),
    /// DINOv2's giant.
    Gated(Gated),
}

/// `x + ls1(attn(norm1(x)))`, then `x + ls2(mlp(norm2(x)))`; factors are DINOv2's alone.
#[derive(Module, Debug)]
pub struct Block {
    /// Before the attention.
    pub norm1: LayerNorm,
    /// All tokens to all tokens.
    pub attn: SelfAttention,
    /// After the attention.
    pub ls1: Option<LayerScale>,
    /// Before the feed-forward layer.
    pub norm2: LayerNorm,
    /// Each token by itself.
    pub mlp: FeedForward,
    /// After the feed-forward layer.
    pub ls2: Option<LayerScale>,
    norm_eps: f64,
    #[module(skip)]
    gelu: Gelu,
}

impl Block {
    pub(crate) fn new(config: &VitConfig, device: &Device) -> Self {
        let d_model = config.d_model;
        let norm = LayerNormConfig::new(d_model).with_epsilon(config.norm_eps);
        let scale = || {
            let scale = LayerScaleConfig::new(d_model).with_initial(1.0);
            (config.family == Family::Dinov2).then(|| scale.init(device))
        };
        Self {
            norm1: norm.init(device),
            attn: SelfAttentionConfig::new(d_model, config.n_heads).init(device),
            ls1: scale(),
            norm2: norm.init(device),
            mlp: match config.gated {
                true => FeedForward::Gated(Gated::new(config, device)),
                false => FeedForward::Plain(plain(config, device)),
            },
            ls2: scale(),
            norm_eps: config.norm_eps,
            gelu: config.gelu,
        }
    }

    /// # Shapes
    ///
    /// - x and output: `[batch, tokens, d_model]`, f32: the branches may compute in a smaller type, the sum never does
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = add(&self.ls1, x.clone(), self.attention(x));
        add(&self.ls2, x.clone(), self.feed_forward(x))
    }

    fn attention(&self, x: Tensor<3>) -> Tensor<3> {
        let dtype = x.dtype();
        let normed = layer_norm(&self.norm1, self.norm_eps, x);
        self.attn.forward(normed).cast(dtype)
    }

    fn feed_forward(&self, x: Tensor<3>) -> Tensor<3> {
        let dtype = x.dtype();
        let normed = layer_norm(&self.norm2, self.norm_eps, x);
        match &self.mlp {
            FeedForward::Plain(mlp) => forward_plain(mlp, self.gelu, normed),
            FeedForward::Gated(mlp) => mlp.forward(normed),
        }
        .cast(dtype)
    }
}

/// The sum with a branch that has factors or none.
fn add(scale: &Option<LayerScale>, x: Tensor<3>, branch: Tensor<3>) -> Tensor<3> {
    match scale {
        Some(scale) => scale.add(x, branch),
        None => x + branch,
    }
}
