//! Affine alignment of the residual to the statistics of the semantic features.

use burn::prelude::*;

use crate::Statistics;

/// Keeps the division finite where the residual is constant.
const EPSILON: f64 = 1e-6;

/// `y = (r - mean_r) / (std_r + 1e-6) * std_s + mean_s`, with `s` for semantic and `r` for residual.
///
/// This is the distribution alignment of SVG (arXiv 2510.15301, equation 6) as used to train the published
/// weights: four scalars for the whole batch and the same map for every channel, which keeps offsets and
/// scales between residual channels. No gradient flows through the statistics; the gradient with respect to
/// the residual is the constant `std_s / (std_r + 1e-6)`.
///
/// # Shapes
///
/// - residual and output: `[batch, tokens, channels]`
pub fn align(residual: Tensor<3>, statistics: &Statistics) -> Tensor<3> {
    let Statistics {
        semantic,
        residual: from,
    } = statistics;
    let factor = semantic.std / (from.std + EPSILON);
    (residual - from.mean) * factor + semantic.mean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Moments;
    use burn::tensor::Distribution;

    fn random(channels: usize, mean: f64, std: f64, device: &Device) -> Tensor<3> {
        Tensor::random([2, 9, channels], Distribution::Normal(mean, std), device)
    }

    #[test]
    fn aligned_residuals_have_the_semantic_moments() {
        let device = Default::default();
        let (semantic, residual) = (random(12, 0.3, 2.0, &device), random(4, -5.0, 0.1, &device));
        let statistics = Statistics::of(semantic, residual.clone());
        let aligned = Moments::of(align(residual, &statistics));
        let wanted = statistics.semantic;
        assert!((aligned.mean - wanted.mean).abs() < 1e-4, "{aligned:?}");
        assert!((aligned.std / wanted.std - 1.0).abs() < 1e-4, "{aligned:?}");
    }

    #[test]
    fn the_gradient_is_the_constant_factor() {
        let device = Device::default().autodiff();
        let (semantic, residual) = (random(12, 0.3, 2.0, &device), random(4, 1.0, 0.5, &device));
        let residual = residual.require_grad();
        let statistics = Statistics::of(semantic, residual.clone());
        let grads = align(residual.clone(), &statistics).sum().backward();
        let gradient = residual.grad(&grads).expect("the residual was used");
        let factor = statistics.semantic.std / (statistics.residual.std + 1e-6);
        let off: f32 = (gradient - factor).abs().max().into_scalar();
        assert!(off < 1e-5, "{off}");
    }

    #[test]
    fn equal_statistics_do_not_change_the_residual() {
        let device = Default::default();
        let residual = random(4, 1.0, 0.5, &device);
        let moments = Moments::of(residual.clone());
        let statistics = Statistics {
            semantic: moments,
            residual: moments,
        };
        let off: f32 = (align(residual.clone(), &statistics) - residual)
            .abs()
            .max()
            .into_scalar();
        assert!(off < 1e-5, "{off}");
    }

    #[test]
    fn a_constant_residual_stays_finite() {
        let constant = Tensor::<3>::ones([1, 4, 8], &Default::default());
        let statistics = Statistics {
            semantic: Moments {
                mean: 0.2,
                std: 1.0,
            },
            residual: Moments::of(constant.clone()),
        };
        let mean: f32 = align(constant, &statistics).mean().into_scalar();
        assert!((mean - 0.2).abs() < 1e-6, "{mean}");
    }
}
