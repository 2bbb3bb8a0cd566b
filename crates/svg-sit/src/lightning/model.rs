//! The network: samples, times and labels in, velocities out.

use burn::module::Module;
use burn::nn::{Initializer, Linear, RmsNorm};
use burn::prelude::*;
use burn::tensor::activation::silu;
use burn::tensor::{DType, TensorData};
use svg_nn::{Checked, linear};
use svg_roles::{Condition, Velocity, VelocitySpec};

use super::rotation::table;
use super::{LightningBlock, LightningConfig, norm};
use crate::modulate::parts;
use crate::{LabelEmbedder, TimeEmbedder, init, sincos_2d};

/// LightningDiT (Yao et al., "Reconstruction vs. Generation", arXiv 2501.01423): DiT on tokens of one latent each, with
/// weighted root-mean-square norms, SwiGLU, and queries and keys that are turned by place besides the fixed positions.
///
/// Time 0 is noise and time 1 is data, and the time enters as it is, as in [`Sit`](crate::Sit).
#[derive(Module, Debug)]
pub struct LightningDit {
    /// From the channels of a latent to `d_model`. A convolution of 1 x 1 in the file, under `x_embedder.proj`.
    pub x_embedder: Linear,
    /// Of the time.
    pub t_embedder: TimeEmbedder,
    /// Of the class.
    pub y_embedder: LabelEmbedder,
    /// From the first to the last.
    pub blocks: Vec<LightningBlock>,
    /// To velocities.
    pub final_layer: LightningFinal,
    /// `[1, tokens, d_model]`: [`sincos_2d`] of the grid, which nothing trains.
    pos_embed: Tensor<3>,
    #[module(skip)]
    config: LightningConfig,
}

/// `linear(modulate(norm(x)))`, with shift and scale from the condition.
#[derive(Module, Debug)]
pub struct LightningFinal {
    /// Of the last tokens.
    pub norm_final: RmsNorm,
    /// From `d_model` to the channels of a latent.
    pub linear: Linear,
    /// From the condition to shift and scale. `adaLN_modulation.1` in the file.
    pub adaln: Linear,
}

impl LightningFinal {
    fn new(config: &LightningConfig, device: &Device) -> Self {
        let (width, zeros) = (config.d_model, Initializer::Zeros);
        Self {
            norm_final: norm::new(width, device),
            linear: init::linear(width, config.in_channels, zeros.clone(), device),
            adaln: init::linear(width, 2 * width, zeros, device),
        }
    }

    /// # Shapes
    ///
    /// - x: `[batch, tokens, d_model]`, f32
    /// - condition: `[batch, d_model]`
    /// - output: `[batch, tokens, in_channels]`, f32
    pub fn forward(&self, x: Tensor<3>, condition: Tensor<2>) -> Tensor<3> {
        let [shift, scale] = parts(&self.adaln, condition);
        let normed = norm::modulated(&self.norm_final, x, shift, scale);
        linear(&self.linear, normed).cast(DType::F32)
    }
}

impl LightningDit {
    pub(super) fn new(config: &LightningConfig, device: &Device) -> Self {
        if let Some(problem) = config.problem() {
            panic!("{problem}");
        }
        let d_model = config.d_model;
        let blocks = (0..config.n_layers).map(|_| LightningBlock::new(config, device));
        Self {
            x_embedder: init::linear(config.in_channels, d_model, init::xavier(), device),
            t_embedder: TimeEmbedder::new(d_model, device),
            y_embedder: LabelEmbedder::new(config.n_classes, d_model, device),
            blocks: blocks.collect(),
            final_layer: LightningFinal::new(config, device),
            pos_embed: Tensor::from_data(positions(config), device),
            config: config.clone(),
        }
    }

    /// The configuration that the network was made from.
    pub fn config(&self) -> &LightningConfig {
        &self.config
    }

    /// The velocity of each sample at its time, given its class.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, rows * columns, in_channels]`, row by row
    /// - t: `[batch]`, 0 at the noise and 1 at the data
    /// - labels: `[batch]`, from 0 to the number of classes, which is no class
    ///
    /// # Panics
    ///
    /// If a shape is another. On CPUs also if a label is out of range.
    pub fn forward(&self, x: Tensor<3>, t: Tensor<1>, labels: Tensor<1, Int>) -> Tensor<3> {
        let [batch, _, _] = x.dims();
        assert_shape!(x, [_, self.config.tokens(), self.config.in_channels]);
        assert_shape!(t, [batch]);
        assert_shape!(labels, [batch]);
        let LightningConfig { rows, columns, .. } = self.config;
        let rotation = table([rows, columns], self.config.head_dim(), &x.device());
        let condition = silu(self.t_embedder.forward(t) + self.y_embedder.forward(labels));
        let x = linear(&self.x_embedder, x).cast(DType::F32) + self.pos_embed.clone();
        let x = self
            .blocks
            .iter()
            .fold(x, |x, block| block.forward(x, condition.clone(), &rotation));
        self.final_layer.forward(x, condition)
    }
}

/// `[1, tokens, d_model]`
pub(super) fn positions(config: &LightningConfig) -> TensorData {
    let table = sincos_2d(config.d_model, [config.rows, config.columns]);
    TensorData::new(table, [1, config.tokens(), config.d_model])
}

/// The condition is one class per sample; the label of no class is the unconditional branch.
impl Velocity for LightningDit {
    /// # Panics
    ///
    /// If the condition is not of classes, and as [`LightningDit::forward`].
    fn velocity(&self, x: Tensor<3>, t: Tensor<1>, condition: &Condition) -> Tensor<3> {
        self.forward(x, t, condition.expect_classes())
    }

    fn unconditional(&self, condition: &Condition) -> Condition {
        let classes = condition.expect_classes();
        Condition::Classes(classes.full_like(self.config.n_classes as i64))
    }

    fn spec(&self) -> VelocitySpec {
        VelocitySpec {
            grid: [self.config.rows, self.config.columns],
            channels: self.config.in_channels,
            classes: self.config.n_classes,
        }
    }

    fn parameters(&self) -> Option<usize> {
        Some(self.num_params())
    }
}
