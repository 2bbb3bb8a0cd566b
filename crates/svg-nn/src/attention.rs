//! Self-attention with one fused projection.

use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::prelude::*;

use crate::head_norm::{normalise_heads, normalise_heads_backward};
use crate::kernel::{packed_attention, packed_attention_backward, rotate_packed};
use crate::{ParameterGradients, Rotation, linear, linear_backward};

/// Epsilon of the norms of queries and keys.
pub(crate) const QK_NORM_EPS: f64 = 1e-5;

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
        }
    }
}

/// What the way back through [`SelfAttention`] needs of the way there.
#[derive(Clone, Debug)]
pub struct AttentionTape {
    x: Tensor<3>,
    /// Before the norms, if there are any, `[batch, tokens, 3, heads, head_dim]`.
    unnormed: Option<Tensor<5>>,
    rotation: Option<Rotation>,
    /// As attention takes it: normed and turned.
    qkv: Tensor<5>,
    /// Before the output projection, `[batch, tokens, d_model]`.
    heads: Tensor<3>,
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
            (Some(q_norm), Some(k_norm)) => normalise_heads(qkv, q_norm, k_norm),
            _ => qkv,
        };
        linear(&self.proj, packed_attention(qkv, rotation))
    }

    /// As [`forward`](Self::forward), with what [`backward`](Self::backward) needs.
    ///
    /// # Shapes
    ///
    /// - input and output: `[batch, tokens, d_model]`
    pub fn record(&self, x: Tensor<3>) -> (Tensor<3>, AttentionTape) {
        self.attend_recorded(x, None)
    }

    /// As [`forward_rotated`](Self::forward_rotated), with what [`backward`](Self::backward) needs.
    ///
    /// # Shapes
    ///
    /// - input and output: `[batch, tokens, d_model]`
    ///
    /// # Panics
    ///
    /// As [`forward_rotated`](Self::forward_rotated).
    pub fn record_rotated(&self, x: Tensor<3>, rotation: &Rotation) -> (Tensor<3>, AttentionTape) {
        let [_, tokens, width] = x.dims();
        rotation.assert_fits(tokens, width / self.n_heads);
        self.attend_recorded(x, Some(rotation))
    }

    fn attend_recorded(
        &self,
        x: Tensor<3>,
        rotation: Option<&Rotation>,
    ) -> (Tensor<3>, AttentionTape) {
        let [batch, tokens, width] = x.dims();
        let qkv = linear(&self.qkv, x.clone());
        let qkv = qkv.reshape([batch, tokens, 3, self.n_heads, width / self.n_heads]);
        let (unnormed, qkv) = match (&self.q_norm, &self.k_norm) {
            (Some(q_norm), Some(k_norm)) => {
                let normed = normalise_heads(qkv.clone(), q_norm, k_norm);
                (Some(qkv), normed)
            }
            _ => (None, qkv),
        };
        let qkv = match rotation {
            Some(rotation) => rotate_packed(qkv, rotation),
            None => qkv,
        };
        let heads = packed_attention(qkv.clone(), None);
        let y = linear(&self.proj, heads.clone());
        let tape = AttentionTape {
            x,
            unnormed,
            rotation: rotation.cloned(),
            qkv,
            heads,
        };
        (y, tape)
    }

    /// The gradient at the input, given the one at the result; notes those of the parameters. In closed
    /// form, outside any graph.
    ///
    /// # Shapes
    ///
    /// - dy and output: `[batch, tokens, d_model]`, f32
    pub fn backward(
        &self,
        tape: AttentionTape,
        dy: Tensor<3>,
        gradients: &mut ParameterGradients,
    ) -> Tensor<3> {
        let AttentionTape {
            x,
            unnormed,
            rotation,
            qkv,
            heads,
        } = tape;
        let [batch, tokens, width] = x.dims();
        let dtype = qkv.dtype();
        let dy = linear_backward(&self.proj, heads, dy, gradients).cast(dtype);
        let mut dy = packed_attention_backward(qkv, dy);
        if let Some(rotation) = rotation {
            dy = rotate_packed(dy, &rotation.inverse());
        }
        if let (Some(qkv), Some(q_norm), Some(k_norm)) = (unnormed, &self.q_norm, &self.k_norm) {
            dy = normalise_heads_backward(qkv, [q_norm, k_norm], dy, gradients);
        }
        let dy = dy.reshape([batch, tokens, 3 * width]);
        linear_backward(&self.qkv, x, dy, gradients)
    }
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
    fn the_way_back_is_that_of_the_graph() {
        let device = Device::default();
        let on_graph = device.clone().autodiff();
        // A prefix of one token that does not turn.
        let angles: Vec<f64> = (0..8).map(f64::from).collect();
        let turn = |device: &Device| Rotation::from_angles(&angles, 4, 1, device);
        for (qk_norm, turns) in [(false, false), (true, false), (false, true), (true, true)] {
            let config = SelfAttentionConfig::new(12, 3).with_qk_norm(qk_norm);
            let layer = config.init(&on_graph);
            let forward = |layer: &SelfAttention, x, device: &Device| match turns {
                true => layer.forward_rotated(x, &turn(device)),
                false => layer.forward(x),
            };
            let plain = layer.valid();
            let (x, dy) = (tokens(&device), tokens(&device));
            let leaf = Tensor::from_inner(x.clone()).require_grad();
            let loss = forward(&layer, leaf.clone(), &on_graph) * Tensor::from_inner(dy.clone());
            let graph = loss.sum().backward();

            let (y, tape) = match turns {
                true => plain.record_rotated(x.clone(), &turn(&device)),
                false => plain.record(x.clone()),
            };
            let expected = forward(&plain, x, &device).into_data();
            y.into_data().assert_eq(&expected, true);
            let mut gradients = ParameterGradients::default();
            let dx = plain.backward(tape, dy, &mut gradients);
            let near = Tolerance::relative(1e-4).set_absolute(1e-5);
            let expected = leaf.grad(&graph).unwrap().into_data();
            dx.into_data().assert_approx_eq::<f32>(&expected, near);
            let matrices = [&layer.qkv, &layer.proj].map(|linear| &linear.weight);
            assert_eq!(gradients.matrices.len(), 2);
            for (id, got) in gradients.matrices {
                let weight = matrices.iter().find(|weight| weight.id == id).unwrap();
                let expected = weight.val().grad(&graph).unwrap().into_data();
                got.into_data().assert_approx_eq::<f32>(&expected, near);
            }
            let mut vectors = vec![layer.qkv.bias.as_ref(), layer.proj.bias.as_ref()];
            for norm in [&layer.q_norm, &layer.k_norm].into_iter().flatten() {
                vectors.extend([Some(&norm.gamma), norm.beta.as_ref()]);
            }
            assert_eq!(gradients.vectors.len(), vectors.len());
            for (id, got) in gradients.vectors {
                let mut vectors = vectors.iter().flatten();
                let vector = vectors.find(|vector| vector.id == id).unwrap();
                let expected = vector.val().grad(&graph).unwrap().into_data();
                got.into_data().assert_approx_eq::<f32>(&expected, near);
            }
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
