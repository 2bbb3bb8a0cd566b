//! JSON documents that hold a hash of themselves.

use std::borrow::Cow;

use serde::Serialize;

use crate::sha256;

/// How the text of an object begins.
const OPENED: &str = "{\n";
/// What stands between that and the hash, and between the hash and the first field.
const BEFORE: &str = "  \"sha256\": \"";
const AFTER: &str = "\",\n";

/// An object as indented JSON whose first field, `sha256`, is the hash of all the text without this field.
///
/// # Errors
///
/// If the value cannot be represented in JSON, such as a map whose keys are not strings.
///
/// # Panics
///
/// If the value is not an object, or has no fields.
///
/// ```
/// use std::collections::BTreeMap;
/// use svg_store::{sealed_json, unsealed_json};
///
/// let text = sealed_json(&BTreeMap::from([("steps", 100)])).unwrap();
/// assert_eq!(unsealed_json(&text).unwrap(), "{\n  \"steps\": 100\n}\n");
/// assert!(unsealed_json(&text.replace("100", "900")).is_err());
/// ```
pub fn sealed_json(value: &impl Serialize) -> serde_json::Result<String> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    let fields = text.strip_prefix(OPENED);
    let fields = fields.expect("only an object with fields can be sealed");
    Ok(format!("{OPENED}{BEFORE}{}{AFTER}{fields}", sha256(&text)))
}

/// The text that [`sealed_json`] has sealed, without its hash. A text without a hash comes back as it is, because
/// earlier versions wrote such; its reader must not know a field `sha256`.
///
/// # Errors
///
/// A message that the text is not the one that was sealed.
pub fn unsealed_json(text: &str) -> Result<Cow<'_, str>, String> {
    let sealed = text.strip_prefix(OPENED);
    let Some(sealed) = sealed.and_then(|text| text.strip_prefix(BEFORE)) else {
        return Ok(text.into());
    };
    let (hash, fields) = sealed.split_once(AFTER).unwrap_or((sealed, ""));
    let text = format!("{OPENED}{fields}");
    match sha256(&text) == hash {
        true => Ok(text.into()),
        false => Err("it is not what was written: its SHA-256 is another".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strict_json;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Page {
        step: u64,
        note: String,
    }

    fn page() -> Page {
        let note = "\",\n and \u{e9}".to_string();
        Page { step: 12, note }
    }

    fn read(bytes: &[u8]) -> Result<Page, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        strict_json(&unsealed_json(text)?)
    }

    #[test]
    fn a_sealed_document_is_json_and_is_read_back() {
        let text = sealed_json(&page()).unwrap();
        assert_eq!(read(text.as_bytes()).unwrap(), page());
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["step"], 12);
        assert_eq!(json["sha256"].as_str().unwrap().len(), 64);
    }

    #[test]
    fn every_changed_bit_is_an_error() {
        let text = sealed_json(&page()).unwrap().into_bytes();
        for bit in 0..8 * text.len() {
            let mut changed = text.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&changed).is_err(), "bit {bit}");
        }
        for length in 0..text.len() {
            assert!(read(&text[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_document_of_an_earlier_version_has_no_hash() {
        let text = serde_json::to_string_pretty(&page()).unwrap();
        assert_eq!(read(text.as_bytes()).unwrap(), page());
    }

    #[test]
    #[should_panic(expected = "only an object with fields")]
    fn a_list_cannot_be_sealed() {
        let _ = sealed_json(&[1, 2]);
    }
}
