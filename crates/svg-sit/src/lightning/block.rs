//! One block of LightningDiT.

use burn::nn::{Initializer, Linear, RmsNorm};
use burn::prelude::*;
use svg_nn::{Rotation, SwiGluMlp, SwiGluMlpConfig, gated_sum};

use super::{LightningAttention, LightningConfig, norm};
use crate::init;
use crate::modulate::parts;

/// DiT's block with weighted root-mean-square norms, a gated feed-forward layer and turned queries and keys.
#[derive(Module, Debug)]
pub struct LightningBlock {
    /// Before the attention.
    pub norm1: RmsNorm,
    /// All tokens to all tokens.
    pub attn: LightningAttention,
    /// Before the feed-forward layer.
    pub norm2: RmsNorm,
    /// Each token by itself. `w12` in the file is `gate` above `up`, `w3` is `down`.
    pub mlp: SwiGluMlp,
    /// From the condition to shift, scale and gate of the attention, and of the feed-forward layer.
    /// `adaLN_modulation.1` in the file.
    pub adaln: Linear,
}

impl LightningBlock {
    pub(super) fn new(config: &LightningConfig, device: &Device) -> Self {
        let LightningConfig { d_model, d_ff, .. } = *config;
        let mut mlp = SwiGluMlpConfig::new(d_model, d_ff).init(device);
        mlp.gate = init::linear(d_model, d_ff, init::xavier(), device);
        mlp.up = init::linear(d_model, d_ff, init::xavier(), device);
        mlp.down = init::linear(d_ff, d_model, init::xavier(), device);
        Self {
            norm1: norm::new(d_model, device),
            attn: LightningAttention::new(config, device),
            norm2: norm::new(d_model, device),
            mlp,
            adaln: init::linear(d_model, 6 * d_model, Initializer::Zeros, device),
        }
    }

    /// # Shapes
    ///
    /// - x and output: `[batch, tokens, d_model]`, f32
    /// - condition: `[batch, d_model]`
    pub fn forward(&self, x: Tensor<3>, condition: Tensor<2>, rotation: &Rotation) -> Tensor<3> {
        let [shift, scale, gate, shift_mlp, scale_mlp, gate_mlp] = parts(&self.adaln, condition);
        let normed = norm::modulated(&self.norm1, x.clone(), shift, scale);
        let branch = self.attn.forward(normed, rotation);
        let x = gated_sum(x, gate, branch);
        let normed = norm::modulated(&self.norm2, x.clone(), shift_mlp, scale_mlp);
        let branch = self.mlp.forward(normed);
        gated_sum(x, gate_mlp, branch)
    }
}
