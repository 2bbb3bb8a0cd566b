//! Conversions between velocity, score and expected data on the linear path.

use burn::prelude::*;

/// The score `(t v - x) / (1 - t)`, the gradient of the log density at time `t` (Ma et al., "SiT",
/// arXiv 2401.08740, for the linear path). It diverges towards time 1.
///
/// ```
/// use burn::prelude::*;
/// use svg_flow::{expected_data, score, velocity_of_score};
///
/// let value = |v: f32| Tensor::<3>::full([1, 1, 1], v, &Device::default());
/// let (x, v, t) = (value(1.0), value(6.0), 0.5);
/// let s = score(x.clone(), v.clone(), t);
/// assert_eq!(s.clone().into_scalar::<f32>(), 4.0);
/// assert_eq!(velocity_of_score(x.clone(), s, t).into_scalar::<f32>(), 6.0);
/// assert_eq!(expected_data(x, v, t).into_scalar::<f32>(), 4.0);
/// ```
///
/// # Shapes
///
/// - x, velocity, output: `[batch, tokens, channels]`
pub fn score(x: Tensor<3>, velocity: Tensor<3>, t: f64) -> Tensor<3> {
    (velocity * t - x) / (1.0 - t)
}

/// The velocity `(x + (1 - t) s) / t` of a score, for times above 0: the inverse of [`score`].
///
/// # Shapes
///
/// - x, score, output: `[batch, tokens, channels]`
pub fn velocity_of_score(x: Tensor<3>, score: Tensor<3>, t: f64) -> Tensor<3> {
    (x + score * (1.0 - t)) / t
}

/// Expected data given the samples at time `t`, `x + (1 - t) v`.
///
/// In terms of the score, Tweedie's formula gives `(x + (1 - t)^2 s) / t`.
///
/// # Shapes
///
/// - x, velocity, output: `[batch, tokens, channels]`
pub fn expected_data(x: Tensor<3>, velocity: Tensor<3>, t: f64) -> Tensor<3> {
    x + velocity * (1.0 - t)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Tolerance;

    fn pair() -> (Tensor<3>, Tensor<3>) {
        let device = Device::default();
        let x = Tensor::from_data([[[0.5, -1.5, 2.0]]], &device);
        (x, Tensor::from_data([[[1.0, 0.25, -3.0]]], &device))
    }

    fn check(found: Tensor<3>, expected: Tensor<3>) {
        let tolerance = Tolerance::<f32>::absolute(1e-5);
        let (found, expected) = (found.into_data(), expected.into_data());
        found.assert_approx_eq(&expected, tolerance);
    }

    #[test]
    fn velocity_of_score_inverts_score() {
        for t in [0.1, 0.5, 0.96] {
            let (x, v) = pair();
            let s = score(x.clone(), v.clone(), t);
            check(velocity_of_score(x, s, t), v);
        }
    }

    #[test]
    fn expected_data_equals_tweedies_formula() {
        let (x, v) = pair();
        let t = 0.6;
        let s = score(x.clone(), v.clone(), t);
        let tweedie = (x.clone() + s * (1.0 - t) * (1.0 - t)) / t;
        check(expected_data(x, v, t), tweedie);
    }

    #[test]
    fn the_score_of_a_gaussian_is_minus_x_over_its_variance() {
        // Data N(0, 4): at time t the variance is (1 - t)^2 + 4 t^2 and v = x (5 t - 1) / variance.
        let t = 0.3;
        let variance = 0.7 * 0.7 + 4.0 * 0.3 * 0.3;
        let (x, _) = pair();
        let v = x.clone() * ((5.0 * t - 1.0) / variance);
        check(score(x.clone(), v, t), x / -variance);
    }
}
