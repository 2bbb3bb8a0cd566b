//! The norm of the decoder, and the activation that nearly always follows it.

use burn::nn::{GroupNorm, GroupNormConfig};
use burn::prelude::*;

use crate::DecoderGradients;

/// A norm over `groups` of channels and all positions. Burn's default epsilon is ten times this one.
pub(crate) fn group_norm(groups: usize, channels: usize, device: &Device) -> GroupNorm {
    GroupNormConfig::new(groups, channels)
        .with_epsilon(1e-6)
        .init(device)
}

/// The norm without activation, which attention has before it.
///
/// # Shapes
///
/// - input and output: `[batch, channels, height, width]`
pub(crate) fn norm_only(norm: &GroupNorm, x: Tensor<4>) -> Tensor<4> {
    let [gamma, beta] = affine(norm);
    svg_nn::group_norm(x, gamma, beta, norm.num_groups, norm.epsilon)
}

/// `swish(norm(x))` with `swish(y) = y sigmoid(y)`.
///
/// # Shapes
///
/// - input and output: `[batch, channels, height, width]`
pub(crate) fn norm_swish(norm: &GroupNorm, x: Tensor<4>) -> Tensor<4> {
    let [gamma, beta] = affine(norm);
    svg_nn::group_norm_swish(x, gamma, beta, norm.num_groups, norm.epsilon)
}

/// The same on the plain device, its parameters taken as constants.
pub(crate) fn plain_norm_swish(norm: &GroupNorm, x: Tensor<4>) -> Tensor<4> {
    let [gamma, beta] = affine(norm).map(Tensor::without_autodiff);
    svg_nn::group_norm_swish(x, gamma, beta, norm.num_groups, norm.epsilon)
}

/// The gradient at the input of [`plain_norm_swish`], given the one at its output; those of the
/// parameters are noted.
pub(crate) fn norm_swish_backward(
    norm: &GroupNorm,
    x: Tensor<4>,
    gradient: Tensor<4>,
    sink: &mut DecoderGradients,
) -> Tensor<4> {
    let [gamma, beta] = affine(norm).map(Tensor::without_autodiff);
    let (groups, epsilon) = (norm.num_groups, norm.epsilon);
    let gradients = svg_nn::group_norm_swish_backward(x, gamma, beta, groups, epsilon, gradient);
    sink.vector(norm.gamma.as_ref(), gradients.gamma);
    sink.vector(norm.beta.as_ref(), gradients.beta);
    gradients.x
}

fn affine(norm: &GroupNorm) -> [Tensor<1>; 2] {
    let gamma = norm.gamma.as_ref().expect("every norm here is affine");
    let beta = norm.beta.as_ref().expect("every norm here is affine");
    [gamma.val(), beta.val()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};

    #[test]
    fn groups_are_normed_over_their_channels_and_all_positions() {
        let device = Device::default();
        // Small numbers, which show the epsilon.
        let x = Tensor::<4>::random([2, 4, 3, 5], Distribution::Normal(1e-3, 1e-3), &device);
        let groups = x.clone().reshape([4, 30]);
        let centred = groups.clone() - groups.mean_dim(1);
        let variance = centred.clone().square().mean_dim(1);
        let normed = (centred / (variance + 1e-6).sqrt()).reshape([2, 4, 3, 5]);
        let want = normed.clone() / (normed.neg().exp() + 1.0);
        let got = norm_swish(&group_norm(2, 4, &device), x).into_data();
        got.assert_approx_eq::<f32>(&want.into_data(), Tolerance::absolute(1e-5));
    }
}
