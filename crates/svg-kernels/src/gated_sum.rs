//! A residual branch behind a gate.

use burn::backend::flex::FlexTensor;
use burn::prelude::*;
use burn::tensor::DType;

use crate::array::{array, contiguous, numbers, present, rewritten, rewritten_beside};
use crate::kernel::exp::{self, add, add_products, multiply};
use crate::operation::{Operation, on_host, run};
use crate::rows::SampleRows;

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
        return run(GatedSum, [x, gate, branch].map(Tensor::into_dispatch));
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
        let gate = contiguous(gate);
        let (rows, gates) = (SampleRows::of(&branch), numbers(&gate));
        let y = rewritten_beside(branch, x, rows.chunk, |chunk, branch, x| {
            let gate = rows.vector(gates, chunk);
            let x = x.chunks_exact(rows.channels);
            for (branch, x) in branch.chunks_exact_mut(rows.channels).zip(x) {
                exp::gated(branch, gate, x);
            }
        });
        y.0
    }

    fn backward(
        &self,
        [_, gate, branch]: [FlexTensor; 3],
        dy: FlexTensor,
        [of_x, of_gate, of_branch]: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let dx = of_x.then(|| dy.clone());
        if !(of_gate || of_branch) {
            return [dx, None, None];
        }
        let (gate, branch) = (contiguous(gate), present(branch).map(contiguous));
        let (rows, gates) = (SampleRows::of(&dy), numbers(&gate));
        let (d_branch, sums) = rewritten(dy, rows.chunk, |chunk, dy| {
            let mut sum = vec![0.0f32; rows.channels];
            if let Some(branch) = &branch {
                let branch = &numbers(branch)[chunk * rows.chunk..][..dy.len()];
                let branch = branch.chunks_exact(rows.channels);
                for (dy, branch) in dy.chunks_exact(rows.channels).zip(branch) {
                    add_products(&mut sum, dy, branch);
                }
            }
            let gate = rows.vector(gates, chunk);
            for dy in dy.chunks_exact_mut(rows.channels) {
                multiply(dy, gate);
            }
            sum
        });
        let d_gate = of_gate.then(|| {
            let mut total = vec![0.0f32; gates.len()];
            for (chunk, sum) in sums.iter().enumerate() {
                let place = rows.place(gates.len(), chunk);
                add(&mut total[place..][..rows.channels], sum);
            }
            array(total, [gates.len() / rows.channels, 1, rows.channels])
        });
        [dx, d_gate, of_branch.then_some(d_branch)]
    }
}
