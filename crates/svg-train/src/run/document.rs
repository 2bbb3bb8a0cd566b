//! Configurations as JSON documents.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use svg_store::{first, outside, plain_json, strict_json};

use super::Pace;

/// The part of a training's configuration that says which network is trained.
///
/// In the document it is one field whose name is the kind, such as `"sit": { .. }`, beside the fields that
/// all kinds share. An enum with a newtype variant for each kind serialises so.
pub trait NetworkKind:
    Serialize + DeserializeOwned + Clone + PartialEq + Debug + Send + Sync + 'static
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

/// A training as a JSON document.
///
/// Every field must be in the document, and a field that is not known is an error.
pub trait Training: Serialize + DeserializeOwned {
    /// The part that says which network is trained.
    type Kind: NetworkKind;
    /// Kinds of [`SMALLEST`](Self::SMALLEST).
    type BuiltIn: NetworkKind;
    /// The smallest document of the training with every part in it, for tests; it learns nothing worth
    /// keeping. Its fields are the known ones.
    const SMALLEST: &'static str;

    /// How long a run is, and when it does what.
    fn pace(&self) -> Pace;

    /// The first invalid value, in words and with what to set.
    fn invalid(&self) -> Option<String>;

    /// Changes after which a step needs less memory, the most harmless first.
    fn less_memory(&self) -> Vec<String> {
        vec![format!("batch_size below {}", self.pace().batch_size)]
    }

    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// In words: no JSON, a missing or an unknown field, or an invalid value.
    fn from_json(text: &str) -> Result<Self, String> {
        let config: Self = strict_json(text).map_err(|error| {
            let better = wrong_field::<Self>(text).or_else(|| wrong_kind::<Self::Kind>(text));
            better.unwrap_or(error)
        })?;
        match config.invalid() {
            Some(reason) => Err(reason),
            None => Ok(config),
        }
    }

    /// The configuration as a file.
    fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self).expect("plain fields always serialise");
        json + "\n"
    }

    /// Images of one optimiser step.
    fn images_per_step(&self) -> u64 {
        self.pace().images_per_step()
    }
}

/// A field of the outermost level that is unknown, or a missing kind. Serde cannot refuse unknown fields
/// beside a field whose name varies.
fn wrong_field<T: Training>(text: &str) -> Option<String> {
    let given: Map<String, Value> = plain_json(text).ok()?;
    let sample: Map<String, Value> = serde_json::from_str(T::SMALLEST).ok()?;
    let kinds = T::Kind::KINDS;
    let known: Vec<&str> = sample
        .keys()
        .flat_map(|name| match T::BuiltIn::KINDS.contains(&name.as_str()) {
            true => kinds.to_vec(),
            false => vec![name.as_str()],
        })
        .collect();
    if let Some(unknown) = given.keys().find(|name| !known.contains(&name.as_str())) {
        let known = known.join("`, `");
        return Some(format!(
            "unknown field `{unknown}`, expected one of `{known}`"
        ));
    }
    let kind = kinds.iter().any(|kind| given.contains_key(*kind));
    (!kind).then(|| format!("missing field `{}`", kinds.join("` or `")))
}

/// What is wrong in the field of the network, by its path: serde forgets the path where the name of a field
/// varies.
fn wrong_kind<K: NetworkKind>(text: &str) -> Option<String> {
    let given: Map<String, Value> = plain_json(text).ok()?;
    let own = given
        .into_iter()
        .filter(|(name, _)| K::KINDS.contains(&name.as_str()));
    strict_json::<K>(&Value::Object(own.collect()).to_string()).err()
}

/// What of Adam's numbers no step can be taken with, in words. A decay of 1 would divide by zero.
pub(crate) fn adam(beta_1: f32, beta_2: f32, epsilon: f32) -> Option<String> {
    first([
        outside("optimizer.beta_1", beta_1, 0.0..=0.999_999),
        outside("optimizer.beta_2", beta_2, 0.0..=0.999_999),
        outside("optimizer.epsilon", epsilon, 1e-30..=1.0),
    ])
}

/// The fields in which a configuration, `now`, differs from one `before`, in words. A field that a later version
/// has added has its default in both.
pub(crate) fn differences(before: &str, now: &str) -> Vec<String> {
    let read = |text| serde_json::from_str::<Value>(text);
    let (Ok(before), Ok(now)) = (read(before), read(now)) else {
        return vec!["it is not JSON".to_string()];
    };
    let mut all = Vec::new();
    compare("", &before, &now, &mut all);
    if all.len() > MOST_NAMED {
        let more = all.split_off(MOST_NAMED).len();
        all.push(format!("and {more} more"));
    }
    all
}

/// Fields that a message names.
const MOST_NAMED: usize = 8;

fn compare(path: &str, before: &Value, now: &Value, all: &mut Vec<String>) {
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => {
            for (name, value) in before {
                let path = match path {
                    "" => name.clone(),
                    path => format!("{path}.{name}"),
                };
                match now.get(name) {
                    Some(now) => compare(&path, value, now, all),
                    None => all.push(format!("{path} is missing")),
                }
            }
        }
        _ if before == now => {}
        _ => all.push(format!("{path} was {before} and is {now}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named_by_their_paths() {
        let before =
            r#"{"steps": 5, "data": {"size": 8, "rule": "reference"}, "betas": [0.9, 0.99]}"#;
        let now = r#"{"steps": 5, "data": {"size": 16, "rule": "reference"}, "betas": [0.9, 0.95], "new": 1}"#;
        let expected = [
            "betas was [0.9,0.99] and is [0.9,0.95]",
            "data.size was 8 and is 16",
        ];
        let mut found = differences(before, now);
        found.sort();
        assert_eq!(found, expected);
        assert!(differences(before, before).is_empty());
        assert_eq!(differences(before, "{}").len(), 3);
        assert_eq!(differences(before, "{"), ["it is not JSON"]);
    }

    #[test]
    fn a_long_list_of_differences_is_cut() {
        let many = |value: u32| {
            let fields = (0..20).map(|name| format!("\"f{name}\": {value}"));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        };
        let found = differences(&many(1), &many(2));
        assert_eq!((found.len(), found[8].as_str()), (9, "and 12 more"));
    }
}
