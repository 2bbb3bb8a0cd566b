//! Attention from a packed projection.

use burn::backend::flex::FlexTensor;
use burn::prelude::*;
use burn::tensor::activation::softmax;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{DType, module};

use crate::array::{array, contiguous, dims, numbers, rewritten};
use crate::exact;
use crate::kernel::attention::{self, Sizes};
use crate::kernel::{attention_backward, exp};
use crate::operation::{Operation, on_host, run};

/// `softmax(q k^T / sqrt(head_dim)) v` over all tokens, without mask.
///
/// On Burn's CPU backend in f32 it is one kernel for each head of each image, straight from the packed
/// projection, of which a graph keeps nothing else: the weights of the softmax are computed again for the
/// gradient. Elsewhere it is Burn's fused attention, which picks flash kernels on GPUs and is decomposed on a
/// graph, and where a card would round f32 ([`allow_tf32`](crate::allow_tf32)).
///
/// # Shapes
///
/// - qkv: `[batch, tokens, 3, heads, head_dim]`
/// - output: `[batch, tokens, heads * head_dim]`
pub fn packed_attention(qkv: Tensor<5>) -> Tensor<3> {
    assert_shape!(qkv, [_, _, 3, _, _]);
    if on_host(&qkv) {
        return run(Attention, [qkv.into_dispatch()]);
    }
    let [batch, tokens, _, heads, head_dim] = qkv.dims();
    let part = |i| {
        let part = qkv.clone().narrow(2, i, 1);
        part.squeeze_dim::<4>(2).swap_dims(1, 2) // [batch, heads, tokens, head_dim]
    };
    let out = match exact::is_split(&qkv) {
        true => {
            let queries = part(0) * (head_dim as f64).powf(-0.5);
            let scores = exact::matmul(queries, part(1).swap_dims(2, 3));
            exact::matmul(softmax(scores, 3), part(2))
        }
        false => {
            let options = AttentionModuleOptions::default();
            module::attention(part(0), part(1), part(2), None, None, options)
        }
    };
    out.swap_dims(1, 2)
        .reshape([batch, tokens, heads * head_dim])
}

/// Queries and keys of a packed projection turned by the angles of a table, values as they are.
///
/// Channels are paired half-split: the first of the first half with the first of the second. The turn is
/// `u * cos + swapped_halves(u) * sin`, in f32 whatever the type of `qkv`.
///
/// # Shapes
///
/// - qkv and output: `[batch, tokens, 3, heads, head_dim]`
/// - cos, and sin with its sign: `[1, tokens, 1, 1, head_dim]`, f32
///
/// # Panics
///
/// If the shapes do not fit each other.
pub fn turn_packed(qkv: Tensor<5>, cos: Tensor<5>, sin: Tensor<5>) -> Tensor<5> {
    let [_, tokens, _, _, head_dim] = qkv.dims();
    assert_shape!(qkv, [_, _, 3, _, _]);
    assert_shape!(cos, [1, tokens, 1, 1, head_dim]);
    assert_shape!(sin, [1, tokens, 1, 1, head_dim]);
    if on_host(&qkv) && on_host(&cos) && on_host(&sin) {
        return run(Turn, [qkv, cos, sin].map(Tensor::into_dispatch));
    }
    let turned = turn(qkv.clone().narrow(2, 0, 2), cos, sin);
    Tensor::cat(vec![turned, qkv.narrow(2, 2, 1)], 2)
}

/// [`turn_packed`] of queries and keys alone, or of any tensor whose axes fit, composed of Burn's operations.
///
/// # Shapes
///
/// - u and output: `[batch, tokens, parts, heads, head_dim]`
pub fn turn(u: Tensor<5>, cos: Tensor<5>, sin: Tensor<5>) -> Tensor<5> {
    let [.., head_dim] = u.dims();
    let dtype = u.dtype();
    let u = u.cast(DType::F32);
    let left = u.clone().narrow(4, 0, head_dim / 2);
    let right = u.clone().narrow(4, head_dim / 2, head_dim / 2);
    let swapped = Tensor::cat(vec![right, left], 4);
    (u * cos + swapped * sin).cast(dtype)
}

#[derive(Clone, Copy, Debug)]
struct Attention;

impl Operation<1> for Attention {
    fn forward(&self, [qkv]: [FlexTensor; 1]) -> FlexTensor {
        let (sizes, qkv) = (sizes(&qkv), contiguous(qkv));
        let out = attention::forward(sizes, numbers(&qkv));
        array(out, [sizes.batch, sizes.tokens, sizes.width()])
    }

    fn backward(
        &self,
        [qkv]: [FlexTensor; 1],
        dy: FlexTensor,
        _wanted: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        let [qkv, dy] = [qkv, dy].map(contiguous);
        let gradient = attention_backward::backward(sizes(&qkv), numbers(&qkv), numbers(&dy));
        [Some(array(gradient, dims::<5>(&qkv)))]
    }
}

fn sizes(qkv: &FlexTensor) -> Sizes {
    let [batch, tokens, _, heads, head_dim] = dims(qkv);
    Sizes {
        batch,
        tokens,
        heads,
        head_dim,
    }
}

/// The gradient goes through the transposed matrix of each turn, which is the turn back.
#[derive(Clone, Copy, Debug)]
struct Turn;

impl Operation<3> for Turn {
    fn keeps(&self, _wanted: [bool; 3]) -> [bool; 3] {
        [false, true, true]
    }

    fn forward(&self, [qkv, cos, sin]: [FlexTensor; 3]) -> FlexTensor {
        turned(qkv, cos, numbers(&contiguous(sin)))
    }

    fn backward(
        &self,
        [_, cos, sin]: [FlexTensor; 3],
        dy: FlexTensor,
        [qkv, of_cos, of_sin]: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        assert!(!(of_cos || of_sin), "the angles of a turn are constants");
        let back: Vec<f32> = numbers(&contiguous(sin)).iter().map(|sin| -sin).collect();
        [qkv.then(|| turned(dy, cos, &back)), None, None]
    }
}

/// Tokens for one thread at a time.
const TOKENS: usize = 16;

fn turned(qkv: FlexTensor, cos: FlexTensor, sin: &[f32]) -> FlexTensor {
    let [_, tokens, _, heads, head_dim] = dims(&qkv);
    let (width, cos) = (heads * head_dim, contiguous(cos));
    let cos = numbers(&cos);
    let turned = rewritten(qkv, TOKENS * 3 * width, |chunk, qkv| {
        for (row, qkv) in qkv.chunks_exact_mut(3 * width).enumerate() {
            let token = (chunk * TOKENS + row) % tokens * head_dim;
            let token = token..token + head_dim;
            for channels in qkv[..2 * width].chunks_exact_mut(head_dim) {
                exp::rotate(channels, &cos[token.clone()], &sin[token.clone()]);
            }
        }
    });
    turned.0
}
