//! Configurations as JSON documents.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use svg_store::strict_json;

/// The part of a training's configuration that says which network is trained.
///
/// In the document it is one field whose name is the kind, such as `"sit": { .. }`, beside the fields that
/// all kinds share. An enum with a newtype variant for each kind serialises so.
pub trait NetworkKind:
    Serialize + DeserializeOwned + Clone + PartialEq + Debug + Send + Sync
{
    /// The names of the field, one for each kind.
    const KINDS: &'static [&'static str];

    /// The first invalid value, in words and with what to set.
    fn invalid(&self) -> Option<String> {
        None
    }

    /// What sides of images must be multiples of, for networks of images.
    fn patch_size(&self) -> usize {
        1
    }
}

/// Reads a document. `sample` is any other document of the training, which names the fields that do not
/// depend on the kind, and `kinds` are those of the sample.
pub(crate) fn read<T, K>(
    text: &str,
    sample: &impl Serialize,
    kinds: &[&str],
    invalid: impl Fn(&T) -> Option<String>,
) -> Result<T, String>
where
    T: Serialize + DeserializeOwned,
    K: NetworkKind,
{
    let config: T = strict_json(text)
        .map_err(|error| wrong_field::<K>(text, sample, kinds).unwrap_or(error))?;
    match invalid(&config) {
        Some(reason) => Err(reason),
        None => Ok(config),
    }
}

/// A document as text.
pub(crate) fn write(config: &impl Serialize) -> String {
    let json = serde_json::to_string_pretty(config).expect("plain fields always serialise");
    json + "\n"
}

/// A field of the outermost level that is unknown, or a missing kind. Serde cannot refuse unknown fields
/// beside a field whose name varies.
fn wrong_field<K: NetworkKind>(
    text: &str,
    sample: &impl Serialize,
    kinds: &[&str],
) -> Option<String> {
    let given: Value = serde_json::from_str(text).ok()?;
    let given = given.as_object()?;
    let sample = serde_json::to_value(sample).ok()?;
    let mut known: Vec<&str> = Vec::new();
    for name in sample.as_object()?.keys() {
        match kinds.contains(&name.as_str()) {
            true => known.extend(K::KINDS),
            false => known.push(name),
        }
    }
    if let Some(unknown) = given.keys().find(|name| !known.contains(&name.as_str())) {
        let known = known.join("`, `");
        return Some(format!(
            "unknown field `{unknown}`, expected one of `{known}`"
        ));
    }
    let kind = K::KINDS.iter().any(|kind| given.contains_key(*kind));
    (!kind).then(|| format!("missing field `{}`", K::KINDS.join("` or `")))
}

/// The first of these numbers that is 0, in words.
pub(crate) fn zero(positive: &[(&str, u64)]) -> Option<String> {
    let (name, _) = positive.iter().find(|(_, value)| *value == 0)?;
    Some(format!("{name} is 0; it must be at least 1"))
}

/// A number outside its bounds, in words.
pub(crate) fn outside(name: &str, value: f64, low: f64, high: f64) -> Option<String> {
    let inside = value >= low && value <= high;
    (!inside).then(|| format!("{name} is {value}; it must lie between {low} and {high}"))
}
