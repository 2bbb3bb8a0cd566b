//! Ways from one noise to another.

use std::fmt;
use std::str::FromStr;

/// How noises are mixed (arXiv 2510.15301, figures 7 and 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// Along the line: `(1 - r) a + r b`. Between two noises it is shorter than noise is.
    Linear,
    /// Along the great circle: `(sin((1 - r) w) a + sin(r w) b) / sin w`, with the angle `w` between the
    /// two. It keeps the length.
    Slerp,
}

impl Interpolation {
    /// The point at `r`, from 0 at `a` to 1 at `b`. Noises are taken as flat vectors.
    ///
    /// # Panics
    ///
    /// If the two have different lengths.
    pub fn between(&self, a: &[f32], b: &[f32], r: f64) -> Vec<f32> {
        assert_eq!(a.len(), b.len(), "two noises of one shape are interpolated");
        let [of_a, of_b] = match self {
            Self::Linear => [1.0 - r, r],
            Self::Slerp => great_circle(a, b, r),
        };
        let pairs = a.iter().zip(b);
        pairs
            .map(|(&a, &b)| (of_a * f64::from(a) + of_b * f64::from(b)) as f32)
            .collect()
    }
}

fn great_circle(a: &[f32], b: &[f32], r: f64) -> [f64; 2] {
    let product = |a: &[f32], b: &[f32]| -> f64 {
        let pairs = a.iter().zip(b);
        pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    let cosine = product(a, b) / (product(a, a) * product(b, b)).sqrt();
    let angle = libm::acos(cosine.clamp(-1.0, 1.0));
    let sine = libm::sin(angle);
    // Parallel vectors have no circle, and a line says the same.
    match sine > 1e-6 {
        true => [
            libm::sin((1.0 - r) * angle) / sine,
            libm::sin(r * angle) / sine,
        ],
        false => [1.0 - r, r],
    }
}

impl fmt::Display for Interpolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Linear => "linear",
            Self::Slerp => "slerp",
        })
    }
}

impl FromStr for Interpolation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "linear" => Ok(Self::Linear),
            "slerp" => Ok(Self::Slerp),
            _ => Err(format!(
                "{text:?} is no interpolation: write linear or slerp"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaussian;

    fn length(vector: &[f32]) -> f64 {
        let squares = vector.iter().map(|&v| f64::from(v).powi(2));
        squares.sum::<f64>().sqrt()
    }

    #[test]
    fn both_ways_begin_at_the_one_and_end_at_the_other() {
        let (a, b) = (gaussian(1, 0, 0, 64), gaussian(2, 0, 0, 64));
        for way in [Interpolation::Linear, Interpolation::Slerp] {
            assert_eq!(way.between(&a, &b, 0.0), a);
            assert_eq!(way.between(&a, &b, 1.0), b);
        }
    }

    #[test]
    fn the_circle_keeps_the_length_and_the_line_does_not() {
        let (a, mut b) = (gaussian(1, 0, 0, 4096), gaussian(2, 0, 0, 4096));
        let scale = length(&a) / length(&b);
        b.iter_mut()
            .for_each(|v| *v = (f64::from(*v) * scale) as f32);
        let half = |way: Interpolation| length(&way.between(&a, &b, 0.5)) / length(&a);
        assert!((half(Interpolation::Slerp) - 1.0).abs() < 1e-6);
        assert!((half(Interpolation::Linear) - 0.5f64.sqrt()).abs() < 0.05);
    }

    #[test]
    fn noises_that_are_parallel_or_zero_give_numbers() {
        let (a, zero) = (vec![1.0, 2.0], vec![0.0, 0.0]);
        assert_eq!(Interpolation::Slerp.between(&a, &a, 0.5), a);
        assert_eq!(Interpolation::Slerp.between(&zero, &a, 0.5), [0.5, 1.0]);
    }

    #[test]
    fn names_are_read_and_printed_alike() {
        for text in ["linear", "slerp"] {
            assert_eq!(text.parse::<Interpolation>().unwrap().to_string(), text);
        }
        assert!(
            "cubic"
                .parse::<Interpolation>()
                .unwrap_err()
                .contains("linear or slerp")
        );
    }
}
