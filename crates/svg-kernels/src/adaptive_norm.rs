//! Layer norm whose scale and shift are given for each sample.

use burn::backend::flex::FlexTensor;
use burn::prelude::*;
use burn::tensor::module::layer_norm;

use crate::array::{array, contiguous, dims, numbers, rewritten};
use crate::kernel::row_norm::RowNorm;
use crate::operation::{Operation, on_host, run};

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
        return Tensor::from_dispatch(run(AdaptiveNorm { epsilon }, inputs));
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
        let [_, tokens, channels] = dims(&x);
        let (factors, shift) = (factors(scale), contiguous(shift));
        let shift = numbers(&shift);
        let rows = rows_at_once(tokens);
        let y = rewritten(x, rows * channels, |chunk, rows_of_x| {
            let sample = chunk * rows / tokens * channels;
            let norm = RowNorm {
                factor: &factors[sample..][..channels],
                term: &shift[sample..][..channels],
                epsilon: self.epsilon,
            };
            norm.rows(rows_of_x);
        });
        y.0
    }

    fn backward(
        &self,
        [x, _, scale]: [Option<FlexTensor>; 3],
        dy: FlexTensor,
        [of_x, of_shift, of_scale]: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let (Some(x), Some(scale)) = (x, scale) else {
            unreachable!("both are kept");
        };
        let [batch, tokens, channels] = dims(&x);
        let (x, factors) = (contiguous(x), factors(scale));
        let x = numbers(&x);
        let (dx, sums) = rewritten(dy, tokens * channels, |sample, dy| {
            let norm = RowNorm {
                factor: &factors[sample * channels..][..channels],
                term: &[],
                epsilon: self.epsilon,
            };
            norm.backward(&x[sample * tokens * channels..][..dy.len()], dy)
        });
        let (scale, shift): (Vec<_>, Vec<_>) = sums.into_iter().map(|[f, t]| (f, t)).unzip();
        let of_samples = |sums: Vec<Vec<f32>>| array(sums.concat(), [batch, 1, channels]);
        [
            of_x.then_some(dx),
            of_shift.then(|| of_samples(shift)),
            of_scale.then(|| of_samples(scale)),
        ]
    }
}

fn factors(scale: FlexTensor) -> Vec<f32> {
    let scale = contiguous(scale);
    numbers(&scale).iter().map(|scale| scale + 1.0).collect()
}

/// A number of rows that divides those of a sample, so that a chunk is of one sample.
fn rows_at_once(tokens: usize) -> usize {
    let divides = |rows: &usize| tokens.is_multiple_of(*rows);
    (1..=32).rev().find(divides).unwrap_or(1)
}
