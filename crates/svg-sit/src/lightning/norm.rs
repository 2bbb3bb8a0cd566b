//! Root-mean-square norms.

use burn::nn::{RmsNorm, RmsNormConfig};
use burn::prelude::*;

/// Epsilon of all norms.
const EPSILON: f64 = 1e-6;

pub(super) fn new(channels: usize, device: &Device) -> RmsNorm {
    RmsNormConfig::new(channels)
        .with_epsilon(EPSILON)
        .init(device)
}

/// `norm(x) (1 + scale) + shift`, in f32.
///
/// # Shapes
///
/// - x and output: `[batch, tokens, channels]`
/// - shift, scale: `[batch, 1, channels]`
pub(super) fn modulated(
    norm: &RmsNorm,
    x: Tensor<3>,
    shift: Tensor<3>,
    scale: Tensor<3>,
) -> Tensor<3> {
    norm.forward(x) * (scale + 1.0) + shift
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers so small that the epsilon is half of their mean square.
    #[test]
    fn the_epsilon_is_one_millionth_and_the_modulation_is_around_one() {
        let device = Device::default();
        let x = Tensor::<3>::full([1, 1, 4], 1e-3, &device);
        let one = |value: f32| Tensor::<3>::full([1, 1, 4], value, &device);
        let found = modulated(&new(4, &device), x, one(0.25), one(-0.5));
        let expected = 0.5f32.sqrt() * 0.5 + 0.25;
        let found: f32 = found.narrow(2, 0, 1).into_scalar();
        assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
    }
}
