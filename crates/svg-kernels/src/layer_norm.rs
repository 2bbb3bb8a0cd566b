//! Layer norm with factors and terms of its own.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::ModuleOps;
use burn::prelude::*;
use burn::tensor::module;

use crate::array::{array, contiguous, numbers, rewritten};
use crate::kernel::exp::add;
use crate::kernel::row_norm::{ROWS, RowNorm};
use crate::operation::{Operation, on_host, run};

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
    let (norm, x, gamma) = (
        LayerNorm { epsilon },
        x.into_dispatch(),
        gamma.into_dispatch(),
    );
    Tensor::from_dispatch(match beta {
        Some(beta) => run(norm, [x, gamma, beta.into_dispatch()]),
        None => run(norm, [x, gamma]),
    })
}

#[derive(Clone, Copy, Debug)]
struct LayerNorm {
    epsilon: f64,
}

/// The inputs are `x`, `gamma`, and `beta` if there is one.
impl<const N: usize> Operation<N> for LayerNorm {
    fn keeps(&self, _wanted: [bool; N]) -> [bool; N] {
        std::array::from_fn(|i| i < 2)
    }

    fn forward(&self, inputs: [FlexTensor; N]) -> FlexTensor {
        let mut inputs = inputs.into_iter();
        let mut next = || inputs.next();
        let (Some(x), Some(gamma)) = (next(), next()) else {
            unreachable!("there are at least two");
        };
        Flex::layer_norm(x, gamma, next(), self.epsilon)
    }

    fn backward(
        &self,
        kept: [Option<FlexTensor>; N],
        dy: FlexTensor,
        wanted: [bool; N],
    ) -> [Option<FlexTensor>; N] {
        let mut kept = kept.into_iter().flatten();
        let (Some(x), Some(gamma)) = (kept.next(), kept.next()) else {
            unreachable!("both are kept");
        };
        let [x, gamma] = [x, gamma].map(contiguous);
        let (x, gamma) = (numbers(&x), numbers(&gamma));
        let channels = gamma.len();
        let norm = RowNorm {
            factor: gamma,
            term: &[],
            epsilon: self.epsilon,
        };
        let chunk = ROWS * channels;
        let (dx, sums) = rewritten(dy, chunk, |index, dy| {
            let mut sums = [(); 2].map(|()| vec![0.0; channels]);
            let [of_gamma, of_beta] = &mut sums;
            norm.through(&x[index * chunk..][..dy.len()], dy, of_gamma, of_beta);
            sums
        });
        let mut total = [(); 2].map(|()| vec![0.0; channels]);
        for chunk in sums {
            for (total, chunk) in total.iter_mut().zip(chunk) {
                add(total, &chunk);
            }
        }
        let mut found = [Some(dx)]
            .into_iter()
            .chain(total.map(|sum| Some(array(sum, [channels]))));
        std::array::from_fn(|i| found.next().flatten().filter(|_| wanted[i]))
    }
}
