//! Time shifts.

/// The rational shift `s u / (1 + (s - 1) u)` of times in [0, 1].
///
/// Values below 1 move times towards noise. The inverse of the map is the shift `1 / s`, which is also the
/// same shift in the reversed time convention. SVG trains with 0.4 and samples with 0.15 (arXiv 2510.15301,
/// released code). The shift 1, and as in that code any `s <= 0`, changes nothing.
///
/// ```
/// use svg_flow::TimeShift;
///
/// assert_eq!(TimeShift::new(1.0).grid(4), [0.0, 0.25, 0.5, 0.75, 1.0]);
/// assert_eq!(TimeShift::new(0.5).apply(0.5), 0.25 / 0.75);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeShift(f64);

impl TimeShift {
    /// Creates the shift `s`.
    ///
    /// # Panics
    ///
    /// If `s` is not finite.
    pub fn new(s: f64) -> Self {
        assert!(s.is_finite(), "a time shift must be finite, but is {s}");
        Self(s)
    }

    /// Shifted time. 0 and 1 are unchanged.
    pub fn apply(&self, u: f64) -> f64 {
        match self.0 {
            s if s <= 0.0 => u,
            // Equal to the documented formula, and exact at 1.
            s => s * u / (s * u + (1.0 - u)),
        }
    }

    /// Time grid from 0 to 1: `apply(i / steps)` for `i` from 0 to `steps`.
    ///
    /// # Panics
    ///
    /// If `steps` is zero.
    pub fn grid(&self, steps: usize) -> Vec<f64> {
        assert!(steps > 0, "a time grid needs at least one step");
        (0..=steps)
            .map(|i| self.apply(i as f64 / steps as f64))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares with values of the reference implementation in PyTorch, printed with seven digits.
    fn check(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-7, "{found} {expected}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn grids_equal_the_reference() {
        let shift = TimeShift::new(0.15);
        check(&shift.grid(5), &[0.0, 0.0361446, 0.0909091, 0.1836735, 0.375, 1.0]);
        check(&shift.grid(10), &[
            0.0, 0.0163934, 0.0361446, 0.0604027, 0.0909091, 0.1304348, 0.1836735, 0.2592593, 0.375,
            0.5744681, 1.0,
        ]);
        check(&shift.grid(25), &[
            0.0, 0.0062112, 0.0128755, 0.0200445, 0.0277778, 0.0361446, 0.0452261, 0.0551181,
            0.0659341, 0.0778098, 0.0909091, 0.1054313, 0.1216216, 0.1397849, 0.1603054, 0.1836735,
            0.2105263, 0.2417062, 0.2783505, 0.3220339, 0.375, 0.4405595, 0.5238095, 0.6330276,
            0.7826086, 1.0,
        ]);
        let training = [0.1, 0.25, 0.5, 0.75, 0.9].map(|u| TimeShift::new(0.4).apply(u));
        check(&training, &[0.0425532, 0.1176471, 0.2857143, 0.5454546, 0.7826087]);
    }

    #[test]
    fn shift_one_and_shifts_that_are_not_positive_change_nothing() {
        for s in [1.0, 0.0, -3.0] {
            let shift = TimeShift::new(s);
            assert_eq!([0.0, 0.3, 1.0].map(|u| shift.apply(u)), [0.0, 0.3, 1.0]);
        }
    }

    #[test]
    fn the_ends_are_exact() {
        for s in [0.15, 0.4, 0.3, 4.95, 1e-9] {
            let shift = TimeShift::new(s);
            assert_eq!([0.0, 1.0].map(|u| shift.apply(u)), [0.0, 1.0]);
        }
    }

    #[test]
    fn the_reciprocal_is_the_inverse_and_the_reversed_shift() {
        let (shift, reciprocal) = (TimeShift::new(0.15), TimeShift::new(1.0 / 0.15));
        for u in [0.0, 0.1, 0.5, 0.9, 1.0] {
            assert!((reciprocal.apply(shift.apply(u)) - u).abs() < 1e-15);
            assert!((1.0 - reciprocal.apply(1.0 - u) - shift.apply(u)).abs() < 1e-15);
        }
    }
}
