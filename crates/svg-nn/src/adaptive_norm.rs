//! Layer norm whose scale and shift are given for each sample, and its gradients.

use burn::prelude::*;
use burn::tensor::TensorData;
use burn::tensor::module::layer_norm;
use rayon::prelude::*;

use crate::kernel::host::{numbers, numbers_mut};
use crate::kernel::on_host;
use crate::kernel::row_norm::RowNorm;

/// The gradients of [`adaptive_layer_norm`] at its three operands.
#[derive(Clone, Debug)]
pub struct AdaptiveNormGradients {
    /// At the input, `[batch, tokens, channels]`.
    pub x: Tensor<3>,
    /// At the shift, `[batch, 1, channels]`.
    pub shift: Tensor<3>,
    /// At the scale, `[batch, 1, channels]`.
    pub scale: Tensor<3>,
}

/// `y = (x - mean) / sqrt(variance + epsilon) (1 + scale) + shift` over the channels of a token: layer norm
/// without parameters of its own (Perez et al., arXiv 1709.07871; Peebles and Xie, arXiv 2212.09748).
///
/// On burn's CPU backend, outside autodiff, it takes one pass over memory and writes into `x` if nobody else
/// holds it; elsewhere it is composed of burn's operations.
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
    let [batch, tokens, channels] = x.dims();
    assert_shape!(shift, [batch, 1, channels]);
    assert_shape!(scale, [batch, 1, channels]);
    if !(on_host(&x) && on_host(&shift) && on_host(&scale)) {
        let ones = Tensor::ones([channels], &x.device());
        return layer_norm(x, ones, None, epsilon) * (scale + 1.0) + shift;
    }
    let device = x.device();
    let (mut x, shift) = (x.into_data(), shift.into_data());
    let factor = (scale + 1.0).into_data();
    numbers_mut(&mut x)
        .par_chunks_mut(tokens * channels)
        .zip(numbers(&factor).par_chunks(channels))
        .zip(numbers(&shift).par_chunks(channels))
        .for_each(|((rows, factor), term)| {
            RowNorm {
                factor,
                term,
                epsilon,
            }
            .forward(rows);
        });
    Tensor::from_data(x, &device)
}

/// The gradients of [`adaptive_layer_norm`], given the one at its result, in closed form.
///
/// # Shapes
///
/// - x and dy: `[batch, tokens, channels]`
/// - scale: `[batch, 1, channels]`
///
/// # Panics
///
/// If the shapes do not fit each other.
pub fn adaptive_layer_norm_backward(
    x: Tensor<3>,
    scale: Tensor<3>,
    epsilon: f64,
    dy: Tensor<3>,
) -> AdaptiveNormGradients {
    let [batch, tokens, channels] = x.dims();
    assert_shape!(scale, [batch, 1, channels]);
    assert_shape!(dy, [batch, tokens, channels]);
    if !(on_host(&x) && on_host(&scale) && on_host(&dy)) {
        return composed_backward(x, scale, epsilon, dy);
    }
    let device = x.device();
    let (x, mut dy) = (x.into_data(), dy.into_data());
    let factor = (scale + 1.0).into_data();
    let sums: Vec<_> = numbers(&x)
        .par_chunks(tokens * channels)
        .zip(numbers_mut(&mut dy).par_chunks_mut(tokens * channels))
        .zip(numbers(&factor).par_chunks(channels))
        .map(|((rows, dy), factor)| {
            let term = &[];
            RowNorm {
                factor,
                term,
                epsilon,
            }
            .backward(rows, dy)
        })
        .collect();
    let (scale, shift): (Vec<_>, Vec<_>) = sums.into_iter().map(|[f, t]| (f, t)).unzip();
    let of_sample = |sums: Vec<Vec<f32>>| {
        let data = TensorData::new(sums.concat(), [batch, 1, channels]);
        Tensor::from_data(data, &device)
    };
    AdaptiveNormGradients {
        x: Tensor::from_data(dy, &device),
        shift: of_sample(shift),
        scale: of_sample(scale),
    }
}

fn composed_backward(
    x: Tensor<3>,
    scale: Tensor<3>,
    epsilon: f64,
    dy: Tensor<3>,
) -> AdaptiveNormGradients {
    let (normed, deviation) = normed(x, epsilon);
    let pulled = dy.clone() * (scale + 1.0);
    AdaptiveNormGradients {
        x: through(pulled, normed.clone(), deviation),
        shift: dy.clone().sum_dim(1),
        scale: (dy * normed).sum_dim(1),
    }
}

/// `(x - mean) / deviation` over the last axis, and the deviation.
pub(crate) fn normed<const D: usize>(x: Tensor<D>, epsilon: f64) -> (Tensor<D>, Tensor<D>) {
    let centred = x.clone() - x.mean_dim(D - 1);
    let deviation = (centred.clone().square().mean_dim(D - 1) + epsilon).sqrt();
    (centred / deviation.clone(), deviation)
}

/// The gradient at the input of a norm, given the one at the normed numbers.
pub(crate) fn through<const D: usize>(
    gradient: Tensor<D>,
    normed: Tensor<D>,
    deviation: Tensor<D>,
) -> Tensor<D> {
    let plain = gradient.clone().mean_dim(D - 1);
    let along = (gradient.clone() * normed.clone()).mean_dim(D - 1);
    (gradient - plain - normed * along) / deviation
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};

    fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        Tensor::random(shape, Distribution::Normal(0.5, 2.0), &Device::default())
    }

    #[test]
    fn value_and_gradients_are_those_of_the_graph() {
        // More than one chunk of rows, and no multiple of a vector.
        let [x, dy] = [(); 2].map(|()| random([2, 70, 37]));
        let [shift, scale] = [(); 2].map(|()| random([2, 1, 37]));
        let leaf = |tensor: &Tensor<3>| Tensor::from_inner(tensor.clone()).require_grad();
        let (gx, gshift, gscale) = (leaf(&x), leaf(&shift), leaf(&scale));
        let expected = adaptive_layer_norm(gx.clone(), gshift.clone(), gscale.clone(), 1e-6);
        let graph = (expected.clone() * Tensor::from_inner(dy.clone())).sum();
        let graph = graph.backward();
        let near = |got: Tensor<3>, want: Tensor<3>| {
            let tolerance = Tolerance::relative(1e-4).set_absolute(1e-4);
            got.into_data()
                .assert_approx_eq::<f32>(&want.into_data(), tolerance);
        };
        let out = adaptive_layer_norm(x.clone(), shift, scale.clone(), 1e-6);
        near(out, expected.inner());
        for got in [
            adaptive_layer_norm_backward(x.clone(), scale.clone(), 1e-6, dy.clone()),
            composed_backward(x, scale, 1e-6, dy),
        ] {
            near(got.x, gx.grad(&graph).unwrap());
            near(got.shift, gshift.grad(&graph).unwrap());
            near(got.scale, gscale.grad(&graph).unwrap());
        }
    }

    #[test]
    fn a_tensor_that_someone_else_holds_is_left_alone() {
        let (x, dy) = (random([1, 3, 8]), random([1, 3, 8]));
        let scale = random([1, 1, 8]);
        let (before, dy_before) = (x.to_data(), dy.to_data());
        adaptive_layer_norm(x.clone(), scale.clone(), scale.clone(), 1e-6);
        adaptive_layer_norm_backward(x.clone(), scale, 1e-6, dy.clone());
        x.into_data().assert_eq(&before, true);
        dy.into_data().assert_eq(&dy_before, true);
    }

    #[test]
    #[should_panic(expected = "axis 0 expected 2, got 1")]
    fn there_is_one_shift_for_each_sample() {
        adaptive_layer_norm(
            random([2, 3, 8]),
            random([1, 1, 8]),
            random([2, 1, 8]),
            1e-6,
        );
    }
}
