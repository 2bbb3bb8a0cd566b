//! Self-attention with one fused projection.

use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::DType;

use crate::Rotation;
use crate::kernel::packed_attention;
use crate::precision::linear;

/// Configuration of [`SelfAttention`].
#[derive(Config, Debug)]
pub struct SelfAttentionConfig {
    /// Number of input and output channels.
    pub d_model: usize,
    /// Number of heads; divides `d_model`.
    pub n_heads: usize,
    /// Whether the fused projection has a bias. Default: true
    #[config(default = true)]
    pub qkv_bias: bool,
    /// Whether queries and keys are normalised per head before the product (LayerNorm with affine
    /// parameters, epsilon 1e-5). Default: false
    #[config(default = false)]
    pub qk_norm: bool,
}

/// `proj(softmax(q k^T / sqrt(head_dim)) v)` over all tokens, without mask.
///
/// `qkv` is laid out as in DINO, DiT and timm: `[3, n_heads, head_dim]`. burn-nn's
/// `MultiHeadAttention` has three projections and computes the softmax by hand; this calls burn's fused
/// attention, which picks flash kernels on GPUs and is decomposed under autodiff.
#[derive(Module, Debug)]
pub struct SelfAttention {
    /// Queries, keys and values, from `d_model` to `3 d_model`.
    pub qkv: Linear,
    /// Norm of the queries of one head.
    pub q_norm: Option<LayerNorm>,
    /// Norm of the keys of one head.
    pub k_norm: Option<LayerNorm>,
    /// Output projection.
    pub proj: Linear,
    n_heads: usize,
}

impl SelfAttentionConfig {
    /// Initialises the layer.
    ///
    /// # Panics
    ///
    /// If `n_heads` does not divide `d_model`.
    pub fn init(&self, device: &Device) -> SelfAttention {
        let Self {
            d_model, n_heads, ..
        } = *self;
        assert!(
            n_heads > 0 && d_model % n_heads == 0,
            "{n_heads} heads do not divide {d_model} channels"
        );
        let norm = || {
            let config = LayerNormConfig::new(d_model / n_heads).with_epsilon(1e-5);
            self.qk_norm.then(|| config.init(device))
        };
        SelfAttention {
            qkv: LinearConfig::new(d_model, 3 * d_model)
                .with_bias(self.qkv_bias)
                .init(device),
            q_norm: norm(),
            k_norm: norm(),
            proj: LinearConfig::new(d_model, d_model).init(device),
            n_heads,
        }
    }
}

impl SelfAttention {
    /// Every token attends to every token.
    ///
    /// # Shapes
    ///
    /// - input and output: `[batch, tokens, d_model]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.attend(x, None)
    }

    /// As [`forward`](Self::forward), with queries and keys turned by the token's position.
    ///
    /// # Shapes
    ///
    /// - input and output: `[batch, tokens, d_model]`
    ///
    /// # Panics
    ///
    /// If `rotation` is for another number of tokens or another head size.
    pub fn forward_rotated(&self, x: Tensor<3>, rotation: &Rotation) -> Tensor<3> {
        let [_, tokens, width] = x.dims();
        rotation.assert_fits(tokens, width / self.n_heads);
        self.attend(x, Some(rotation))
    }

    fn attend(&self, x: Tensor<3>, rotation: Option<&Rotation>) -> Tensor<3> {
        let [batch, tokens, width] = x.dims();
        let qkv = linear(&self.qkv, x); // [batch, tokens, 3 d]
        let qkv = qkv.reshape([batch, tokens, 3, self.n_heads, width / self.n_heads]);
        let qkv = match (&self.q_norm, &self.k_norm) {
            (Some(q_norm), Some(k_norm)) => normalise(qkv, q_norm, k_norm),
            _ => qkv,
        };
        linear(&self.proj, packed_attention(qkv, rotation))
    }
}

/// Norms of queries and keys in f32, values as they are. qkv: `[batch, tokens, 3, heads, head_dim]`
fn normalise(qkv: Tensor<5>, q_norm: &LayerNorm, k_norm: &LayerNorm) -> Tensor<5> {
    let dtype = qkv.dtype();
    let part = |i| qkv.clone().narrow(2, i, 1);
    let normed = |norm: &LayerNorm, i| norm.forward(part(i).cast(DType::F32)).cast(dtype);
    Tensor::cat(vec![normed(q_norm, 0), normed(k_norm, 1), part(2)], 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};

    fn tokens(device: &Device) -> Tensor<3> {
        Tensor::random([2, 5, 12], Distribution::Normal(0.0, 1.0), device)
    }

    /// The textbook formula, one head at a time.
    fn by_hand(layer: &SelfAttention, x: Tensor<3>) -> Tensor<3> {
        let qkv = layer.qkv.forward(x);
        let heads = (0..3).map(|head| {
            let part = |i: usize| {
                let part = qkv.clone().narrow(2, i * 12 + head * 4, 4);
                match (i, &layer.q_norm, &layer.k_norm) {
                    (0, Some(norm), _) | (1, _, Some(norm)) => norm.forward(part),
                    _ => part,
                }
            };
            let scores = part(0).matmul(part(1).swap_dims(1, 2)) / 2.0;
            burn::tensor::activation::softmax(scores, 2).matmul(part(2))
        });
        layer.proj.forward(Tensor::cat(heads.collect(), 2))
    }

    #[test]
    fn attention_is_the_textbook_formula_with_and_without_norm() {
        let device = Default::default();
        for qk_norm in [false, true] {
            let config = SelfAttentionConfig::new(12, 3).with_qk_norm(qk_norm);
            let layer = config.init(&device);
            let x = tokens(&device);
            let expected = by_hand(&layer, x.clone()).into_data();
            let out = layer.forward(x).into_data();
            out.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-5));
        }
    }

    #[test]
    fn permuting_the_tokens_permutes_the_output() {
        let device = Default::default();
        let layer = SelfAttentionConfig::new(12, 3).init(&device);
        let x = tokens(&device);
        let expected = layer.forward(x.clone()).flip([1]).into_data();
        let out = layer.forward(x.flip([1])).into_data();
        out.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-5));
    }

    #[test]
    fn a_common_turn_of_all_tokens_changes_nothing() {
        // Scores depend on differences of positions only.
        let device = Default::default();
        let layer = SelfAttentionConfig::new(12, 3).init(&device);
        let x = tokens(&device);
        let turn = Rotation::from_angles(&[0.7; 10], 4, 0, &device);
        let expected = layer.forward(x.clone()).into_data();
        let out = layer.forward_rotated(x, &turn).into_data();
        out.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-5));
    }

    #[test]
    #[should_panic(expected = "5 heads do not divide 12 channels")]
    fn heads_must_divide_the_channels() {
        SelfAttentionConfig::new(12, 5).init(&Default::default());
    }
}
