//! SigLIP's pooling: a learned query looks at all tokens.

use burn::module::Param;
use burn::nn::{Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::activation::softmax;
use svg_nn::{Mlp, layer_norm, linear, matmul};

use crate::block::{forward_plain, plain};
use crate::{Gelu, VitConfig};

/// `y = proj(attention(latent, x, x))`, then `y + mlp(norm(y))`.
#[derive(Module, Debug)]
pub struct AttentionPool {
    /// What asks, `[1, 1, d_model]`.
    pub latent: Param<Tensor<3>>,
    /// Query of the latent, keys and values of the tokens: from `d_model` to `3 d_model`.
    pub in_proj: Linear,
    /// After the attention.
    pub proj: Linear,
    /// Before the feed-forward layer.
    pub norm: LayerNorm,
    /// Two projections around a GELU.
    pub mlp: Mlp,
    n_heads: usize,
    norm_eps: f64,
    #[module(skip)]
    gelu: Gelu,
}

impl AttentionPool {
    pub(crate) fn new(config: &VitConfig, device: &Device) -> Self {
        let d_model = config.d_model;
        let norm = LayerNormConfig::new(d_model).with_epsilon(config.norm_eps);
        let latent = Initializer::Normal {
            mean: 0.0,
            std: (d_model as f64).powf(-0.5),
        };
        Self {
            latent: latent.init([1, 1, d_model], device),
            in_proj: LinearConfig::new(d_model, 3 * d_model).init(device),
            proj: LinearConfig::new(d_model, d_model).init(device),
            norm: norm.init(device),
            mlp: plain(config, device),
            n_heads: config.n_heads,
            norm_eps: config.norm_eps,
            gelu: config.gelu,
        }
    }

    /// One vector for each image.
    ///
    /// # Shapes
    ///
    /// - tokens: `[batch, tokens, d_model]`
    /// - output: `[batch, d_model]`
    pub fn forward(&self, tokens: Tensor<3>) -> Tensor<2> {
        let dtype = tokens.dtype();
        let [batch, count, width] = tokens.dims();
        let (heads, head) = (self.n_heads, width / self.n_heads);
        // As in the files, all three are one projection. Queries of the tokens are left, which costs a third of it.
        let query = linear(&self.in_proj, self.latent.val()).narrow(2, 0, width); // [1, 1, d]
        let both = linear(&self.in_proj, tokens).narrow(2, width, 2 * width); // [batch, tokens, 2 d]
        let query = query.reshape([1, 1, heads, head]).swap_dims(1, 2);
        let query = query.expand([batch, heads, 1, head]) * (head as f64).powf(-0.5);
        let part = |i: usize| {
            let part = both.clone().narrow(2, i * width, width);
            part.reshape([batch, count, heads, head]).swap_dims(1, 2) // [batch, heads, tokens, head]
        };
        let weights = softmax(matmul(query, part(0).swap_dims(2, 3)), 3);
        let pooled = matmul(weights, part(1)); // [batch, heads, 1, head]
        let pooled = pooled.swap_dims(1, 2).reshape([batch, 1, width]);
        let pooled = linear(&self.proj, pooled).cast(dtype);
        let normed = layer_norm(&self.norm, self.norm_eps, pooled.clone());
        let pooled = pooled + forward_plain(&self.mlp, self.gelu, normed).cast(dtype);
        pooled.squeeze_dim(1)
    }
}
