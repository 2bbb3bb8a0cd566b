//! The linear path from noise to data.

use burn::prelude::*;

use crate::field::beside_tokens;

/// Point on the path of each sample and its velocity.
#[derive(Clone, Debug)]
pub struct PathPoint {
    /// `(1 - t) noise + t data`, `[batch, tokens, channels]`
    pub x: Tensor<3>,
    /// `data - noise`, the same at all times, `[batch, tokens, channels]`
    pub velocity: Tensor<3>,
}

/// Points on the linear path (arXiv 2510.15301, with time 0 at the noise as in its code).
///
/// ```
/// use burn::prelude::*;
/// use svg_flow::linear_path;
///
/// let device = Device::default();
/// let t = Tensor::full([1], 0.25, &device);
/// let point = linear_path(Tensor::zeros([1, 1, 1], &device), Tensor::full([1, 1, 1], 8.0, &device), t);
/// assert_eq!(point.x.into_scalar::<f32>(), 2.0);
/// assert_eq!(point.velocity.into_scalar::<f32>(), 8.0);
/// ```
///
/// # Shapes
///
/// - noise, data: `[batch, tokens, channels]`
/// - t: `[batch]`
///
/// # Panics
///
/// If the shapes of noise and data differ, or `t` has another batch size.
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
    fn the_path_leads_from_noise_to_data_with_constant_velocity() {
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
    fn noise_and_data_of_different_shapes_panic() {
        let device = Device::default();
        let zeros = |tokens| Tensor::<3>::zeros([2, tokens, 3], &device);
        linear_path(zeros(1), zeros(4), Tensor::zeros([2], &device));
    }
}
