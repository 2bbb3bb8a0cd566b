//! Layer norm with factors and terms of its own.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::ModuleOps;
use burn::prelude::*;
use burn::tensor::module;

use crate::array::{array, contiguous, numbers, present, rewritten_beside};
use crate::kernel::row_norm::{ROWS, gradients};
use crate::kernel::sums::sum_of_rows;
use crate::operation::{Operation, on_host, optional, run};

/// `y = gamma (x - mean) / sqrt(variance + epsilon) + beta` over the last axis (Ba et al., arXiv 1607.06450).
///
/// The value is Burn's everywhere. On a graph of Burn's CPU backend in f32 the gradient takes one pass over
/// memory, and `x` and `gamma` are kept.
///
/// # Shapes
///
/// - x and output: `[.., channels]`
/// - gamma, beta: `[channels]`
///
/// # Panics
///
/// If the shapes do not fit each other.
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Option<Tensor<1>>,
    epsilon: f64,
) -> Tensor<D> {
    let [channels] = gamma.dims();
    assert_shape!(x, [.., channels]);
    if !(on_host(&x) && on_host(&gamma) && beta.as_ref().is_none_or(on_host)) {
        return module::layer_norm(x, gamma, beta, epsilon);
    }
    let inputs = [x.into_dispatch(), gamma.into_dispatch(), optional(beta)];
    run(LayerNorm { epsilon }, inputs)
}

#[derive(Clone, Copy, Debug)]
struct LayerNorm {
    epsilon: f64,
}

impl Operation<3> for LayerNorm {
    fn keeps(&self, _wanted: [bool; 3]) -> [bool; 3] {
        [true, true, false]
    }

    fn forward(&self, [x, gamma, beta]: [FlexTensor; 3]) -> FlexTensor {
        Flex::layer_norm(x, gamma, present(beta), self.epsilon)
    }

    fn backward(
        &self,
        [x, gamma, _]: [FlexTensor; 3],
        dy: FlexTensor,
        _wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let gamma = contiguous(gamma);
        let factor = numbers(&gamma);
        let channels = factor.len();
        let (dx, sums) = rewritten_beside(dy, x, ROWS * channels, |_, dy, x| {
            let mut sums = vec![0.0; 2 * channels];
            gradients(factor, self.epsilon, x, dy, &mut sums);
            sums
        });
        let total = sum_of_rows(&sums, 2 * channels);
        let (of_gamma, of_beta) = total.split_at(channels);
        let [of_gamma, of_beta] = [of_gamma, of_beta].map(|sum| array(sum.to_vec(), [channels]));
        [dx, of_gamma, of_beta].map(Some)
    }
}
