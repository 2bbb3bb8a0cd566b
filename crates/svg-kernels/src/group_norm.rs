//! Group norm, with or without the swish that follows it in networks for images.

use burn::backend::flex::FlexTensor;
use burn::prelude::*;
use burn::tensor::activation::sigmoid;

use crate::array::{array, contiguous, dims, numbers, rewritten, rewritten_beside};
use crate::kernel::norm::GroupNorm as Kernel;
use crate::operation::{Operation, on_host, run};

/// `y = gamma (x - mean) / sqrt(variance + epsilon) + beta`, where mean and (biased) variance are those of a
/// group of channels of one image, over all pixels (Wu and He, arXiv 1803.08494); with or without
/// `y sigmoid(y)` after it.
///
/// On Burn's CPU backend in f32 it takes two passes over memory, with statistics in f64, outside a graph in
/// place of `x` if nobody else holds it, and a graph keeps `x`; elsewhere it is composed of Burn's operations.
#[derive(Clone, Copy, Debug)]
pub struct GroupNorm {
    /// Groups of channels.
    pub groups: usize,
    /// Added to the variance.
    pub epsilon: f64,
    /// Whether `y sigmoid(y)` follows.
    pub swish: bool,
}

impl GroupNorm {
    /// Applies the norm.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, channels, height, width]`
    /// - gamma and beta: `[channels]`
    ///
    /// # Panics
    ///
    /// If the shapes do not fit each other, or the channels do not divide into the groups.
    pub fn forward(self, x: Tensor<4>, gamma: Tensor<1>, beta: Tensor<1>) -> Tensor<4> {
        self.assert_fits(&x, &gamma, &beta);
        if on_host(&x) && on_host(&gamma) && on_host(&beta) {
            let [gamma, beta] = [gamma, beta].map(Tensor::into_dispatch);
            return run(self, [x.into_dispatch(), gamma, beta]);
        }
        self.composed(x, gamma, beta)
    }

    pub(crate) fn assert_fits(&self, x: &Tensor<4>, gamma: &Tensor<1>, beta: &Tensor<1>) {
        let ([_, channels, ..], groups) = (x.dims(), self.groups);
        assert_shape!(gamma, [channels]);
        assert_shape!(beta, [channels]);
        assert!(
            groups > 0 && channels.is_multiple_of(groups),
            "{channels} channels do not divide into {groups} groups"
        );
    }

    pub(crate) fn composed(self, x: Tensor<4>, gamma: Tensor<1>, beta: Tensor<1>) -> Tensor<4> {
        let shape @ [batch, channels, height, width] = x.dims();
        let in_group = channels / self.groups * height * width;
        let x = x.reshape([batch, self.groups, in_group]);
        let centred = x.clone() - x.mean_dim(2);
        let variance = centred.clone().square().mean_dim(2);
        let normed = centred * (variance + self.epsilon).sqrt().recip();
        let by_channel = |vector: Tensor<1>| vector.reshape([1, channels, 1, 1]);
        let y = normed.reshape(shape) * by_channel(gamma) + by_channel(beta);
        match self.swish {
            true => y.clone() * sigmoid(y),
            false => y,
        }
    }

    /// The arithmetic for images like `x`, and the numbers of a group.
    fn kernel<'a>(
        self,
        x: &FlexTensor,
        gamma: &'a FlexTensor,
        beta: &'a FlexTensor,
    ) -> (Kernel<'a>, usize) {
        let [_, channels, height, width] = dims(x);
        let kernel = Kernel {
            norm: self,
            gamma: numbers(gamma),
            beta: numbers(beta),
            pixels: height * width,
        };
        (kernel, channels / self.groups * kernel.pixels)
    }
}

impl Operation<3> for GroupNorm {
    fn forward(&self, [x, gamma, beta]: [FlexTensor; 3]) -> FlexTensor {
        let [gamma, beta] = [gamma, beta].map(contiguous);
        let (kernel, group) = self.kernel(&x, &gamma, &beta);
        rewritten(x, group, |index, numbers| kernel.group(index, numbers)).0
    }

    fn backward(
        &self,
        [x, gamma, beta]: [FlexTensor; 3],
        dy: FlexTensor,
        _wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let [gamma, beta] = [gamma, beta].map(contiguous);
        let (kernel, group) = self.kernel(&x, &gamma, &beta);
        let (dx, sums) = rewritten_beside(dy, x, group, |index, dy, x| {
            kernel.group_backward(index, x, dy)
        });
        let sums = kernel.gathered(sums);
        let [of_gamma, of_beta] = sums.map(|sums| array(sums, [kernel.gamma.len()]));
        [dx, of_gamma, of_beta].map(Some)
    }
}
