//! The exponential of many numbers at once.
//!
//! `f32::exp` is a call for each number; this is arithmetic that the compiler turns into vectors. The
//! loops that use it are compiled three times, for AVX-512, AVX2 and everything else, and chosen at run
//! time.

use super::norm::lane_sum;

/// `e^x` within two units in the last place; 0 below -87.3, clamped above 88.3.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    // ln 2 in two parts, so that their product with a small integer is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // Adding 1.5 * 2^23 rounds to an integer.
    const ROUND: f32 = 12_582_912.0;
    let clamped = x.clamp(-87.3, 88.3);
    let rounded = clamped * LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = clamped - n * LN_2_HIGH - n * LN_2_LOW;
    // Minimax polynomial of (e^r - 1 - r) / r^2 on [-ln 2 / 2, ln 2 / 2] (Cephes).
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 0.166_666_65;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    // The last bits of the rounded number are those of the integer.
    let scale = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    if x < -87.3 { 0.0 } else { p * scale }
}

/// Compiles functions over slices for the vector units of x86 processors and picks one at run time.
macro_rules! vectorised {
    ($(
        $(#[$doc:meta])*
        $seen:vis fn $name:ident($($arg:ident: $ty:ty),*) $(-> $out:ty)? $body:block
    )*) => {$(
        $(#[$doc])*
        $seen fn $name($($arg: $ty),*) $(-> $out)? {
            #[inline(always)]
            fn body($($arg: $ty),*) $(-> $out)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,fma")]
                fn avx512($($arg: $ty),*) $(-> $out)? { body($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $ty),*) $(-> $out)? { body($($arg),*) }
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("fma")
                {
                    // SAFETY: the processor has these instructions, as just asked.
                    return unsafe { avx512($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the processor has these instructions, as just asked.
                    return unsafe { avx2($($arg),*) };
                }
            }
            body($($arg),*)
        }
    )*};
}

vectorised! {
    /// `gate[i] = silu(gate[i]) * up[i]`.
    pub fn silu_product(gate: &mut [f32], up: &[f32]) {
        for (g, u) in gate.iter_mut().zip(up) {
            *g = *g / (1.0 + exp(-*g)) * u;
        }
    }

    /// `dy[i] *= silu(gate[i])`: the gradient of [`silu_product`] at `up`.
    pub fn silu_scaled(gate: &[f32], dy: &mut [f32]) {
        for (g, dy) in gate.iter().zip(dy) {
            *dy *= *g / (1.0 + exp(-*g));
        }
    }

    /// The gradient of [`silu_product`] at `gate` in place of `dy`, the one at the product.
    pub fn silu_product_backward(gate: &[f32], up: &[f32], dy: &mut [f32]) {
        for ((g, u), dy) in gate.iter().zip(up).zip(dy) {
            let sigmoid = 1.0 / (1.0 + exp(-*g));
            *dy *= u * sigmoid * (1.0 + *g * (1.0 - sigmoid));
        }
    }

    /// Turns scores into weights that sum to `1 / factor`, and returns `factor`.
    pub fn unnormalised_softmax(scores: &mut [f32]) -> f32 {
        const LANES: usize = 16;
        let mut largest = [f32::NEG_INFINITY; LANES];
        let mut chunks = scores.chunks_exact(LANES);
        for chunk in &mut chunks {
            for (l, s) in largest.iter_mut().zip(chunk) {
                *l = if *s > *l { *s } else { *l };
            }
        }
        let rest = chunks.remainder().iter().chain(&largest);
        let max = rest.fold(f32::NEG_INFINITY, |m, s| if *s > m { *s } else { m });
        let mut sums = [0.0f32; LANES];
        let mut chunks = scores.chunks_exact_mut(LANES);
        for chunk in &mut chunks {
            for (sum, s) in sums.iter_mut().zip(chunk) {
                *s = exp(*s - max);
                *sum += *s;
            }
        }
        let mut total = 0.0;
        for s in chunks.into_remainder() {
            *s = exp(*s - max);
            total += *s;
        }
        total += sums.iter().sum::<f32>();
        1.0 / total
    }

    /// Turns one head's channels by the angles of a table whose sines carry their sign.
    pub fn rotate(channels: &mut [f32], cos: &[f32], sin: &[f32]) {
        let half = channels.len() / 2;
        let (left, right) = channels.split_at_mut(half);
        let (cos_left, cos_right) = cos.split_at(half);
        let (sin_left, sin_right) = sin.split_at(half);
        for i in 0..half {
            let (l, r) = (left[i], right[i]);
            left[i] = l * cos_left[i] + r * sin_left[i];
            right[i] = r * cos_right[i] + l * sin_right[i];
        }
    }

    /// The gradient at scores, times `scale`, in place of `gradient`, the one at the softmax's weights:
    /// `weight (gradient - sum of weight gradient)`.
    pub fn through_softmax(weights: &[f32], gradient: &mut [f32], scale: f32) {
        let len = weights.len().min(gradient.len());
        let weights = &weights[..len];
        let mean = lane_sum(len, |i| weights[i] * gradient[i]) as f32;
        for (weight, gradient) in weights.iter().zip(gradient) {
            *gradient = weight * (*gradient - mean) * scale;
        }
    }
}

/// GELU's tanh approximation is `x sigmoid(2 u)` with `u = sqrt(2 / pi) (x + 0.044715 x^3)`; this is
/// `2 sqrt(2 / pi)`.
const GELU_SLOPE: f32 = 1.595_769;
const GELU_CUBE: f32 = 0.044_715;

vectorised! {
    /// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2` in place of `x`.
    pub fn gelu_tanh(numbers: &mut [f32]) {
        for x in numbers {
            let twice_u = GELU_SLOPE * (*x + GELU_CUBE * *x * *x * *x);
            *x /= 1.0 + exp(-twice_u);
        }
    }

    /// The gradient at `x` of [`gelu_tanh`] in place of `dy`, the one at its result.
    pub fn gelu_tanh_backward(x: &[f32], dy: &mut [f32]) {
        for (x, dy) in x.iter().zip(dy) {
            let square = *x * *x;
            let sigmoid = 1.0 / (1.0 + exp(-GELU_SLOPE * *x * (1.0 + GELU_CUBE * square)));
            let slope = GELU_SLOPE * (1.0 + 3.0 * GELU_CUBE * square);
            *dy *= sigmoid * (1.0 + *x * (1.0 - sigmoid) * slope);
        }
    }

    /// `branch[i] = x[i] + gate[i] branch[i]`.
    pub fn gated(branch: &mut [f32], gate: &[f32], x: &[f32]) {
        for ((branch, gate), x) in branch.iter_mut().zip(gate).zip(x) {
            *branch = x + gate * *branch;
        }
    }

    /// `numbers[i] *= factors[i]`.
    pub fn multiply(numbers: &mut [f32], factors: &[f32]) {
        for (number, factor) in numbers.iter_mut().zip(factors) {
            *number *= factor;
        }
    }

    /// `total[i] += left[i] right[i]`.
    pub fn add_products(total: &mut [f32], left: &[f32], right: &[f32]) {
        for ((total, left), right) in total.iter_mut().zip(left).zip(right) {
            *total += left * right;
        }
    }

    /// `total += numbers`.
    pub fn add(total: &mut [f32], numbers: &[f32]) {
        for (total, number) in total.iter_mut().zip(numbers) {
            *total += number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_right_to_two_units_in_the_last_place() {
        for i in -8_700..8_800 {
            let x = i as f32 * 0.01 + 0.003;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) / exact - 1.0).abs();
            assert!(error < 2.5e-7, "e^{x}: relative error {error:e}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-1e4), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert!(exp(1e4).is_finite());
    }

    #[test]
    fn softmax_weights_sum_to_one_after_the_factor() {
        for len in [1, 15, 16, 33, 261] {
            let mut scores: Vec<f32> = (0..len).map(|i| (i as f32 * 0.7).sin() * 30.0).collect();
            let factor = unnormalised_softmax(&mut scores);
            let sum: f32 = scores.iter().map(|s| s * factor).sum();
            assert!((sum - 1.0).abs() < 1e-5, "{len} scores: {sum}");
        }
    }
}
