//! Axes: positions of numbers, and tick marks.

/// Approximate number of marks of an axis.
const MARKS: f64 = 5.0;

/// Range, scale and tick marks of an axis.
pub struct Axis {
    low: f64,
    high: f64,
    log: bool,
    /// Numbers at the tick marks, in ascending order.
    pub marks: Vec<f64>,
}

impl Axis {
    /// An axis from the smallest to the largest of these numbers.
    pub fn tight(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = range(values);
        Self {
            low,
            high,
            log: false,
            marks: multiples_between(low, high),
        }
    }

    /// An axis that begins and ends at a mark and contains these numbers. It begins at zero if that is near.
    pub fn rounded(values: impl Iterator<Item = f64>) -> Self {
        let (mut low, high) = range(values);
        if low > 0.0 && low < high / 2.0 {
            low = 0.0;
        }
        let step = step(low, high);
        let marks = multiples(step, (low / step).floor(), (high / step).ceil());
        Self {
            low: marks[0],
            high: marks[marks.len() - 1],
            log: false,
            marks,
        }
    }

    /// A logarithmic axis that extends a little beyond these numbers, which must be positive.
    pub fn log(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = range(values);
        let beyond = (high / low).powf(0.05);
        let (low, high) = (low / beyond, high * beyond);
        let decades = (high / low).log10();
        let mantissas: &[f64] = match decades {
            wide if wide > 2.5 => &[1.0],
            middle if middle > 1.2 => &[1.0, 2.0, 5.0],
            _ => &[],
        };
        let stride = (decades / 6.0).ceil().max(1.0) as usize;
        let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
        let marks = powers.step_by(stride).flat_map(|power| {
            let unit = 10f64.powi(power);
            mantissas.iter().map(move |mantissa| mantissa * unit)
        });
        let mut marks: Vec<f64> = marks.filter(|mark| (low..=high).contains(mark)).collect();
        if marks.len() < 2 {
            marks = multiples_between(low, high);
            marks.retain(|mark| *mark > 0.0);
        }
        Self {
            low,
            high,
            log: true,
            marks,
        }
    }

    /// Position of a number: 0 at the low end, 1 at the high end.
    pub fn place(&self, value: f64) -> f64 {
        let scale = |value: f64| if self.log { value.ln() } else { value };
        let (low, high) = (scale(self.low), scale(self.high));
        (scale(value) - low) / (high - low)
    }
}

/// Minimum and maximum, extended if they are equal. Steps between marks are numbers that can be divided by.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    const SMALLEST: f64 = 1e-290;
    const LARGEST: f64 = 1e300;
    let (low, high) = ends(values.map(|value| value.clamp(-LARGEST, LARGEST)));
    if low == high && low.abs() > SMALLEST {
        let beside = low.abs() / 2.0;
        return (low - beside, high + beside);
    }
    match high - low > SMALLEST {
        true => (low, high),
        false => (0.0, 1.0),
    }
}

pub(crate) fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

/// The step of 1, 2 or 5 times a power of ten that gives about [`MARKS`] marks.
fn step(low: f64, high: f64) -> f64 {
    let rough = (high - low) / MARKS;
    let unit = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|factor| factor * unit >= 0.8 * rough);
    factor.unwrap_or(10.0) * unit
}

/// Multiples of the step of a range within it.
fn multiples_between(low: f64, high: f64) -> Vec<f64> {
    let step = step(low, high);
    multiples(step, (low / step).ceil(), (high / step).floor())
}

fn multiples(step: f64, first: f64, last: f64) -> Vec<f64> {
    (first as i64..=last as i64)
        .map(|times| times as f64 * step)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_of_the_smallest_and_largest_numbers_has_few_marks() {
        for values in [
            [0.0, 5e-324],
            [5e-324, 5e-324],
            [-f64::MAX, f64::MAX],
            [f64::MAX, f64::MAX],
            [1.0, 1.0 + f64::EPSILON],
            [5e-324, f64::MAX],
        ] {
            let values = || values.into_iter();
            for axis in [
                Axis::tight(values()),
                Axis::rounded(values()),
                Axis::log(values()),
            ] {
                let values: Vec<_> = values().collect();
                assert!(axis.marks.len() < 50, "{values:?}: {}", axis.marks.len());
            }
        }
    }

    fn close(found: &[f64], expected: &[f64]) {
        let near = found
            .iter()
            .zip(expected)
            .all(|(a, b)| (a - b).abs() < 1e-9 * b.abs().max(1.0));
        assert!(
            near && found.len() == expected.len(),
            "{found:?} is not {expected:?}"
        );
    }

    #[test]
    fn a_rounded_axis_contains_all_numbers_between_its_marks() {
        let axis = Axis::rounded([3.1, 96.0].into_iter());
        close(&axis.marks, &[0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!((axis.place(0.0), axis.place(100.0)), (0.0, 1.0));
        close(
            &Axis::rounded([0.81, 0.93].into_iter()).marks,
            &[0.8, 0.82, 0.84, 0.86, 0.88, 0.9, 0.92, 0.94],
        );
    }

    #[test]
    fn a_tight_axis_ends_at_its_numbers() {
        let axis = Axis::tight([1.0, 1500.0].into_iter());
        close(&axis.marks, &[500.0, 1000.0, 1500.0]);
        assert_eq!((axis.place(1.0), axis.place(1500.0)), (0.0, 1.0));
    }

    #[test]
    fn equal_factors_have_equal_distances_on_a_log_axis() {
        let axis = Axis::log([0.01, 100.0].into_iter());
        close(&axis.marks, &[0.01, 0.1, 1.0, 10.0, 100.0]);
        let steps = axis
            .marks
            .windows(2)
            .map(|pair| axis.place(pair[1]) - axis.place(pair[0]));
        let steps: Vec<f64> = steps.collect();
        close(&steps, &[steps[0]; 4]);
        close(
            &Axis::log([0.3, 11.0].into_iter()).marks,
            &[0.5, 1.0, 2.0, 5.0, 10.0],
        );
        assert!(Axis::log([0.31, 0.42].into_iter()).marks.len() >= 3);
    }

    #[test]
    fn one_number_or_none_gives_a_valid_axis() {
        for values in [vec![], vec![0.0], vec![4.0], vec![-4.0, -4.0]] {
            let axis = Axis::rounded(values.clone().into_iter());
            assert!(axis.marks.len() > 2, "{values:?}");
            assert!(
                values
                    .iter()
                    .all(|value| (0.0..=1.0).contains(&axis.place(*value)))
            );
        }
    }
}
