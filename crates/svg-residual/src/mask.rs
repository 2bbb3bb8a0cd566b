//! A regulariser: some samples get along without a residual.

use burn::prelude::*;

use crate::ResidualEncoder;

impl ResidualEncoder {
    /// Replaces the whole residual of the masked samples by the learned mask token.
    ///
    /// The published training does this to one sample in ten, drawn anew for every batch, before the
    /// statistics are taken and the residual is [aligned](crate::align); the paper does not mention
    /// it. The caller draws `masked`, and does so in training only. A network without mask token
    /// (`mask_ratio` 0) returns the residual as it is.
    ///
    /// # Shapes
    ///
    /// - residual and output: `[batch, tokens, channels]`
    /// - masked: `[batch]`, true where the residual is to be hidden
    ///
    /// # Panics
    ///
    /// If there is not one entry for each sample.
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
    fn a_masked_sample_is_the_token_everywhere_and_the_others_are_untouched() {
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
    fn the_token_learns_from_masked_samples_only() {
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
    fn without_a_token_nothing_is_masked() {
        let device = Default::default();
        let encoder = tiny().with_mask_ratio(0.0).init(&device);
        let before = residual(&device);
        let after = encoder.mask(before.clone(), second_of_three(&device));
        after.into_data().assert_eq(&before.into_data(), true);
    }

    #[test]
    #[should_panic(expected = "axis 0 expected 3, got 2")]
    fn the_mask_has_one_entry_for_each_sample() {
        let device = Default::default();
        let masked = Tensor::<1, Int>::from_ints([0, 1], &device).bool();
        tiny().init(&device).mask(residual(&device), masked);
    }
}
