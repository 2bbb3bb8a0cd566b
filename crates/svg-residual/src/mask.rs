//! Masking the residual of some samples, as a regulariser.

use burn::prelude::*;

use crate::ResidualEncoder;

impl ResidualEncoder {
    /// Replaces the whole residual of masked samples by the learned mask token.
    ///
    /// The published training does this for one random sample in ten, before the statistics are computed
    /// and the residual is [aligned](crate::align); the paper does not mention it. The caller draws
    /// `masked`, in training only. A network without mask token (`mask_ratio` 0) returns the residual
    /// unchanged.
    ///
    /// # Shapes
    ///
    /// - residual and output: `[batch, tokens, channels]`
    /// - masked: `[batch]`, true for samples to mask
    ///
    /// # Panics
    ///
    /// If `masked` does not have one entry per sample.
    pub fn mask(&self, residual: Tensor<3>, masked: Tensor<1, Bool>) -> Tensor<3> {
        let shape @ [batch, _, _] = residual.dims();
        assert_shape!(masked, [batch]);
        let Some(token) = &self.mask_token else {
            return residual;
        };
        let token = token.val().swap_dims(1, 2); // [1, 1, channels]
        let masked = masked.reshape([batch, 1, 1]).expand(shape);
        residual.mask_where(masked, token.expand(shape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::tiny;
    use burn::tensor::Distribution;

    fn residual(device: &Device) -> Tensor<3> {
        Tensor::random([3, 4, 8], Distribution::Normal(0.0, 1.0), device)
    }

    fn second_of_three(device: &Device) -> Tensor<1, Bool> {
        Tensor::<1, Int>::from_ints([0, 1, 0], device).bool()
    }

    #[test]
    fn only_masked_samples_are_replaced_by_the_token() {
        let device = Default::default();
        let encoder = tiny().init(&device);
        let before = residual(&device);
        let after = encoder.mask(before.clone(), second_of_three(&device));
        for sample in [0, 2] {
            let expected = before.clone().narrow(0, sample, 1).into_data();
            let out = after.clone().narrow(0, sample, 1).into_data();
            out.assert_eq(&expected, true);
        }
        let token = encoder.mask_token.as_ref().expect("it masks").val();
        let expected = token.swap_dims(1, 2).expand([1, 4, 8]).into_data();
        after.narrow(0, 1, 1).into_data().assert_eq(&expected, true);
    }

    #[test]
    fn the_gradient_of_the_token_comes_from_masked_samples_only() {
        let device = Device::default().autodiff();
        let encoder = tiny().init(&device);
        let residual = residual(&device).require_grad();
        let out = encoder.mask(residual.clone(), second_of_three(&device));
        let grads = out.sum().backward();
        let token = encoder.mask_token.as_ref().expect("it masks").val();
        let of_token = token.grad(&grads).expect("the token was used");
        assert_eq!(of_token.clone().min().into_scalar::<f32>(), 4.0);
        assert_eq!(of_token.max().into_scalar::<f32>(), 4.0);
        let of_residual = residual.grad(&grads).expect("the residual was used");
        assert_eq!(of_residual.sum().into_scalar::<f32>(), 64.0);
    }

    #[test]
    fn nothing_is_masked_without_a_token() {
        let device = Default::default();
        let encoder = tiny().with_mask_ratio(0.0).init(&device);
        let before = residual(&device);
        let after = encoder.mask(before.clone(), second_of_three(&device));
        after.into_data().assert_eq(&before.into_data(), true);
    }

    #[test]
    #[should_panic(expected = "axis 0 expected 3, got 2")]
    fn a_mask_of_another_length_panics() {
        let device = Default::default();
        let masked = Tensor::<1, Int>::from_ints([0, 1], &device).bool();
        tiny().init(&device).mask(residual(&device), masked);
    }
}
