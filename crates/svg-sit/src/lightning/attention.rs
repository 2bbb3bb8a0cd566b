//! Attention with turned queries and keys.

use burn::nn::{Linear, RmsNorm};
use burn::prelude::*;
use burn::tensor::DType;
use svg_nn::{Rotation, linear, packed_attention};

use super::{LightningConfig, norm};
use crate::init;

/// `proj(softmax(q k^T / sqrt(head_dim)) v)`, with queries and keys turned by the place of their token, and before that
/// normalised per head if the network does so.
///
/// `qkv` is laid out as `[3, n_heads, head_dim]`. Channels of queries and keys are ordered at loading so that those
/// of a pair, which files have side by side, are half a head apart.
#[derive(Module, Debug)]
pub struct LightningAttention {
    /// Queries, keys and values, from `d_model` to `3 d_model`.
    pub qkv: Linear,
    /// Norm of the queries of one head.
    pub q_norm: Option<RmsNorm>,
    /// Norm of the keys of one head.
    pub k_norm: Option<RmsNorm>,
    /// Output projection.
    pub proj: Linear,
    n_heads: usize,
}

impl LightningAttention {
    pub(super) fn new(config: &LightningConfig, device: &Device) -> Self {
        let LightningConfig {
            d_model, n_heads, ..
        } = *config;
        let norm = || {
            let norm = || norm::new(d_model / n_heads, device);
            config.qk_norm.then(norm)
        };
        Self {
            qkv: init::linear(d_model, 3 * d_model, init::xavier(), device),
            q_norm: norm(),
            k_norm: norm(),
            proj: init::linear(d_model, d_model, init::xavier(), device),
            n_heads,
        }
    }

    /// # Shapes
    ///
    /// - x and output: `[batch, tokens, d_model]`
    ///
    /// # Panics
    ///
    /// If `rotation` is for another number of tokens or another head size.
    pub fn forward(&self, x: Tensor<3>, rotation: &Rotation) -> Tensor<3> {
        let [batch, tokens, width] = x.dims();
        let qkv = linear(&self.qkv, x); // [batch, tokens, 3 d]
        let mut qkv = qkv.reshape([batch, tokens, 3, self.n_heads, width / self.n_heads]);
        if let (Some(queries), Some(keys)) = (&self.q_norm, &self.k_norm) {
            let dtype = qkv.dtype();
            let part = |i| qkv.clone().narrow(2, i, 1).cast(DType::F32);
            let [q, k, v] = [queries.forward(part(0)), keys.forward(part(1)), part(2)];
            qkv = Tensor::cat(vec![q, k, v], 2).cast(dtype);
        }
        linear(&self.proj, packed_attention(rotation.rotate_packed(qkv)))
    }
}
