//! Conversions between velocity, score, noise and expected data on the linear path.

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

/// The velocity `(x - noise) / t` of predicted noise, for times above 0.
///
/// # Shapes
///
/// - x, noise, output: `[batch, tokens, channels]`
pub fn velocity_of_noise(x: Tensor<3>, noise: Tensor<3>, t: f64) -> Tensor<3> {
    (x - noise) / t
}

/// The velocity `(data - x) / max(1 - t, floor)` of predicted data. Below 1, a floor keeps it finite towards time 1;
/// RiT and, in the reversed convention, RAEv2 (arXiv 2605.18324) use 0.05. With the floor 0 it is the inverse of
/// [`expected_data`], for times below 1.
///
/// # Shapes
///
/// - x, data, output: `[batch, tokens, channels]`
pub fn velocity_of_data(x: Tensor<3>, data: Tensor<3>, t: f64, floor: f64) -> Tensor<3> {
    (data - x) / (1.0 - t).max(floor)
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
    fn noise_and_data_of_one_sample_have_the_same_velocity() {
        let (noise, data) = pair();
        for t in [0.1, 0.5, 0.96] {
            let x = noise.clone() * (1.0 - t) + data.clone() * t;
            let v = data.clone() - noise.clone();
            check(velocity_of_noise(x.clone(), noise.clone(), t), v.clone());
            check(velocity_of_data(x.clone(), data.clone(), t, 0.0), v.clone());
            check(expected_data(x.clone(), v.clone(), t), data.clone());
            // score = -noise / deviation
            check(score(x, v, t), noise.clone() / -(1.0 - t));
        }
    }

    #[test]
    fn a_floor_bounds_the_velocity_of_predicted_data() {
        let (x, data) = pair();
        let at = |t| velocity_of_data(x.clone(), data.clone(), t, 0.05);
        check(at(1.0), (data.clone() - x.clone()) / 0.05);
        check(at(0.98), (data.clone() - x.clone()) / 0.05);
        check(at(0.5), (data.clone() - x.clone()) / 0.5);
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
