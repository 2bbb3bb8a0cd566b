//! Group norm, with or without the swish that follows it in networks for images, and its gradients.

use burn::prelude::*;
use burn::tensor::TensorData;
use burn::tensor::activation::sigmoid;

use crate::kernel::host::{numbers, numbers_mut};
use crate::kernel::norm::GroupNorm;
use crate::kernel::on_host;

/// The gradients of [`group_norm_swish`] or [`group_norm`] at its three operands.
#[derive(Clone, Debug)]
pub struct GroupNormSwishGradients {
    /// At the input, `[batch, channels, height, width]`.
    pub x: Tensor<4>,
    /// At the factors, `[channels]`.
    pub gamma: Tensor<1>,
    /// At the terms, `[channels]`.
    pub beta: Tensor<1>,
}

/// `y = z sigmoid(z)` with `z = group_norm(x)`: see [`group_norm`].
///
/// # Shapes
///
/// - x and output: `[batch, channels, height, width]`
/// - gamma and beta: `[channels]`
///
/// # Panics
///
/// If the shapes do not fit each other, or the channels do not divide into the groups.
pub fn group_norm_swish(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    groups: usize,
    epsilon: f64,
) -> Tensor<4> {
    Norm::new(&x, gamma, beta, groups, epsilon, true).forward(x)
}

/// `y = gamma (x - mean) / sqrt(variance + epsilon) + beta`, where mean and (biased) variance are those of a
/// group of channels of one image, over all pixels (Wu and He, arXiv 1803.08494).
///
/// On burn's CPU backend, outside autodiff, it takes two passes over memory, with statistics in f64, and
/// writes into `x` if nobody else holds it; elsewhere it is composed of burn's operations.
///
/// # Shapes
///
/// - x and output: `[batch, channels, height, width]`
/// - gamma and beta: `[channels]`
///
/// # Panics
///
/// If the shapes do not fit each other, or the channels do not divide into the groups.
pub fn group_norm(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    groups: usize,
    epsilon: f64,
) -> Tensor<4> {
    Norm::new(&x, gamma, beta, groups, epsilon, false).forward(x)
}

/// The gradients of [`group_norm_swish`], given the one at its result, in closed form.
///
/// # Shapes
///
/// - x and dy: `[batch, channels, height, width]`
/// - gamma and beta: `[channels]`
///
/// # Panics
///
/// If the shapes do not fit each other, or the channels do not divide into the groups.
pub fn group_norm_swish_backward(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    groups: usize,
    epsilon: f64,
    dy: Tensor<4>,
) -> GroupNormSwishGradients {
    Norm::new(&x, gamma, beta, groups, epsilon, true).backward(x, dy)
}

/// The gradients of [`group_norm`], given the one at its result, in closed form.
///
/// # Shapes
///
/// - x and dy: `[batch, channels, height, width]`
/// - gamma and beta: `[channels]`
///
/// # Panics
///
/// If the shapes do not fit each other, or the channels do not divide into the groups.
pub fn group_norm_backward(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    groups: usize,
    epsilon: f64,
    dy: Tensor<4>,
) -> GroupNormSwishGradients {
    Norm::new(&x, gamma, beta, groups, epsilon, false).backward(x, dy)
}

/// All but the tensors that the norm is about.
struct Norm {
    gamma: Tensor<1>,
    beta: Tensor<1>,
    groups: usize,
    epsilon: f64,
    swish: bool,
}

impl Norm {
    fn new(
        x: &Tensor<4>,
        gamma: Tensor<1>,
        beta: Tensor<1>,
        groups: usize,
        epsilon: f64,
        swish: bool,
    ) -> Self {
        let [_, channels, ..] = x.dims();
        assert_shape!(gamma, [channels]);
        assert_shape!(beta, [channels]);
        assert!(
            groups > 0 && channels.is_multiple_of(groups),
            "{channels} channels do not divide into {groups} groups"
        );
        Self {
            gamma,
            beta,
            groups,
            epsilon,
            swish,
        }
    }

    fn forward(self, x: Tensor<4>) -> Tensor<4> {
        if !self.on_host(&x) {
            return self.forward_composed(x);
        }
        let device = x.device();
        let [.., height, width] = x.dims();
        let mut x = x.into_data();
        self.with_kernel(height * width, |norm| norm.forward(numbers_mut(&mut x)));
        Tensor::from_data(x, &device)
    }

    fn backward(self, x: Tensor<4>, dy: Tensor<4>) -> GroupNormSwishGradients {
        let [batch, channels, height, width] = x.dims();
        assert_shape!(dy, [batch, channels, height, width]);
        if !(self.on_host(&x) && on_host(&dy)) {
            return self.backward_composed(x, dy);
        }
        let device = x.device();
        let (x, mut dy) = (x.into_data(), dy.into_data());
        let (gamma, beta) = self.with_kernel(height * width, |norm| {
            norm.backward(numbers(&x), numbers_mut(&mut dy))
        });
        let vector = |sums| Tensor::from_data(TensorData::new(sums, [channels]), &device);
        GroupNormSwishGradients {
            x: Tensor::from_data(dy, &device),
            gamma: vector(gamma),
            beta: vector(beta),
        }
    }

    fn on_host(&self, x: &Tensor<4>) -> bool {
        on_host(x) && on_host(&self.gamma) && on_host(&self.beta)
    }

    fn with_kernel<T>(self, pixels: usize, call: impl FnOnce(GroupNorm) -> T) -> T {
        let (gamma, beta) = (self.gamma.into_data(), self.beta.into_data());
        call(GroupNorm {
            gamma: numbers(&gamma),
            beta: numbers(&beta),
            groups: self.groups,
            pixels,
            epsilon: self.epsilon,
            swish: self.swish,
        })
    }

    fn forward_composed(&self, x: Tensor<4>) -> Tensor<4> {
        let (normed, _) = self.normed(x);
        let z = self.affine(normed);
        match self.swish {
            true => z.clone() * sigmoid(z),
            false => z,
        }
    }

    fn backward_composed(&self, x: Tensor<4>, dy: Tensor<4>) -> GroupNormSwishGradients {
        let [batch, channels, height, width] = x.dims();
        let (normed, scale) = self.normed(x);
        let mut dz = dy;
        if self.swish {
            let z = self.affine(normed.clone());
            let sigmoid = sigmoid(z.clone());
            dz = dz * sigmoid.clone() * (z * (sigmoid.neg() + 1.0) + 1.0);
        }
        let over_channels = |of: Tensor<4>| of.sum_dims(&[0, 2, 3]).reshape([channels]);
        let gamma = over_channels(dz.clone() * normed.clone());
        let beta = over_channels(dz.clone());
        let pull = self.by_groups(dz * self.gamma.clone().reshape([1, channels, 1, 1]));
        let normed = self.by_groups(normed);
        let along = (pull.clone() * normed.clone()).mean_dim(2); // [batch, groups, 1]
        let dx = (pull.clone() - pull.mean_dim(2) - normed * along) * scale;
        GroupNormSwishGradients {
            x: dx.reshape([batch, channels, height, width]),
            gamma,
            beta,
        }
    }

    /// `(x - mean) / sqrt(variance + epsilon)`, and one over the root, `[batch, groups, 1]`.
    fn normed(&self, x: Tensor<4>) -> (Tensor<4>, Tensor<3>) {
        let shape = x.dims();
        let x = self.by_groups(x);
        let centred = x.clone() - x.mean_dim(2);
        let variance = centred.clone().square().mean_dim(2);
        let scale = (variance + self.epsilon).sqrt().recip();
        ((centred * scale.clone()).reshape(shape), scale)
    }

    fn affine(&self, normed: Tensor<4>) -> Tensor<4> {
        let channels = |vector: &Tensor<1>| vector.clone().reshape([1, -1, 1, 1]);
        normed * channels(&self.gamma) + channels(&self.beta)
    }

    fn by_groups(&self, x: Tensor<4>) -> Tensor<3> {
        let [batch, channels, height, width] = x.dims();
        x.reshape([batch, self.groups, channels / self.groups * height * width])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};

    /// Batch, channels, groups, height and width: odd sizes, one number in a group, several chunks.
    const CASES: [[usize; 5]; 4] = [
        [2, 6, 3, 5, 7],
        [1, 1, 1, 1, 1],
        [3, 4, 4, 1, 3],
        [2, 4, 2, 67, 71],
    ];

    fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        Tensor::random(shape, Distribution::Normal(0.3, 1.5), &Device::default())
    }

    /// Within 1e-5 of the largest number.
    fn assert_close<const D: usize>(got: Tensor<D>, want: Tensor<D>) {
        let largest = want.clone().abs().max().into_scalar::<f32>();
        let tolerance = Tolerance::absolute(1e-5 * largest.max(1.0));
        got.into_data()
            .assert_approx_eq::<f32>(&want.into_data(), tolerance);
    }

    fn forward(swish: bool) -> fn(Tensor<4>, Tensor<1>, Tensor<1>, usize, f64) -> Tensor<4> {
        if swish { group_norm_swish } else { group_norm }
    }

    fn gradients(
        swish: bool,
        x: Tensor<4>,
        [gamma, beta]: [Tensor<1>; 2],
        groups: usize,
        dy: Tensor<4>,
    ) -> GroupNormSwishGradients {
        match swish {
            true => group_norm_swish_backward(x, gamma, beta, groups, 1e-6, dy),
            false => group_norm_backward(x, gamma, beta, groups, 1e-6, dy),
        }
    }

    #[test]
    fn both_forms_of_the_norm_agree() {
        for [batch, channels, groups, height, width] in CASES {
            let x = random([batch, channels, height, width]);
            let (gamma, beta) = (random([channels]), random([channels]));
            for swish in [false, true] {
                let norm = Norm::new(&x, gamma.clone(), beta.clone(), groups, 1e-6, swish);
                let want = norm.forward_composed(x.clone());
                let got = forward(swish)(x.clone(), gamma.clone(), beta.clone(), groups, 1e-6);
                assert_close(got, want);
            }
        }
    }

    #[test]
    fn the_gradients_are_those_of_autodiff_in_both_forms() {
        // One number in a group has no gradient but noise, which its tiny deviation magnifies.
        for [batch, channels, groups, height, width] in
            CASES.into_iter().filter(|case| case[3] * case[4] > 1)
        {
            let (x, dy) = (
                random([batch, channels, height, width]),
                random([batch, channels, height, width]),
            );
            let affine = [random([channels]), random([channels])];
            for swish in [false, true] {
                let tracked = Tensor::<4>::from_inner(x.clone()).require_grad();
                let [gamma, beta] = affine
                    .clone()
                    .map(|of| Tensor::<1>::from_inner(of).require_grad());
                let y = forward(swish)(tracked.clone(), gamma.clone(), beta.clone(), groups, 1e-6);
                let grads = (y * Tensor::from_inner(dy.clone())).sum().backward();
                let norm = Norm::new(
                    &x,
                    affine[0].clone(),
                    affine[1].clone(),
                    groups,
                    1e-6,
                    swish,
                );
                for got in [
                    gradients(swish, x.clone(), affine.clone(), groups, dy.clone()),
                    norm.backward_composed(x.clone(), dy.clone()),
                ] {
                    assert_close(got.x, tracked.grad(&grads).expect("of the input"));
                    assert_close(got.gamma, gamma.grad(&grads).expect("of the factors"));
                    assert_close(got.beta, beta.grad(&grads).expect("of the terms"));
                }
            }
        }
    }

    #[test]
    fn a_tensor_that_someone_else_holds_is_left_alone() {
        let x = random([1, 4, 3, 3]);
        let (before, affine) = (x.to_data(), [random([4]), random([4])]);
        let [gamma, beta] = affine.clone();
        group_norm_swish(x.clone(), gamma, beta, 2, 1e-6);
        gradients(true, x.clone(), affine, 2, x.clone());
        x.into_data().assert_eq(&before, true);
    }

    #[test]
    #[should_panic(expected = "6 channels do not divide into 4 groups")]
    fn channels_must_divide_into_groups() {
        group_norm(random([1, 6, 2, 2]), random([6]), random([6]), 4, 1e-6);
    }
}
