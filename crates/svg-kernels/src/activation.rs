//! The activations of transformers.

use burn::backend::flex::FlexTensor;
use burn::prelude::*;
use burn::tensor::activation::{gelu, gelu_approximate};

use crate::array::{contiguous, numbers, rewritten, rewritten_beside};
use crate::kernel::{erf, exp};
use crate::operation::{Operation, on_host, run};

/// Numbers for one thread at a time: a multiple of every vector, small enough for its cache.
const CHUNK: usize = 16 * 1024;

/// A function of single numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// The exact Gaussian error linear unit, `y = x (1 + erf(x / sqrt 2)) / 2` (arXiv 1606.08415). The CPU
    /// kernel is within 3e-7 of it.
    Gelu,
    /// Its tanh approximation, `y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`.
    GeluTanh,
}

impl Activation {
    /// Applies the function to every number.
    ///
    /// On Burn's CPU backend in f32 it has kernels of its own, which write into `x` outside a graph if nobody
    /// else holds it; elsewhere it is composed of Burn's operations. The derivative is exact everywhere; that
    /// of Burn's own GELU is that of the tanh form on backends that have no other.
    ///
    /// # Shapes
    ///
    /// - input and output: any
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        if on_host(&x) {
            return run(self, [x.into_dispatch()]);
        }
        match self {
            // For the sake of its derivative.
            Self::Gelu if x.is_tracked() => {
                let below = (x.clone() * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0;
                x * below * 0.5
            }
            Self::Gelu => gelu(x),
            Self::GeluTanh => gelu_approximate(x),
        }
    }
}

impl Operation<1> for Activation {
    fn forward(&self, [x]: [FlexTensor; 1]) -> FlexTensor {
        let step = match self {
            Self::Gelu => erf::gelu,
            Self::GeluTanh => exp::gelu_tanh,
        };
        rewritten(x, CHUNK, |_, x| step(x)).0
    }

    fn backward(
        &self,
        [x]: [FlexTensor; 1],
        dy: FlexTensor,
        _wanted: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        let step = match self {
            Self::Gelu => erf::gelu_backward,
            Self::GeluTanh => exp::gelu_tanh_backward,
        };
        [Some(
            rewritten_beside(dy, x, CHUNK, |_, dy, x| step(x, dy)).0,
        )]
    }
}

/// `silu(gate) * up` in f32 on the CPU.
pub(crate) fn silu_product(gate: FlexTensor, up: FlexTensor) -> FlexTensor {
    let product = |_, gate: &mut [f32], up: &[f32]| exp::silu_product(gate, up);
    rewritten_beside(gate, up, CHUNK, product).0
}

/// The gradients of [`silu_product`] at the gate and at what it multiplies, given the one at the product.
pub(crate) fn silu_product_backward(
    gate: FlexTensor,
    up: FlexTensor,
    dy: FlexTensor,
) -> [FlexTensor; 2] {
    let [gate, up] = [gate, up].map(contiguous);
    let scaled = |_, dy: &mut [f32], gate: &[f32]| exp::silu_scaled(gate, dy);
    let d_up = rewritten_beside(dy.clone(), gate.clone(), CHUNK, scaled);
    let up = numbers(&up);
    let d_gate = rewritten_beside(dy, gate, CHUNK, |chunk, dy, gate| {
        exp::silu_product_backward(gate, &up[chunk * CHUNK..][..dy.len()], dy);
    });
    [d_gate.0, d_up.0]
}
