//! The straight way from noise to data.

use burn::prelude::*;

use crate::field::beside_tokens;

/// A point on the way of each sample, and the velocity there.
#[derive(Clone, Debug)]
pub struct PathPoint {
    /// `(1 - t) noise + t data`, `[batch, tokens, channels]`
    pub x: Tensor<3>,
    /// `data - noise`, the same at all times.
    pub velocity: Tensor<3>,
}

/// The linear path (arXiv 2510.15301, with 0 at the noise as in its code).
///
/// # Shapes
///
/// - noise, data: `[batch, tokens, channels]`
/// - t: `[batch]`
///
/// # Panics
///
/// If noise and data differ in shape, or the times in number.
pub fn linear_path(noise: Tensor<3>, data: Tensor<3>, t: Tensor<1>) -> PathPoint {
    let [batch, tokens, channels] = data.dims();
    assert_shape!(noise, [batch, tokens, channels]);
    assert_shape!(t, [batch]);
    let t = beside_tokens(t);
    let remaining = t.clone().neg() + 1.0;
    PathPoint {
        x: noise.clone() * remaining + data.clone() * t,
        velocity: data - noise,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_begins_at_the_noise_and_ends_at_the_data_with_one_velocity() {
        let device = Device::default();
        let noise = Tensor::<3>::from_data([[[1.0, -2.0]], [[0.3, 0.7]], [[2.0, 4.0]]], &device);
        let data = Tensor::<3>::from_data([[[5.0, 5.0]], [[-1.0, 2.0]], [[4.0, 0.0]]], &device);
        let t = Tensor::from_data([0.0, 1.0, 0.25], &device);
        let point = linear_path(noise, data, t);
        let x: Vec<f32> = point.x.into_data().iter().collect();
        assert_eq!(x, [1.0, -2.0, -1.0, 2.0, 2.5, 3.0]);
        let velocity: Vec<f32> = point.velocity.into_data().iter().collect();
        assert_eq!(velocity, [4.0, 7.0, -1.3, 1.3, 2.0, -4.0]);
    }

    #[test]
    #[should_panic]
    fn noise_and_data_have_one_shape() {
        let device = Device::default();
        let zeros = |tokens| Tensor::<3>::zeros([2, tokens, 3], &device);
        linear_path(zeros(1), zeros(4), Tensor::zeros([2], &device));
    }
}
