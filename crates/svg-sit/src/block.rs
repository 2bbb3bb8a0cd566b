//! One transformer block with adaptive norms.

use burn::nn::{Initializer, Linear};
use burn::prelude::*;
use svg_nn::{Mlp, MlpConfig, SelfAttention, SelfAttentionConfig, adaptive_layer_norm, gated_sum};

use crate::modulate::{NORM_EPS, parts};
use crate::{SitConfig, init};

/// `x + gate attn(modulate(norm(x)))`, then the same with the feed-forward layer: DiT's block with
/// adaLN-Zero (arXiv 2212.09748, section 3.2).
///
/// Shift, scale and gate of both halves come from the condition through one linear layer of zeros, so a
/// new block is the identity.
#[derive(Module, Debug)]
pub struct Block {
    /// All tokens to all tokens.
    pub attn: SelfAttention,
    /// Each token by itself, with GELU's tanh approximation.
    pub mlp: Mlp,
    /// From the condition to shift, scale and gate of the attention, and of the feed-forward layer.
    /// `adaLN_modulation.1` in the checkpoint.
    pub adaln: Linear,
}

impl Block {
    pub(crate) fn new(config: &SitConfig, device: &Device) -> Self {
        let SitConfig { d_model, d_ff, .. } = *config;
        let mut attn = SelfAttentionConfig::new(d_model, config.n_heads)
            .with_qk_norm(config.qk_norm)
            .init(device);
        attn.qkv = init::linear(d_model, 3 * d_model, init::xavier(), device);
        attn.proj = init::linear(d_model, d_model, init::xavier(), device);
        let mut mlp = MlpConfig::new(d_model, d_ff)
            .with_approximate_gelu(true)
            .init(device);
        mlp.fc1 = init::linear(d_model, d_ff, init::xavier(), device);
        mlp.fc2 = init::linear(d_ff, d_model, init::xavier(), device);
        Self {
            attn,
            mlp,
            adaln: init::linear(d_model, 6 * d_model, Initializer::Zeros, device),
        }
    }

    /// # Shapes
    ///
    /// - x and output: `[batch, tokens, d_model]`, f32
    /// - condition: `[batch, d_model]`
    pub fn forward(&self, x: Tensor<3>, condition: Tensor<2>) -> Tensor<3> {
        let [shift, scale, gate, shift_mlp, scale_mlp, gate_mlp] = parts(&self.adaln, condition);
        let normed = adaptive_layer_norm(x.clone(), shift, scale, NORM_EPS);
        let x = gated_sum(x, gate, self.attn.forward(normed));
        let normed = adaptive_layer_norm(x.clone(), shift_mlp, scale_mlp, NORM_EPS);
        gated_sum(x, gate_mlp, self.mlp.forward(normed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::tiny;
    use burn::tensor::Distribution;

    #[test]
    fn a_new_block_is_the_identity_whatever_the_condition() {
        let device = Device::default();
        let normal = Distribution::Normal(0.0, 1.0);
        let block = Block::new(&tiny(), &device);
        let x = Tensor::<3>::random([2, 6, 16], normal, &device);
        let condition = Tensor::random([2, 16], normal, &device);
        let out = block.forward(x.clone(), condition).into_data();
        out.assert_eq(&x.into_data(), true);
    }

    #[test]
    fn layers_start_within_the_bound_of_xavier_and_with_biases_of_zero() {
        let block = Block::new(&tiny(), &Default::default());
        let check = |layer: &Linear| {
            let weight = layer.weight.val();
            let [inputs, outputs] = weight.dims();
            let bound = (6.0 / (inputs + outputs) as f32).sqrt();
            let largest: f32 = weight.abs().max().into_scalar();
            assert!(largest <= bound && largest > 0.8 * bound, "{largest}");
            let bias = layer.bias.as_ref().expect("the layer has a bias").val();
            assert_eq!(bias.abs().max().into_scalar::<f32>(), 0.0);
        };
        let (attn, mlp) = (&block.attn, &block.mlp);
        [&attn.qkv, &attn.proj, &mlp.fc1, &mlp.fc2]
            .into_iter()
            .for_each(check);
    }
}
