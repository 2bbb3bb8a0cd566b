//! Self-attention with one fused projection.

use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::prelude::*;

use svg_kernels::{normalise_heads, packed_attention};

use crate::Rotation;
use crate::linear::{linear, parameters};

/// Epsilon of the norms of queries and keys.
const QK_NORM_EPS: f64 = 1e-5;

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
    /// Whether the part of the keys in the bias of the fused projection is learned. DINOv3 keeps it at zero.
    /// Default: true
    #[config(default = true)]
    pub learned_key_bias: bool,
}

/// `proj(softmax(q k^T / sqrt(head_dim)) v)` over all tokens, without mask.
///
/// `qkv` is laid out as in DINO, DiT and timm: `[3, n_heads, head_dim]`. burn-nn's
/// `MultiHeadAttention` has three projections and computes the softmax by hand; this calls
/// [`packed_attention`].
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
    learned_key_bias: bool,
}

impl SelfAttentionConfig {
    /// Initialises the layer.
    ///
    /// # Panics
    ///
    /// If `n_heads` does not divide `d_model`.
    pub fn init(&self, device: &Device) -> SelfAttention {
        let (d_model, n_heads) = (self.d_model, self.n_heads);
        assert!(
            n_heads > 0 && d_model % n_heads == 0,
            "{n_heads} heads do not divide {d_model} channels"
        );
        let norm = || {
            let config = LayerNormConfig::new(d_model / n_heads).with_epsilon(QK_NORM_EPS);
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
            learned_key_bias: self.learned_key_bias,
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
        let (weight, bias) = parameters(&self.qkv);
        let bias = bias.map(|bias| self.learned(bias));
        let qkv = svg_kernels::linear(x.cast(weight.dtype()), weight, bias); // [batch, tokens, 3 d]
        let mut qkv = qkv.reshape([batch, tokens, 3, self.n_heads, width / self.n_heads]);
        if let (Some(queries), Some(keys)) = (&self.q_norm, &self.k_norm) {
            let [queries, keys] = [queries, keys].map(affine);
            qkv = normalise_heads(qkv, queries, keys, QK_NORM_EPS);
        }
        if let Some(rotation) = rotation {
            qkv = rotation.rotate_packed(qkv);
        }
        linear(&self.proj, packed_attention(qkv))
    }

    /// The bias of the fused projection, of which a graph sees the part of the keys as a constant if it is
    /// one.
    fn learned(&self, bias: Tensor<1>) -> Tensor<1> {
        if self.learned_key_bias || !bias.is_tracked() {
            return bias;
        }
        let third = bias.dims()[0] / 3;
        let part = |i| bias.clone().narrow(0, i * third, third);
        Tensor::cat(vec![part(0), part(1).detach(), part(2)], 0)
    }
}

/// Factors and terms of a norm.
fn affine(norm: &LayerNorm) -> [Tensor<1>; 2] {
    let gamma = norm.gamma.val();
    let beta = norm.beta.as_ref().map(|beta| beta.val());
    let beta = beta.unwrap_or_else(|| gamma.zeros_like());
    [gamma, beta]
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
    fn gradients_are_those_of_the_textbook_formula() {
        let (device, graph) = (Device::default(), Device::default().autodiff());
        for qk_norm in [false, true] {
            let config = SelfAttentionConfig::new(12, 3).with_qk_norm(qk_norm);
            let layer = config.init(&graph);
            let (x, dy) = (tokens(&device), tokens(&device));
            let gradients = |forward: &dyn Fn(Tensor<3>) -> Tensor<3>| {
                let leaf = x.clone().autodiff().require_grad();
                let found = (forward(leaf.clone()) * dy.clone()).sum().backward();
                let mut all = vec![leaf.grad(&found).unwrap().flatten::<1>(0, 2)];
                for linear in [&layer.qkv, &layer.proj] {
                    all.push(linear.weight.grad(&found).unwrap().flatten(0, 1));
                    all.extend(linear.bias.as_ref().unwrap().grad(&found));
                }
                for norm in [&layer.q_norm, &layer.k_norm].into_iter().flatten() {
                    all.extend(norm.gamma.grad(&found));
                    all.extend(norm.beta.as_ref().unwrap().grad(&found));
                }
                all
            };
            let got = gradients(&|x| layer.forward(x));
            let want = gradients(&|x| by_hand(&layer, x));
            assert_eq!(got.len(), if qk_norm { 9 } else { 5 });
            for (got, want) in got.into_iter().zip(want) {
                let near = Tolerance::relative(1e-4).set_absolute(1e-5);
                got.into_data()
                    .assert_approx_eq::<f32>(&want.into_data(), near);
            }
        }
    }

    #[test]
    fn a_bias_of_the_keys_that_is_not_learned_has_no_gradient_and_changes_no_value() {
        let device = Device::default().autodiff();
        let layer = SelfAttentionConfig::new(12, 3).init(&device);
        let mut fixed = layer.clone();
        fixed.learned_key_bias = false;
        let x = tokens(&Device::default());
        let want = layer.forward(x.clone());
        let got = fixed.forward(x);
        let bias = layer.qkv.bias.as_ref().unwrap();
        // The sum alone would not see the keys.
        let of = |y: Tensor<3>| bias.grad(&y.exp().sum().backward()).unwrap();
        got.clone()
            .inner()
            .into_data()
            .assert_eq(&want.clone().inner().into_data(), true);
        let (got, want) = (of(got), of(want));
        let keys: f32 = got.clone().narrow(0, 12, 12).abs().max().into_scalar();
        assert_eq!(keys, 0.0);
        for first in [0, 24] {
            let want = want.clone().narrow(0, first, 12).into_data();
            got.clone()
                .narrow(0, first, 12)
                .into_data()
                .assert_eq(&want, true);
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
