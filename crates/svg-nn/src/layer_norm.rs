//! Burn's layer norm with the gradient of this workspace's kernels.

use burn::nn::LayerNorm;
use burn::prelude::*;
use burn::tensor::DType;

/// What `norm` makes of `x`. Burn keeps the epsilon of a norm to itself, so it is given once more.
///
/// # Shapes
///
/// - x and output: `[.., channels]`
///
/// # Panics
///
/// If the last axis of `x` is not that of the norm.
pub fn layer_norm<const D: usize>(norm: &LayerNorm, epsilon: f64, x: Tensor<D>) -> Tensor<D> {
    if x.dtype() != DType::F32 {
        return norm.forward(x);
    }
    let beta = norm.beta.as_ref().map(|beta| beta.val());
    svg_kernels::layer_norm(x, norm.gamma.val(), beta, epsilon)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::LayerNormConfig;
    use burn::tensor::Distribution;

    #[test]
    fn the_value_is_that_of_burns_layer() {
        let device = Device::default();
        let x = Tensor::<3>::random([2, 5, 7], Distribution::Normal(0.5, 1e-3), &device);
        // Numbers small enough to show the epsilon.
        for epsilon in [1e-5, 1e-2] {
            let norm = LayerNormConfig::new(7).with_epsilon(epsilon).init(&device);
            let want = norm.forward(x.clone()).into_data();
            let got = layer_norm(&norm, epsilon, x.clone());
            got.into_data().assert_eq(&want, true);
        }
    }
}
