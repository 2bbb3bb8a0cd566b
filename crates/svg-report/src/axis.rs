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
        let step = step(low, high);
        let marks = multiples(step, (low / step).ceil(), (high / step).floor());
        Self {
            low,
            high,
            log: false,
            marks,
        }
    }

    /// An axis that begins and ends at a mark and contains these numbers. It begins at zero if that is near.
    pub fn rounded(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = range(values);
        let low = if low > 0.0 && low < high / 2.0 {
            0.0
        } else {
            low
        };
        let step = step(low, high);
        let marks = multiples(step, (low / step).floor(), (high / step).ceil());
        let (low, high) = (marks[0], marks[marks.len() - 1]);
        Self {
            low,
            high,
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
            let step = step(low, high);
            marks = multiples(step, (low / step).ceil(), (high / step).floor());
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

/// Minimum and maximum, extended if they are equal.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    match low.partial_cmp(&high) {
        Some(std::cmp::Ordering::Less) => (low, high),
        Some(std::cmp::Ordering::Equal) if low != 0.0 => {
            (low - low.abs() / 2.0, low + low.abs() / 2.0)
        }
        _ => (0.0, 1.0),
    }
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

fn multiples(step: f64, first: f64, last: f64) -> Vec<f64> {
    (first as i64..=last as i64)
        .map(|times| times as f64 * step)
        .collect()
}

/// Formats a number with at most four significant digits and commas between thousands.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || !value.is_finite() {
        return if size == 0.0 {
            "0".into()
        } else {
            value.to_string()
        };
    }
    if !(1e-4..1e9).contains(&size) {
        return format!("{value:.1e}")
            .replace(".0e", "e")
            .replace('-', "\u{2212}");
    }
    let decimals = (3 - size.log10().floor() as i32).max(0) as usize;
    let text = format!("{size:.decimals$}");
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let part = part.trim_end_matches('0');
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if value < 0.0 { "\u{2212}" } else { "" };
    let point = if part.is_empty() { "" } else { "." };
    format!("{sign}{grouped}{point}{part}")
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn numbers_have_four_significant_digits() {
        let pairs = [
            (0.0, "0"),
            (0.25, "0.25"),
            (-1.5, "\u{2212}1.5"),
            (1234.56, "1,235"),
            (1_500_000.0, "1,500,000"),
            (0.000_123_46, "0.0001235"),
            (0.000_02, "2e\u{2212}5"),
            (99.999, "100"),
        ];
        for (value, text) in pairs {
            assert_eq!(number(value), text);
        }
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
