//! A residual branch behind a gate.

use burn::backend::flex::FlexTensor;
use burn::prelude::*;
use burn::tensor::DType;

use crate::array::{array, contiguous, dims, numbers, rewritten};
use crate::kernel::exp::{self, add, add_products, multiply};
use crate::operation::{Operation, on_host, run};

/// Rows for one thread at a time, at most.
const ROWS: usize = 32;

/// `y = x + gate * branch`, in f32: the branch may have been computed in a smaller type, the sum never is.
///
/// On Burn's CPU backend in f32 it takes one pass over memory, outside a graph in place of `branch` if nobody
/// else holds it, and a graph keeps `gate` and `branch`; elsewhere it is composed of Burn's operations.
///
/// # Shapes
///
/// - x, branch and output: `[batch, tokens, channels]`
/// - gate: `[batch, 1, channels]`, or `[1, 1, channels]` for all samples
///
/// # Panics
///
/// If the shapes do not fit each other.
pub fn gated_sum(x: Tensor<3>, gate: Tensor<3>, branch: Tensor<3>) -> Tensor<3> {
    let [batch, tokens, channels] = x.dims();
    assert_shape!(branch, [batch, tokens, channels]);
    assert_shape!(gate, [_, 1, channels]);
    let [gates, ..] = gate.dims();
    assert!(
        gates == batch || gates == 1,
        "{gates} gates for {batch} samples"
    );
    if on_host(&x) && on_host(&gate) && on_host(&branch) {
        let inputs = [x, gate, branch].map(Tensor::into_dispatch);
        return Tensor::from_dispatch(run(GatedSum, inputs));
    }
    x + gate * branch.cast(DType::F32)
}

#[derive(Clone, Copy, Debug)]
struct GatedSum;

impl Operation<3> for GatedSum {
    fn keeps(&self, [_, of_gate, of_branch]: [bool; 3]) -> [bool; 3] {
        [false, of_gate || of_branch, of_gate]
    }

    fn forward(&self, [x, gate, branch]: [FlexTensor; 3]) -> FlexTensor {
        let [x, gate] = [x, gate].map(contiguous);
        let chunks = Chunks::of(&branch);
        let (x, gate) = (numbers(&x), numbers(&gate));
        let y = rewritten(branch, chunks.len, |chunk, branch| {
            let x = &x[chunk * chunks.len..][..branch.len()];
            let gates = chunks.gate(gate, chunk);
            for (x, branch) in chunks.rows(x).zip(chunks.rows_mut(branch)) {
                exp::gated(branch, gates, x);
            }
        });
        y.0
    }

    fn backward(
        &self,
        [_, gate, branch]: [Option<FlexTensor>; 3],
        dy: FlexTensor,
        [of_x, of_gate, of_branch]: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let dx = of_x.then(|| dy.clone());
        let Some(gate) = gate.map(contiguous) else {
            return [dx, None, None];
        };
        let chunks = Chunks::of(&dy);
        let branch = branch.map(contiguous);
        let gates = numbers(&gate);
        let (d_branch, sums) = rewritten(dy, chunks.len, |chunk, dy| {
            let mut sum = vec![0.0f32; chunks.channels];
            if let Some(branch) = &branch {
                let branch = &numbers(branch)[chunk * chunks.len..][..dy.len()];
                for (dy, branch) in chunks.rows(dy).zip(chunks.rows(branch)) {
                    add_products(&mut sum, dy, branch);
                }
            }
            let gate = chunks.gate(gates, chunk);
            for dy in chunks.rows_mut(dy) {
                multiply(dy, gate);
            }
            sum
        });
        let d_gate = of_gate.then(|| {
            let mut total = vec![0.0f32; gates.len()];
            for (chunk, sum) in sums.into_iter().enumerate() {
                add(
                    &mut total[chunks.place(gates.len(), chunk)..][..chunks.channels],
                    &sum,
                );
            }
            array(total, [gates.len() / chunks.channels, 1, chunks.channels])
        });
        [dx, d_gate, of_branch.then_some(d_branch)]
    }
}

/// Chunks of whole rows, each of one sample.
#[derive(Clone, Copy)]
struct Chunks {
    channels: usize,
    tokens: usize,
    /// Numbers of a chunk.
    len: usize,
}

impl Chunks {
    fn of(rows: &FlexTensor) -> Self {
        let [_, tokens, channels] = dims(rows);
        let divides = |rows: &usize| tokens.is_multiple_of(*rows);
        let rows = (1..=ROWS).rev().find(divides).unwrap_or(1);
        Self {
            channels,
            tokens,
            len: rows * channels,
        }
    }

    /// Where the gate of a chunk begins among so many numbers.
    fn place(&self, gates: usize, chunk: usize) -> usize {
        match gates == self.channels {
            true => 0,
            false => chunk * self.len / (self.tokens * self.channels) * self.channels,
        }
    }

    fn gate<'a>(&self, gates: &'a [f32], chunk: usize) -> &'a [f32] {
        &gates[self.place(gates.len(), chunk)..][..self.channels]
    }

    fn rows<'a>(&self, numbers: &'a [f32]) -> impl Iterator<Item = &'a [f32]> {
        numbers.chunks_exact(self.channels)
    }

    fn rows_mut<'a>(&self, numbers: &'a mut [f32]) -> impl Iterator<Item = &'a mut [f32]> {
        numbers.chunks_exact_mut(self.channels)
    }
}
