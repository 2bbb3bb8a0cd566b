//! Numbers as text.

/// Formats a number with at most four significant digits and commas between thousands.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        return "0".to_string();
    }
    if !value.is_finite() {
        return value.to_string();
    }
    if !(1e-4..1e9).contains(&size) {
        let text = format!("{value:.1e}").replace(".0e", "e");
        return text.replace('-', "\u{2212}");
    }
    let decimals = (3 - size.log10().floor() as i32).max(0) as usize;
    let text = format!("{size:.decimals$}");
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let thousands = whole.as_bytes().rchunks(3).rev();
    let thousands: Vec<_> = thousands.map(String::from_utf8_lossy).collect();
    let part = part.trim_end_matches('0');
    let point = if part.is_empty() { "" } else { "." };
    let sign = if value < 0.0 { "\u{2212}" } else { "" };
    format!("{sign}{}{point}{part}", thousands.join(","))
}

/// Formats a count of parameters as in `1.4 M`.
pub fn count(count: f64) -> String {
    match count {
        small if small < 1e4 => number(small),
        middle if middle < 9.995e5 => format!("{:.0} k", middle / 1e3),
        large if large < 9.95e7 => format!("{:.1} M", large / 1e6),
        large => format!("{} M", number((large / 1e6).round())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            (f64::INFINITY, "inf"),
        ];
        for (value, text) in pairs {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn parameter_counts_are_formatted_with_units() {
        let pairs = [
            (912.0, "912"),
            (56_700.0, "57 k"),
            (999_800.0, "1.0 M"),
            (6_240_000.0, "6.2 M"),
            (1_130_000_000.0, "1,130 M"),
        ];
        for (parameters, text) in pairs {
            assert_eq!(count(parameters), text);
        }
    }
}
