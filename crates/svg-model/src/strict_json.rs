//! Configurations from JSON in which every field is known.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A configuration from JSON in which every field is known.
///
/// Burn's configurations accept fields that they do not know, so that a typo would pass in silence.
/// This writes the configuration back and compares the names.
///
/// # Errors
///
/// In words: what is no JSON, a missing field, or the unknown fields by their paths with the known ones
/// beside them.
pub fn strict_json<T: DeserializeOwned + Serialize>(text: &str) -> Result<T, String> {
    let given: Value = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
    let config: T = serde_json::from_value(given.clone()).map_err(|error| error.to_string())?;
    let known = serde_json::to_value(&config).map_err(|error| error.to_string())?;
    let mut unknown = Vec::new();
    compare(&given, &known, "", &mut unknown);
    match unknown.is_empty() {
        true => Ok(config),
        false => Err(unknown.join("; ")),
    }
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
