//! Numbers of documents and command lines, and the ranges that they must lie in.

use std::fmt::{Display, LowerExp};
use std::ops::RangeInclusive;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::json::strict_json;

/// Digits up to which a number is written out.
const WRITTEN_OUT: usize = 20;

/// Trait for documents whose values have ranges.
///
/// A reader asks [`problem`](Self::problem) before anything is computed, allocated or shifted by a number, so that
/// a number from outside is an error that names its field, and never a panic further down.
pub trait Checked {
    /// The first value that cannot be used, as a message that begins with the name of its field and says what it may
    /// be; `None` if all can be used.
    fn problem(&self) -> Option<String>;
}

/// [`strict_json`] for a document whose values have ranges.
///
/// # Errors
///
/// As for [`strict_json`], and [`Checked::problem`].
pub fn checked_json<T: DeserializeOwned + Serialize + Checked>(text: &str) -> Result<T, String> {
    checked(strict_json(text)?)
}

/// A document, if all its values can be used.
///
/// # Errors
///
/// [`Checked::problem`].
pub fn checked<T: Checked>(document: T) -> Result<T, String> {
    match document.problem() {
        None => Ok(document),
        Some(problem) => Err(problem),
    }
}

/// A message if a number lies outside its range, as one that is not a number always does.
///
/// ```
/// use svg_store::outside;
///
/// assert_eq!(outside("n_heads", 6, 1..=64), None);
/// let problem = outside("n_heads", 1_u64 << 62, 1..=64).unwrap();
/// assert_eq!(problem, "n_heads is 4611686018427387904; it must lie between 1 and 64");
/// let problem = outside("dropout", 3e40, 0.0..=0.5).unwrap();
/// assert_eq!(problem, "dropout is 3e40; it must lie between 0 and 0.5");
/// ```
pub fn outside<T: PartialOrd + Display + LowerExp>(
    name: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Option<String> {
    if range.contains(&value) {
        return None;
    }
    let (low, high) = (shown(range.start()), shown(range.end()));
    let value = shown(&value);
    Some(format!(
        "{name} is {value}; it must lie between {low} and {high}"
    ))
}

/// The problem of a part of a document, by the path of its field.
pub fn below(part: &str, problem: Option<String>) -> Option<String> {
    problem.map(|problem| format!("{part}.{problem}"))
}

/// The first problem of several.
pub fn first(problems: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    problems.into_iter().flatten().next()
}

/// A number without hundreds of zeros.
fn shown<T: Display + LowerExp>(value: &T) -> String {
    let plain = value.to_string();
    match plain.len() <= WRITTEN_OUT {
        true => plain,
        false => format!("{value:e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Page {
        layers: usize,
        share: f64,
    }

    impl Checked for Page {
        fn problem(&self) -> Option<String> {
            first([
                outside("layers", self.layers, 1..=9),
                outside("share", self.share, 0.0..=1.0),
            ])
        }
    }

    #[test]
    fn a_number_outside_its_range_is_named_with_the_range() {
        let read = checked_json::<Page>;
        let page = Page {
            layers: 9,
            share: 0.0,
        };
        assert_eq!(read(r#"{"layers": 9, "share": 0}"#), Ok(page));
        for (text, expected) in [
            (
                r#"{"layers": 10, "share": 0}"#,
                "layers is 10; it must lie between 1 and 9",
            ),
            (
                r#"{"layers": 18446744073709551615, "share": 0}"#,
                "layers is 18446744073709551615; it",
            ),
            (
                r#"{"layers": 1, "share": 1e300}"#,
                "share is 1e300; it must lie between 0 and 1",
            ),
            (r#"{"layers": 1, "share": -1e-300}"#, "share is -1e-300; it"),
            (r#"{"layers": -1, "share": 0}"#, "layers: invalid value"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn what_is_not_a_number_is_outside_every_range() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(outside("x", value, f64::MIN..=f64::MAX).is_some());
        }
    }

    #[test]
    fn a_problem_of_a_part_has_its_path() {
        let problem = below("decoder", outside("width", 0, 1..=2));
        assert!(problem.unwrap().starts_with("decoder.width is 0;"));
        assert_eq!(below("decoder", None), None);
    }
}
