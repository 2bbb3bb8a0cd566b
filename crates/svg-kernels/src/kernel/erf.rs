//! The Gaussian error linear unit of many numbers at once.

use super::exp::exp;

/// `1 - erf(x)` for `x >= 0`, within 2e-7; where it is small, to five digits.
///
/// Below one the error function is `x` times a polynomial of `x^2`, and above it `1 - e^-p(x)`. Both
/// polynomials are minimax fits, of absolute error 6e-10 and 3e-11.
#[inline(always)]
fn erfc(x: f32) -> f32 {
    let square = x * x;
    let p = 7.647_106e-5;
    let p = p * square - 7.942_352_4e-4;
    let p = p * square + 5.179_749e-3;
    let p = p * square - 2.684_859_1e-2;
    let p = p * square + 0.112_834_3;
    let p = p * square - 0.376_126_05;
    let p = p * square + std::f32::consts::FRAC_2_SQRT_PI;
    let below = 1.0 - x * p;

    let p = 2.149_631_7e-5;
    let p = p * x - 4.391_088e-4;
    let p = p * x + 4.193_621_6e-3;
    let p = p * x - 2.517_899_4e-2;
    let p = p * x + 0.108_372_51;
    let p = p * x + 0.633_262_6;
    let p = p * x + 1.129_556_9;
    let p = p * x - 1.834_474_6e-4;
    let above = exp(-p);

    if x < 1.0 { below } else { above }
}

vectorised! {
    /// `x (1 + erf(x / sqrt 2)) / 2` in place of `x`.
    pub fn gelu(numbers: &mut [f32]) {
        for x in numbers {
            // Of both signs the complement is exact where it is small, so neither tail cancels.
            let half = 0.5 * *x * erfc(x.abs() * std::f32::consts::FRAC_1_SQRT_2);
            *x = if *x >= 0.0 { *x - half } else { half };
        }
    }

    /// The gradient at `x` of [`gelu`] in place of `dy`, the one at its result: `Phi(x) + x phi(x)`, with the
    /// distribution and the density of the normal law.
    pub fn gelu_backward(x: &[f32], dy: &mut [f32]) {
        // 1 / sqrt(2 pi)
        const PEAK: f32 = 0.398_942_3;
        for (x, dy) in x.iter().zip(dy) {
            let tail = 0.5 * erfc(x.abs() * std::f32::consts::FRAC_1_SQRT_2);
            let below = if *x >= 0.0 { 1.0 - tail } else { tail };
            *dy *= below + *x * (PEAK * exp(-0.5 * *x * *x));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The series of Maclaurin, which f64 can sum for arguments this small.
    fn erf(x: f64) -> f64 {
        let mut term = x;
        let mut sum = x;
        for n in 1..200 {
            term *= -x * x / n as f64;
            sum += term / (2 * n + 1) as f64;
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    }

    #[test]
    fn the_error_function_is_right_to_two_in_ten_million() {
        for i in 0..40_000 {
            let x = i as f32 * 1e-4;
            let error = (f64::from(erfc(x)) - (1.0 - erf(f64::from(x)))).abs();
            assert!(error < 2e-7, "erfc({x}): error {error:e}");
        }
    }

    #[test]
    fn the_slope_of_gelu_is_right_and_ends_at_zero_and_one() {
        let x: Vec<f32> = (-5_000..5_000).map(|i| i as f32 * 1e-3 + 3e-4).collect();
        let mut slopes = vec![1.0; x.len()];
        gelu_backward(&x, &mut slopes);
        for (x, slope) in x.into_iter().map(f64::from).zip(slopes) {
            let density = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
            let below = 0.5 * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2));
            let error = (f64::from(slope) - (below + x * density)).abs();
            assert!(error < 3e-7, "at {x}: error {error:e}");
        }
        let mut ends = [2.0; 4];
        gelu_backward(&[-1e30, -20.0, 20.0, 1e30], &mut ends);
        assert_eq!(ends, [0.0, 0.0, 2.0, 2.0]);
    }

    #[test]
    fn gelu_is_right_on_both_sides_and_ends_at_zero_and_the_identity() {
        let mut numbers: Vec<f32> = (-5_000..5_000).map(|i| i as f32 * 1e-3 + 3e-4).collect();
        let exact: Vec<f64> = numbers
            .iter()
            .map(|x| f64::from(*x))
            .map(|x| 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)))
            .collect();
        gelu(&mut numbers);
        for (got, exact) in numbers.iter().zip(exact) {
            assert!((f64::from(*got) - exact).abs() < 3e-7, "{got} for {exact}");
        }
        let mut far = [-1e30, -60.0, -12.0, -7.0, 0.0, 7.0, 12.0, 1e30];
        gelu(&mut far);
        for (got, want) in far.iter().zip([0.0, 0.0, 0.0, 0.0, 0.0, 7.0, 12.0, 1e30]) {
            assert!((got - want).abs() < 1e-8, "{got} for {want}");
        }
        let mut undefined = [f32::NAN];
        gelu(&mut undefined);
        assert!(undefined[0].is_nan());
    }
}
