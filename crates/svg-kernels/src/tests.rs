//! Values and gradients of every operation, beside those of Burn's operations.

use burn::module::Param;
use burn::prelude::*;
use burn::tensor::activation::{gelu_approximate, silu, softmax};
use burn::tensor::module::{conv2d, interpolate};
use burn::tensor::ops::{ConvOptions, InterpolateMode, InterpolateOptions};
use burn::tensor::{Distribution, Tolerance, module};

use crate::*;

pub(crate) fn random(count: usize) -> Tensor<1> {
    Tensor::random([count], Distribution::Normal(0.1, 1.0), &Device::flex())
}

/// Within 2e-5 of the largest number.
pub(crate) fn assert_close(got: Tensor<1>, want: Tensor<1>, what: &str) {
    let scale: f32 = want.clone().abs().max().into_scalar();
    let off: f32 = (got - want).abs().max().into_scalar();
    assert!(
        off <= 2e-5 * scale.max(1.0),
        "{what}: off by {off:e} of {scale:e}"
    );
}

/// The value of `f` and its gradients at those inputs that are `wanted`, given the gradient `dy` at it.
fn differentiated<const N: usize>(
    f: &impl Fn([Tensor<1>; N]) -> Tensor<1>,
    inputs: &[Tensor<1>; N],
    wanted: [bool; N],
    dy: &Tensor<1>,
) -> (Tensor<1>, [Option<Tensor<1>>; N]) {
    let leaves: [Tensor<1>; N] = std::array::from_fn(|i| match wanted[i] {
        true => inputs[i].clone().autodiff().require_grad(),
        // A constant outside any graph.
        false => inputs[i].clone(),
    });
    let y = f(leaves.clone());
    let found = (y.clone() * dy.clone()).sum().backward();
    (y.inner(), leaves.map(|leaf| leaf.grad(&found)))
}

/// Inputs of so many numbers each: values and gradients of both functions, for all inputs at once and for
/// each alone; the value is the same bits outside a graph, and no input is overwritten.
pub(crate) fn check<const N: usize>(
    lens: [usize; N],
    ours: impl Fn([Tensor<1>; N]) -> Tensor<1>,
    composed: impl Fn([Tensor<1>; N]) -> Tensor<1>,
) {
    let inputs = lens.map(random);
    let before = inputs.each_ref().map(|input| input.to_data());
    let value = ours(inputs.clone());
    let dy = random(value.dims()[0]);
    assert_close(value.clone(), composed(inputs.clone()), "the value");
    let (_, want) = differentiated(&composed, &inputs, [true; N], &dy);
    let alone = (0..N).map(|only| std::array::from_fn(|i| i == only));
    for wanted in std::iter::once([true; N]).chain(alone) {
        let (on_graph, got) = differentiated(&ours, &inputs, wanted, &dy);
        on_graph.into_data().assert_eq(&value.to_data(), true);
        for (i, got) in got.into_iter().enumerate() {
            assert_eq!(got.is_some(), wanted[i]);
            if let (Some(got), Some(want)) = (got, want[i].clone()) {
                assert_close(got, want, &format!("gradient {i} of {N}"));
            }
        }
    }
    for (input, before) in inputs.into_iter().zip(before) {
        input.into_data().assert_eq(&before, true);
    }
}

pub(crate) fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    tensor.flatten(0, D as isize - 1)
}

#[test]
fn linear_layers_have_the_gradients_of_products() {
    // Fewer rows than are padded to, and more than one chunk of them.
    for tokens in [2, 37, 2000] {
        let x = |x: Tensor<1>| x.reshape([2, tokens, 7]);
        let w = |w: Tensor<1>| w.reshape([7, 15]);
        let product = |x: Tensor<3>, w: Tensor<1>, b: Tensor<1>| {
            flat(x.matmul(w.reshape([1, 7, 15])) + b.unsqueeze())
        };
        let lens = [2 * tokens * 7, 7 * 15, 15];
        let [len, ..] = lens;
        check(
            lens,
            |[a, c, b]| flat(linear(x(a), w(c), Some(b))),
            |[a, c, b]| product(x(a), c, b),
        );
        check(
            [len, 7 * 15],
            |[a, c]| flat(linear(x(a), w(c), None)),
            |[a, c]| flat(x(a).matmul(c.reshape([1, 7, 15]))),
        );
        check(
            lens,
            |[a, c, b]| flat(activated_linear(Activation::GeluTanh, x(a), w(c), Some(b))),
            |[a, c, b]| product(gelu_approximate(x(a)), c, b),
        );
        check(
            [len, len, 7 * 15, 15],
            |[g, u, c, b]| flat(gated_linear(x(g), x(u), w(c), Some(b))),
            |[g, u, c, b]| product(silu(x(g)) * x(u), c, b),
        );
    }
}

#[test]
fn a_row_is_the_same_alone_and_among_others() {
    let (x, w) = (random(20 * 1152).reshape([20, 1152]), random(1152 * 96));
    let w = w.reshape([1152, 96]);
    let all = linear(x.clone(), w.clone(), None);
    for rows in [1, 3, 7, 8] {
        let some = linear(x.clone().narrow(0, 5, rows), w.clone(), None);
        let want = all.clone().narrow(0, 5, rows).into_data();
        some.into_data().assert_eq(&want, true);
    }
}

#[test]
fn activations_have_the_gradients_of_their_formulas() {
    let exact = |x: Tensor<1>| {
        let below = (x.clone() * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0;
        x * below * 0.5
    };
    // More than one chunk of work, and no multiple of a vector.
    for count in [5, 40_001] {
        check([count], |[x]| Activation::Gelu.forward(x), |[x]| exact(x));
        check(
            [count],
            |[x]| Activation::GeluTanh.forward(x),
            |[x]| gelu_approximate(x),
        );
    }
}

#[test]
fn attention_has_the_gradients_of_its_formula() {
    for [tokens, heads, head_dim] in [[37, 3, 16], [5, 1, 8], [70, 2, 64]] {
        let shape = [2, tokens, 3, heads, head_dim];
        let composed = |qkv: Tensor<1>| {
            let qkv = qkv.reshape(shape);
            let part = |i| {
                let part = qkv.clone().narrow(2, i, 1);
                part.squeeze_dim::<4>(2).swap_dims(1, 2)
            };
            let scores = part(0).matmul(part(1).swap_dims(2, 3)) / (head_dim as f64).sqrt();
            flat(softmax(scores, 3).matmul(part(2)).swap_dims(1, 2))
        };
        check(
            [shape.iter().product()],
            |[qkv]| flat(packed_attention(qkv.reshape(shape))),
            |[qkv]| composed(qkv),
        );
    }
}

#[test]
fn a_turn_has_the_gradient_of_its_formula() {
    let shape = [2, 21, 3, 3, 16];
    let table = |seed: f64| {
        let table = Tensor::<1, Int>::arange(0..21 * 16, &Device::flex()).float();
        (table * 0.37 + seed).sin().reshape([1, 21, 1, 1, 16])
    };
    // The tables are those of a rotation, whose turn back is its transposed matrix.
    let sin = |s: Tensor<5>| {
        let half = s.narrow(4, 0, 8);
        Tensor::cat(vec![half.clone().neg(), half], 4)
    };
    let cos = |c: Tensor<5>| {
        let half = c.narrow(4, 0, 8);
        Tensor::cat(vec![half.clone(), half], 4)
    };
    check(
        [shape.iter().product()],
        |[qkv]| {
            flat(turn_packed(
                qkv.reshape(shape),
                cos(table(0.0)),
                sin(table(1.0)),
            ))
        },
        |[qkv]| {
            let qkv = qkv.reshape(shape);
            let pair = qkv.clone().narrow(2, 0, 2);
            let turned = turn(pair, cos(table(0.0)), sin(table(1.0)));
            flat(Tensor::cat(vec![turned, qkv.narrow(2, 2, 1)], 2))
        },
    );
}

#[test]
fn norms_of_rows_have_the_gradients_of_their_formulas() {
    // More than one chunk of rows, no multiple of a vector; a prime number of tokens.
    for tokens in [70, 67] {
        let x = |x: Tensor<1>| x.reshape([2, tokens, 37]);
        let sample = |v: Tensor<1>| v.reshape([2, 1, 37]);
        let normed = |x: Tensor<3>| {
            let centred = x.clone() - x.mean_dim(2);
            let variance = centred.clone().square().mean_dim(2);
            centred / (variance + 1e-3).sqrt()
        };
        check(
            [2 * tokens * 37, 2 * 37, 2 * 37],
            |[a, t, s]| flat(adaptive_layer_norm(x(a), sample(t), sample(s), 1e-3)),
            |[a, t, s]| flat(normed(x(a)) * (sample(s) + 1.0) + sample(t)),
        );
        check(
            [2 * tokens * 37, 37, 37],
            |[a, g, b]| flat(layer_norm(x(a), g, Some(b), 1e-3)),
            |[a, g, b]| flat(normed(x(a)) * g.unsqueeze() + b.unsqueeze()),
        );
        check(
            [2 * tokens * 37, 37],
            |[a, g]| flat(layer_norm(x(a), g, None, 1e-3)),
            |[a, g]| flat(normed(x(a)) * g.unsqueeze()),
        );
    }
}

#[test]
fn gated_sums_have_the_gradients_of_their_formula() {
    for [batch, gates, tokens] in [[3, 3, 70], [3, 1, 67], [1, 1, 5]] {
        let x = |x: Tensor<1>| x.reshape([batch, tokens, 37]);
        let gate = |g: Tensor<1>| g.reshape([gates, 1, 37]);
        let count = batch * tokens * 37;
        check(
            [count, gates * 37, count],
            |[a, g, b]| flat(gated_sum(x(a), gate(g), x(b))),
            |[a, g, b]| flat(x(a) + gate(g) * x(b)),
        );
    }
}

#[test]
fn norms_of_heads_have_the_gradients_of_layer_norms() {
    let shape = [2, 41, 3, 3, 8];
    check(
        [shape.iter().product(), 8, 8, 8, 8],
        |[qkv, a, b, c, d]| {
            let qkv = qkv.reshape(shape);
            flat(normalise_heads(qkv, [a, b], [c, d], 1e-5))
        },
        |[qkv, a, b, c, d]| {
            let part = |i| qkv.clone().reshape(shape).narrow(2, i, 1);
            let [queries, keys] = [(0, a, b), (1, c, d)]
                .map(|(i, gamma, beta)| module::layer_norm(part(i), gamma, Some(beta), 1e-5));
            flat(Tensor::cat(vec![queries, keys, part(2)], 2))
        },
    );
}

/// Batch, channels, groups, height and width: odd sizes, several chunks.
const IMAGES: [[usize; 5]; 3] = [[2, 6, 3, 5, 7], [3, 4, 4, 1, 3], [2, 4, 2, 67, 71]];

#[test]
fn group_norms_have_the_gradients_of_their_formula() {
    for [batch, channels, groups, height, width] in IMAGES {
        let x = |x: Tensor<1>| x.reshape([batch, channels, height, width]);
        for swish in [false, true] {
            let norm = GroupNorm {
                groups,
                epsilon: 1e-6,
                swish,
            };
            check(
                [batch * channels * height * width, channels, channels],
                |[a, g, b]| flat(norm.forward(x(a), g, b)),
                |[a, g, b]| flat(norm.composed(x(a), g, b)),
            );
        }
    }
}

fn options() -> ConvOptions<2> {
    ConvOptions::new([1, 1], [1, 1], [1, 1], 1)
}

#[test]
fn convolutions_have_the_gradients_of_burns() {
    // One pixel, few channels, several bands of tiles that end within an image, several blocks of channels.
    for [batch, inputs, outputs, height, width] in [
        [1, 1, 1, 1, 1],
        [3, 5, 2, 1, 3],
        [2, 3, 4, 5, 1],
        [2, 17, 140, 5, 7],
        [3, 130, 19, 21, 26],
        [2, 4, 3, 9, 301],
        [1, 12, 20, 40, 40],
    ] {
        let x = |x: Tensor<1>| x.reshape([batch, inputs, height, width]);
        let w = |w: Tensor<1>| w.reshape([outputs, inputs, 3, 3]);
        let lens = [
            batch * inputs * height * width,
            outputs * inputs * 9,
            outputs,
        ];
        check(
            lens,
            |[a, c, b]| flat(conv3x3(x(a), w(c), Some(b))),
            |[a, c, b]| flat(conv2d(x(a), w(c), Some(b), options())),
        );
    }
}

#[test]
fn convolutions_of_patches_have_the_gradients_of_burns() {
    for [batch, inputs, outputs, size, rows, columns] in [[2, 5, 3, 1, 6, 7], [3, 3, 10, 4, 2, 3]] {
        let x = |x: Tensor<1>| x.reshape([batch, inputs, rows * size, columns * size]);
        let w = |w: Tensor<1>| w.reshape([outputs, inputs, size, size]);
        let options = || ConvOptions::new([size, size], [0, 0], [1, 1], 1);
        let pixels = batch * inputs * rows * columns * size * size;
        check(
            [pixels, outputs * inputs * size * size, outputs],
            |[a, c, b]| flat(patch_conv(x(a), w(c), Some(b))),
            |[a, c, b]| flat(conv2d(x(a), w(c), Some(b), options())),
        );
    }
}

#[test]
fn convolutions_of_what_is_computed_again_have_the_gradients_of_both_steps() {
    for [batch, channels, groups, height, width] in IMAGES {
        let x = |x: Tensor<1>| x.reshape([batch, channels, height, width]);
        let w = |w: Tensor<1>| w.reshape([5, channels, 3, 3]);
        let (count, weights) = (batch * channels * height * width, 5 * channels * 9);
        check(
            [count, weights, 5],
            |[a, c, b]| flat(doubled_conv3x3(x(a), w(c), Some(b))),
            |[a, c, b]| {
                let nearest = InterpolateOptions::new(InterpolateMode::Nearest)
                    .with_align_corners(false)
                    .with_scale_factor([2.0, 2.0]);
                flat(conv2d(interpolate(x(a), nearest), w(c), Some(b), options()))
            },
        );
        let norm = GroupNorm {
            groups,
            epsilon: 1e-6,
            swish: true,
        };
        check(
            [count, channels, channels, weights, 5],
            |[a, g, s, c, b]| flat(normed_conv3x3(norm, x(a), [g, s], w(c), Some(b))),
            |[a, g, s, c, b]| flat(conv2d(norm.composed(x(a), g, s), w(c), Some(b), options())),
        );
    }
}

#[test]
fn a_view_is_read_as_what_it_shows() {
    let x = random(2 * 7 * 6 * 5).reshape([2, 7, 6, 5]);
    let weight = random(3 * 4 * 9).reshape([3, 4, 3, 3]).swap_dims(2, 3);
    let view = x.narrow(1, 2, 4).swap_dims(2, 3);
    let want = conv2d(view.clone(), weight.clone(), None, options());
    assert_close(flat(conv3x3(view, weight, None)), flat(want), "a view");
}

/// A block of which nothing but this test knows.
#[derive(Module, Debug)]
struct Net {
    first: Param<Tensor<2>>,
    frozen: Param<Tensor<2>>,
    second: Param<Tensor<1>>,
}

impl Net {
    fn new(device: &Device) -> Self {
        let weight = |count: usize| Tensor::from_data(random(count).into_data(), device);
        Self {
            first: Param::from_tensor(weight(16).reshape([4, 4])),
            frozen: Param::from_tensor(weight(16).reshape([4, 4])).set_require_grad(false),
            second: Param::from_tensor(weight(4)),
        }
    }

    fn forward(&self, x: Tensor<3>, condition: Tensor<2>) -> Tensor<3> {
        let hidden = linear(x, self.first.val(), Some(self.second.val())).tanh();
        let mixed = hidden.matmul(self.frozen.val().unsqueeze());
        mixed * condition.unsqueeze_dim(1)
    }
}

#[test]
fn a_checkpointed_chain_has_the_gradients_of_the_chain() {
    let device = Device::flex().autodiff();
    let nets = [Net::new(&device), Net::new(&device)];
    let x = random(2 * 3 * 4).reshape::<3, _>([2, 3, 4]);
    let condition = random(8).reshape::<2, _>([2, 4]);
    let mut all = Vec::new();
    for checkpointing in [false, true] {
        let [x, condition] = [
            flat(x.clone()).autodiff().require_grad(),
            flat(condition.clone()).autodiff().require_grad(),
        ];
        // Not leaves themselves.
        let (tokens, c) = (x.clone() * 2.0, condition.clone() * 3.0);
        let (tokens, c) = (tokens.reshape([2, 3, 4]), c.reshape([2, 4]));
        let y = nets.iter().fold(tokens, |tokens, net| match checkpointing {
            true => checkpointed(net, tokens, c.clone(), Net::forward),
            false => net.forward(tokens, c.clone()),
        });
        let value = y.clone().inner().into_data();
        let found = y.square().sum().backward();
        let mut gradients = vec![x.grad(&found).unwrap(), condition.grad(&found).unwrap()];
        for net in &nets {
            gradients.push(flat(net.first.grad(&found).unwrap()));
            gradients.push(net.second.grad(&found).unwrap());
            assert!(net.frozen.grad(&found).is_none());
        }
        all.push((value, gradients));
    }
    let (checkpointed, plain) = (all.pop().unwrap(), all.pop().unwrap());
    checkpointed.0.assert_eq(&plain.0, true);
    for (got, want) in checkpointed.1.into_iter().zip(plain.1) {
        let near = Tolerance::relative(1e-5).set_absolute(1e-5);
        got.into_data()
            .assert_approx_eq::<f32>(&want.into_data(), near);
    }
}

#[test]
fn outside_a_graph_a_checkpointed_block_is_the_block() {
    let net = Net::new(&Device::flex());
    let x = random(24).reshape::<3, _>([2, 3, 4]);
    let condition = random(8).reshape::<2, _>([2, 4]);
    let want = net.forward(x.clone(), condition.clone()).into_data();
    let got = checkpointed(&net, x, condition, Net::forward);
    got.into_data().assert_eq(&want, true);
}

/// Burn keeps graphs behind locks, which a gradient that runs a graph of its own must not wait for.
#[test]
fn checkpointed_chains_on_several_threads_have_the_gradients_of_one() {
    let device = Device::flex().autodiff();
    let net = Net::new(&device);
    let x = random(24).reshape::<3, _>([2, 3, 4]);
    let condition = random(8).reshape::<2, _>([2, 4]);
    let gradient = |net: &Net| {
        let mut tokens = x.clone().autodiff().require_grad();
        for _ in 0..4 {
            tokens = checkpointed(net, tokens, condition.clone(), Net::forward);
        }
        let found = tokens.square().sum().backward();
        flat(net.first.grad(&found).unwrap()).into_data()
    };
    let want = gradient(&net);
    let copies = [(); 3].map(|()| net.clone().fork(&device));
    std::thread::scope(|scope| {
        let all = copies.each_ref().map(|net| {
            scope.spawn(|| {
                for _ in 0..20 {
                    gradient(net).assert_eq(&want, true);
                }
            })
        });
        for thread in all {
            thread.join().unwrap();
        }
    });
}
