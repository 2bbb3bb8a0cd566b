//! The flow matching loss.

use burn::prelude::*;

use crate::{VelocityField, linear_path};

/// `mean (v(x_t, t) - (data - noise))^2`, the mean over the batch of each sample's mean (arXiv
/// 2510.15301).
///
/// Times are used as given; apply a [`TimeShift`](crate::TimeShift) before.
///
/// ```
/// use burn::prelude::*;
/// use svg_flow::flow_matching_loss;
///
/// let device = Device::default();
/// let zero = |x: Tensor<3>, _: Tensor<1>| x.zeros_like();
/// let noise = Tensor::ones([2, 1, 1], &device);
/// let data = Tensor::full([2, 1, 1], 4.0, &device);
/// let loss = flow_matching_loss(&zero, noise, data, Tensor::full([2], 0.5, &device));
/// assert_eq!(loss.into_scalar::<f32>(), 9.0);
/// ```
///
/// # Shapes
///
/// - noise, data: `[batch, tokens, channels]`
/// - t: `[batch]`
/// - output: `[1]`
///
/// # Panics
///
/// If the shapes of noise and data differ, or `t` has another batch size.
pub fn flow_matching_loss(
    field: &dyn VelocityField,
    noise: Tensor<3>,
    data: Tensor<3>,
    t: Tensor<1>,
) -> Tensor<1> {
    let point = linear_path(noise, data, t.clone());
    let error = field.velocity(point.x, t) - point.velocity;
    error.square().mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::beside_tokens;

    fn noise(device: &Device) -> Tensor<3> {
        Tensor::from_data([[[1.0, -2.0]], [[0.5, 3.0]]], device)
    }

    fn times(device: &Device) -> Tensor<1> {
        Tensor::from_data([0.25, 0.5], device)
    }

    #[test]
    fn the_loss_of_the_exact_field_is_zero() {
        // All data are the point 2, so the noise follows from the point on the path.
        let device = Device::default();
        let exact = |x: Tensor<3>, t: Tensor<1>| (x.neg() + 2.0) / (beside_tokens(t).neg() + 1.0);
        let data = Tensor::full([2, 1, 2], 2.0, &device);
        let loss = flow_matching_loss(&exact, noise(&device), data, times(&device));
        assert!(loss.into_scalar::<f32>() < 1e-12);
    }

    #[test]
    fn the_loss_is_the_mean_square_of_the_error() {
        let device = Device::default();
        let zero = |x: Tensor<3>, _: Tensor<1>| x.zeros_like();
        let data = Tensor::zeros([2, 1, 2], &device);
        let loss = flow_matching_loss(&zero, noise(&device), data, times(&device));
        let expected = (1.0 + 4.0 + 0.25 + 9.0) / 4.0;
        assert_eq!(loss.into_scalar::<f32>(), expected);
    }

    #[test]
    fn the_gradient_reaches_the_parameters_of_the_field() {
        // For v = c and the target d, the slope of the loss is 2 (c - d).
        let device = Device::default().autodiff();
        let constant = Tensor::<1>::from_data([3.0], &device).require_grad();
        let field = |x: Tensor<3>, _: Tensor<1>| x.zeros_like() + beside_tokens(constant.clone());
        let data = Tensor::full([2, 1, 2], 1.0, &device);
        let noise = Tensor::zeros([2, 1, 2], &device);
        let gradients = flow_matching_loss(&field, noise, data, times(&device)).backward();
        let slope = constant.grad(&gradients).unwrap();
        assert!((slope.into_scalar::<f32>() - 4.0).abs() < 1e-6);
    }
}
