//! What the parameters of a decoder should change by.

use burn::module::{Param, ParamId};
use burn::prelude::*;

/// Gradients of a decoder's parameters, by their identities, as constants on the plain device.
#[derive(Clone, Debug, Default)]
pub struct DecoderGradients {
    /// Of biases and norms.
    pub vectors: Vec<(ParamId, Tensor<1>)>,
    /// Of convolutions, `[out, in, height, width]`.
    pub kernels: Vec<(ParamId, Tensor<4>)>,
}

impl DecoderGradients {
    pub(crate) fn vector(&mut self, param: Option<&Param<Tensor<1>>>, gradient: Tensor<1>) {
        self.vectors.extend(param.map(|param| (param.id, gradient)));
    }

    pub(crate) fn kernel(&mut self, param: &Param<Tensor<4>>, gradient: Tensor<4>) {
        self.kernels.push((param.id, gradient));
    }
}
