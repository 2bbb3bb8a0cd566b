//! JSON documents in which every field is known.

use std::ops::RangeInclusive;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A value from JSON in which every field is known.
///
/// Derived readers accept fields that they do not know, so that a typo would pass unnoticed. This writes
/// the value back and compares the names.
///
/// # Errors
///
/// In words: that it is no JSON, a missing field, or the unknown fields by their paths with the known ones
/// beside them.
///
/// ```
/// use std::collections::BTreeMap;
///
/// let read = svg_store::strict_json::<BTreeMap<String, u32>>;
/// assert_eq!(read(r#"{"steps": 100}"#).unwrap()["steps"], 100);
/// assert!(read("steps = 100").unwrap_err().starts_with("no JSON"));
/// ```
pub fn strict_json<T: DeserializeOwned + Serialize>(text: &str) -> Result<T, String> {
    let given: Value = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
    let value: T = serde_json::from_value(given.clone()).map_err(|error| error.to_string())?;
    let known = serde_json::to_value(&value).map_err(|error| error.to_string())?;
    let mut unknown = Vec::new();
    compare(&given, &known, "", &mut unknown);
    match unknown.is_empty() {
        true => Ok(value),
        false => Err(unknown.join("; ")),
    }
}

/// The number in the field `format` of a document, if it is one of those that are `known`.
///
/// # Errors
///
/// In words: that there is no such field, or the number with those that are known.
pub fn json_format(text: &str, known: RangeInclusive<u32>) -> Result<u32, String> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let Version { format } = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if known.contains(&format) {
        return Ok(format);
    }
    let (first, last) = known.into_inner();
    let reads = match first == last {
        true => last.to_string(),
        false => format!("{first} to {last}"),
    };
    Err(format!(
        "format {format} is not known to this program, which reads {reads}; use a newer version"
    ))
}

/// [`strict_json`] of a document with a `format`, which is looked at first: a newer document is refused
/// because of its number and not because of a field.
///
/// # Errors
///
/// In words, as for [`json_format`] and [`strict_json`].
pub fn versioned_json<T: DeserializeOwned + Serialize>(
    text: &str,
    known: RangeInclusive<u32>,
) -> Result<T, String> {
    json_format(text, known)?;
    strict_json(text)
}

fn compare(given: &Value, known: &Value, path: &str, unknown: &mut Vec<String>) {
    let (Value::Object(given), Value::Object(known)) = (given, known) else {
        return;
    };
    for (name, value) in given {
        match known.get(name) {
            Some(counterpart) => compare(value, counterpart, &format!("{path}{name}."), unknown),
            None => {
                let names: Vec<_> = known.keys().map(String::as_str).collect();
                unknown.push(format!(
                    "unknown field {path}{name}; known are {}",
                    names.join(", ")
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Page {
        format: u32,
        inner: Inner,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Inner {
        layers: u32,
    }

    const PAGE: &str = r#"{"format": 2, "inner": {"layers": 3}}"#;

    #[test]
    fn an_unknown_field_is_named_by_its_path_with_the_known_ones() {
        let page: Page = strict_json(PAGE).unwrap();
        assert_eq!(page.inner, Inner { layers: 3 });
        let typo = PAGE.replace("\"layers\"", "\"layres\": 1, \"layers\"");
        let error = strict_json::<Page>(&typo).unwrap_err();
        assert_eq!(error, "unknown field inner.layres; known are layers");
        let missing = PAGE.replace("layers", "layres");
        let error = strict_json::<Page>(&missing).unwrap_err();
        assert!(error.contains("missing field `layers`"), "{error}");
    }

    #[test]
    fn another_format_is_refused_before_its_fields() {
        let newer = r#"{"format": 3, "more": 1}"#;
        let error = versioned_json::<Page>(newer, 1..=2).unwrap_err();
        let expected =
            "format 3 is not known to this program, which reads 1 to 2; use a newer version";
        assert_eq!(error, expected);
        let error = json_format(newer, 1..=1).unwrap_err();
        assert!(error.contains("which reads 1;"), "{error}");
        assert!(json_format("{}", 1..=1).unwrap_err().contains("format"));
        assert_eq!(versioned_json::<Page>(PAGE, 1..=2).unwrap().format, 2);
    }
}
