//! Scales, shifts and gates from the condition.

use burn::nn::Linear;
use burn::prelude::*;
use burn::tensor::DType;
use svg_nn::linear;

/// Epsilon of the norms without parameters.
pub(crate) const NORM_EPS: f64 = 1e-6;

/// What a layer makes of the condition, cut into `N` parts.
///
/// # Shapes
///
/// - condition: `[batch, d_model]`
/// - each part: `[batch, 1, d_model]`, f32
pub(crate) fn parts<const N: usize>(layer: &Linear, condition: Tensor<2>) -> [Tensor<3>; N] {
    let [batch, width] = condition.dims();
    let all = linear(layer, condition).cast(DType::F32); // [batch, N d]
    let all = all.reshape([batch, 1, N * width]);
    std::array::from_fn(|i| all.clone().narrow(2, i * width, width))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;
    use svg_nn::{adaptive_layer_norm, gated_sum};

    fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        Tensor::random(shape, Distribution::Normal(1.0, 3.0), &Default::default())
    }

    fn largest(tensor: Tensor<3>) -> f32 {
        tensor.abs().max().into_scalar()
    }

    #[test]
    fn without_shift_and_scale_every_token_has_mean_zero_and_deviation_one() {
        let zeros = Tensor::zeros([2, 1, 64], &Default::default());
        let out = adaptive_layer_norm(random([2, 5, 64]), zeros.clone(), zeros, NORM_EPS);
        assert!(largest(out.clone().mean_dim(2)) < 1e-5);
        assert!(largest(out.square().mean_dim(2) - 1.0) < 1e-4);
    }

    #[test]
    fn each_sample_has_its_own_shift_and_scale() {
        let x = random([2, 5, 8]);
        let (shift, scale) = (random([2, 1, 8]), random([2, 1, 8]));
        let zeros = shift.zeros_like();
        let normed = adaptive_layer_norm(x.clone(), zeros.clone(), zeros, NORM_EPS);
        let expected = normed * (scale.clone() + 1.0) + shift.clone();
        let got = adaptive_layer_norm(x, shift, scale, NORM_EPS);
        assert!(largest(got - expected) < 1e-5);
    }

    #[test]
    fn a_closed_gate_lets_nothing_through() {
        let (x, branch) = (random([2, 5, 8]), random([2, 5, 8]));
        let gate = Tensor::zeros([2, 1, 8], &Default::default());
        let out = gated_sum(x.clone(), gate, branch).into_data();
        out.assert_eq(&x.into_data(), true);
    }
}
