//! The decoder's own way back.
//!
//! An autodiff graph of the decoder holds every intermediate image, and takes the gradients of each
//! operation apart: at 256 x 256 pixels that is the larger half of a training step. Here a pass keeps the
//! input of each norm and nothing else, computes the cheap part again on the way back, and calls kernels
//! that know the whole formula. The result is the gradient that the graph gives, as a test says.

use burn::nn::GroupNorm;
use burn::nn::conv::Conv2d;
use burn::prelude::*;

use crate::conv::{conv, conv_backward};
use crate::norm::{norm_swish_backward, plain_norm_swish};
use crate::{Decoder, DecoderGradients};

/// Takes the gradient at a value, notes those of the parameters, and gives the gradient at the input.
type Backward = Box<dyn FnOnce(Tensor<4>, &mut DecoderGradients) -> Tensor<4>>;

/// A value and its way back.
pub(crate) struct Step {
    pub value: Tensor<4>,
    pub backward: Backward,
}

impl Step {
    pub(crate) fn new(
        value: Tensor<4>,
        backward: impl FnOnce(Tensor<4>, &mut DecoderGradients) -> Tensor<4> + 'static,
    ) -> Self {
        Self {
            value,
            backward: Box::new(backward),
        }
    }

    /// This step and the one that follows it.
    pub(crate) fn then(self, next: impl FnOnce(Tensor<4>) -> Step) -> Step {
        let first = self.backward;
        let Step { value, backward } = next(self.value);
        Step::new(value, move |gradient, sink| {
            let gradient = backward(gradient, sink);
            first(gradient, sink)
        })
    }

    /// A convolution.
    pub(crate) fn conv(layer: &Conv2d, x: Tensor<4>) -> Step {
        let layer = layer.clone();
        Step::new(conv(&layer, x.clone()), move |gradient, sink| {
            conv_backward(&layer, x, gradient, sink)
        })
    }

    /// A norm with its activation.
    pub(crate) fn norm_swish(layer: &GroupNorm, x: Tensor<4>) -> Step {
        let layer = layer.clone();
        Step::new(
            plain_norm_swish(&layer, x.clone()),
            move |gradient, sink| norm_swish_backward(&layer, x, gradient, sink),
        )
    }
}

/// A pass through a decoder that can be gone back once. Everything in it is on the plain device.
pub struct Recording {
    /// The images, `[batch, 3, height, width]`.
    pub images: Tensor<4>,
    /// The input of the last convolution, `[batch, width, height, width]`.
    pub trunk: Tensor<4>,
    backward: Backward,
}

impl Decoder {
    /// Decodes features as [`forward`](Self::forward) does, and remembers the way.
    ///
    /// # Shapes
    ///
    /// - features: `[batch, rows * columns, in_channels]`; a graph behind them is left alone
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward), and in [`Recording::backward`] if the decoder is not on an autodiff
    /// device.
    pub fn record(&self, features: Tensor<3>, grid: [usize; 2]) -> Recording {
        let map = self.to_map(features.without_autodiff(), grid);
        let step = Step::conv(&self.conv_in, map).then(|x| self.mid.record(x));
        let levels = self.up.iter().rev();
        let step = levels.fold(step, |step, level| step.then(|x| level.record(x)));
        let step = step.then(|x| Step::norm_swish(&self.norm_out, x));
        let trunk = step.value.clone();
        let Step { value, backward } = step.then(|x| Step::conv(&self.conv_out, x));
        Recording {
            images: value,
            trunk,
            backward,
        }
    }
}

impl Recording {
    /// The gradients of a loss, given its gradient at the images: of the parameters, and at the features.
    ///
    /// # Shapes
    ///
    /// - at_images: `[batch, 3, height, width]`
    /// - output: `[batch, rows * columns, in_channels]`
    pub fn backward(self, at_images: Tensor<4>) -> (DecoderGradients, Tensor<3>) {
        let mut gradients = DecoderGradients::default();
        let map = (self.backward)(at_images.without_autodiff(), &mut gradients);
        (gradients, map.flatten::<3>(2, 3).swap_dims(1, 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DecoderConfig;
    use burn::module::{ModuleVisitor, Param};
    use burn::tensor::{Distribution, Gradients};

    /// Compares every parameter's two gradients.
    struct Compare<'a> {
        graph: &'a Gradients,
        own: DecoderGradients,
        compared: usize,
    }

    fn assert_close<const D: usize>(want: Tensor<D>, got: Tensor<D>) {
        let scale: f32 = want.clone().abs().max().into_scalar();
        let off: f32 = (want - got).abs().max().into_scalar();
        assert!(off < 2e-5 * (1.0 + scale), "off by {off:e} of {scale:e}");
    }

    impl ModuleVisitor for Compare<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let want = param.val().grad(self.graph).expect("the graph has it");
            let vector = self.own.vectors.iter().find(|(id, _)| *id == param.id);
            let kernel = self.own.kernels.iter().find(|(id, _)| *id == param.id);
            match (vector, kernel) {
                (Some((_, got)), None) => assert_close(want, got.clone().reshape(param.dims())),
                (None, Some((_, got))) => assert_close(want, got.clone().reshape(param.dims())),
                other => panic!("a parameter is noted once, not as {other:?}"),
            }
            self.compared += 1;
        }
    }

    #[test]
    fn the_way_back_gives_the_gradients_of_the_graph() {
        let device = Device::default().autodiff();
        let decoder = DecoderConfig::new(5)
            .with_width(16)
            .with_width_multipliers(vec![1, 2, 2])
            .with_n_res_blocks(1)
            .with_resolution(32)
            .with_attention_resolutions(vec![8])
            .with_norm_groups(4)
            .init(&device);
        let plain = Device::default();
        let normal = Distribution::Normal(0.0, 1.0);
        let features = Tensor::<3>::random([2, 3 * 5, 5], normal, &plain);
        let pull = Tensor::<4>::random([2, 3, 12, 20], normal, &plain);

        let leaf = Tensor::from_inner(features.clone()).require_grad();
        let images = decoder.forward(leaf.clone(), [3, 5]);
        let graph = (images.clone() * Tensor::from_inner(pull.clone()))
            .sum()
            .backward();

        let recording = decoder.record(features, [3, 5]);
        assert_close(images.inner(), recording.images.clone());
        let (own, at_features) = recording.backward(pull);
        assert_close(leaf.grad(&graph).unwrap(), at_features);
        let mut compare = Compare {
            graph: &graph,
            own,
            compared: 0,
        };
        decoder.visit(&mut compare);
        let noted = compare.own.vectors.len() + compare.own.kernels.len();
        assert_eq!(compare.compared, noted, "nothing is noted twice");
    }
}
