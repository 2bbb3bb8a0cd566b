//! Layer norm whose scale and shift are given for each sample.

use burn::backend::flex::FlexTensor;
use burn::prelude::*;
use burn::tensor::module::layer_norm;

use crate::array::{array, contiguous, dims, numbers, rewritten, rewritten_beside};
use crate::kernel::row_norm::{backward, normalise};
use crate::operation::{Operation, on_host, run};
use crate::rows::SampleRows;

/// `y = (x - mean) / sqrt(variance + epsilon) (1 + scale) + shift` over the channels of a token: layer norm
/// without parameters of its own (Perez et al., arXiv 1709.07871; Peebles and Xie, arXiv 2212.09748).
///
/// On Burn's CPU backend in f32 it takes one pass over memory, outside a graph in place of `x` if nobody else
/// holds it, and a graph keeps `x` and `scale`; elsewhere it is composed of Burn's operations.
///
/// # Shapes
///
/// - x and output: `[batch, tokens, channels]`
/// - shift, scale: `[batch, 1, channels]`
///
/// # Panics
///
/// If the shapes do not fit each other.
pub fn adaptive_layer_norm(
    x: Tensor<3>,
    shift: Tensor<3>,
    scale: Tensor<3>,
    epsilon: f64,
) -> Tensor<3> {
    let [batch, _, channels] = x.dims();
    assert_shape!(shift, [batch, 1, channels]);
    assert_shape!(scale, [batch, 1, channels]);
    if on_host(&x) && on_host(&shift) && on_host(&scale) {
        let inputs = [x, shift, scale].map(Tensor::into_dispatch);
        return run(AdaptiveNorm { epsilon }, inputs);
    }
    let ones = Tensor::ones([channels], &x.device());
    layer_norm(x, ones, None, epsilon) * (scale + 1.0) + shift
}

#[derive(Clone, Copy, Debug)]
struct AdaptiveNorm {
    epsilon: f64,
}

impl Operation<3> for AdaptiveNorm {
    fn keeps(&self, _wanted: [bool; 3]) -> [bool; 3] {
        [true, false, true]
    }

    fn forward(&self, [x, shift, scale]: [FlexTensor; 3]) -> FlexTensor {
        let (factors, shift) = (factors(scale), contiguous(shift));
        let (rows, terms) = (SampleRows::of(&x), numbers(&shift));
        let y = rewritten(x, rows.chunk, |chunk, x| {
            let [factor, term] =
                [factors.as_slice(), terms].map(|vectors| rows.vector(vectors, chunk));
            normalise(factor, term, self.epsilon, x);
        });
        y.0
    }

    fn backward(
        &self,
        [x, _, scale]: [FlexTensor; 3],
        dy: FlexTensor,
        _wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let [batch, tokens, channels] = dims(&x);
        let factors = factors(scale);
        let (dx, sums) = rewritten_beside(dy, x, tokens * channels, |sample, dy, x| {
            let factor = &factors[sample * channels..][..channels];
            backward(factor, self.epsilon, x, dy)
        });
        let from = |first: usize| {
            let of_samples = sums.iter().flat_map(|sums| &sums[first..][..channels]);
            array(of_samples.copied().collect(), [batch, 1, channels])
        };
        [dx, from(channels), from(0)].map(Some)
    }
}

fn factors(scale: FlexTensor) -> Vec<f32> {
    let scale = contiguous(scale);
    numbers(&scale).iter().map(|scale| scale + 1.0).collect()
}
