//! Strict reading of JSON documents.

use std::ops::RangeInclusive;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Deserialises JSON and rejects unknown fields at any depth.
///
/// Derived implementations ignore unknown fields by default, so that typos pass unnoticed. This function
/// serialises the value again and compares the names.
///
/// # Errors
///
/// A message that the text is not JSON, names a missing field, or lists the paths of unknown fields with the
/// known names.
///
/// ```
/// use std::collections::BTreeMap;
///
/// let read = svg_store::strict_json::<BTreeMap<String, u32>>;
/// assert_eq!(read(r#"{"steps": 100}"#).unwrap()["steps"], 100);
/// assert!(read("steps = 100").unwrap_err().starts_with("not JSON"));
/// ```
pub fn strict_json<T: DeserializeOwned + Serialize>(text: &str) -> Result<T, String> {
    let given: Value = plain_json(text)?;
    let value: T = named(given.clone())?;
    let known = serde_json::to_value(&value).map_err(|error| error.to_string())?;
    let mut unknown = Vec::new();
    compare(&given, &known, "", &mut unknown);
    match unknown.is_empty() {
        true => Ok(value),
        false => Err(unknown.join("; ")),
    }
}

/// Deserialises JSON, and names the field that is missing or of another type.
///
/// # Errors
///
/// A message that the text is not JSON, or with the path of the field and what was expected there.
///
/// ```
/// use std::collections::BTreeMap;
///
/// let read = svg_store::plain_json::<BTreeMap<String, u32>>;
/// let error = read(r#"{"steps": "many"}"#).unwrap_err();
/// assert_eq!(error, r#"steps: invalid type: string "many", expected u32"#);
/// ```
pub fn plain_json<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    // Editors of some systems begin a file with a byte order mark.
    let text = text.trim_start_matches('\u{feff}');
    let given: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    named(given)
}

fn named<T: DeserializeOwned>(given: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(given).map_err(|error| {
        let (path, reason) = (error.path().to_string(), error.inner());
        match path.as_str() {
            "." => reason.to_string(),
            _ => format!("{path}: {reason}"),
        }
    })
}

/// The number in the field `format` of a document, if it is in `known`.
///
/// # Errors
///
/// A message that the field is missing, or that names the number and the known ones.
pub fn json_format(text: &str, known: RangeInclusive<u32>) -> Result<u32, String> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let Version { format } = plain_json(text)?;
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

/// [`strict_json`] for a document with a field `format`, which is checked first, so that the error for a newer
/// document names its format and not an unknown field.
///
/// # Errors
///
/// As for [`json_format`] and [`strict_json`].
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
                let known = names.join(", ");
                unknown.push(format!("unknown field {path}{name}; known are {known}"));
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
    fn errors_name_unknown_fields_by_path_and_known_ones() {
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
    fn a_field_of_another_type_is_named_by_its_path() {
        let error = strict_json::<Page>(&PAGE.replace('3', "\"three\"")).unwrap_err();
        let expected = "inner.layers: invalid type: string \"three\", expected u32";
        assert_eq!(error, expected);
        assert_eq!(
            strict_json::<Page>(&format!("\u{feff}{PAGE}"))
                .unwrap()
                .format,
            2
        );
        let error = versioned_json::<Page>(&PAGE.replace('2', "[]"), 1..=2).unwrap_err();
        assert!(error.starts_with("format: invalid type"), "{error}");
    }

    #[test]
    fn an_unknown_format_is_rejected_before_its_fields() {
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
