//! What a document says of an architecture.

use serde_json::Value;

use crate::DinoConfig;

/// What [`DinoConfig`] has and no tensor shows.
const NOT_IN_TENSORS: [&str; 3] = ["rope_base", "norm_eps", "pixels"];

/// Some fields of a [`DinoConfig`], under the names that a document has for them.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// The document, as messages call it.
    pub source: String,
    /// Their name, ours, and the value.
    fields: Vec<(String, String, Value)>,
}

impl Said {
    /// What a document that is called `source` says if it means `config` by the fields of these names: theirs
    /// and ours.
    pub fn of(source: &str, config: &DinoConfig, names: &[(&str, &str)]) -> Self {
        let config = to_json(config);
        let fields = names.iter().map(|(theirs, ours)| {
            let value = config.get(*ours).expect("names are those of the fields");
            (theirs.to_string(), ours.to_string(), value.clone())
        });
        Self {
            source: source.to_string(),
            fields: fields.collect(),
        }
    }

    /// The number of heads, which shapes do not show.
    pub fn n_heads(&self) -> Option<usize> {
        let heads = self.value("n_heads")?.as_u64()?;
        usize::try_from(heads).ok()
    }

    fn value(&self, ours: &str) -> Option<&Value> {
        let found = self.fields.iter().find(|(_, name, _)| name == ours);
        found.map(|(_, _, value)| value)
    }

    /// In what two documents differ, in words.
    pub fn contradiction(&self, other: &Self) -> Option<String> {
        self.differences(&other.source, |ours| other.value(ours).cloned())
    }

    /// In what it differs from the architecture that tensors show, in words.
    pub fn contradicts(&self, tensors: &DinoConfig) -> Option<String> {
        let shown = to_json(tensors);
        self.differences("its tensors", |ours| match NOT_IN_TENSORS.contains(&ours) {
            true => None,
            false => shown.get(ours).cloned(),
        })
    }

    fn differences(&self, whose: &str, other: impl Fn(&str) -> Option<Value>) -> Option<String> {
        let differing = self.fields.iter().filter_map(|(theirs, ours, value)| {
            let other = other(ours).filter(|other| other != value)?;
            Some(format!("{theirs} ({value} and {other})"))
        });
        let differing: Vec<_> = differing.collect();
        let source = &self.source;
        (!differing.is_empty())
            .then(|| format!("{source} and {whose} differ in {}", differing.join(", ")))
    }

    /// The configuration with what the tensors do not show.
    pub fn complete(&self, config: DinoConfig) -> DinoConfig {
        let mut all = to_json(&config);
        for (_, ours, value) in &self.fields {
            if NOT_IN_TENSORS.contains(&ours.as_str()) {
                all[ours] = value.clone();
            }
        }
        serde_json::from_value(all).expect("values are those of a configuration")
    }
}

/// The names of the fields in which two networks compute differently; how periods are rounded and how layer
/// scales begin is not among them.
pub(crate) fn differing(one: &DinoConfig, other: &DinoConfig) -> Vec<String> {
    let (one, other) = (to_json(one), to_json(other));
    let fields = one.as_object().into_iter().flatten();
    let differing = fields.filter(|(name, value)| {
        !["rope_periods", "layer_scale"].contains(&name.as_str()) && other[*name] != **value
    });
    differing.map(|(name, _)| name.clone()).collect()
}

/// The value of a field, for messages.
pub(crate) fn shown(config: &DinoConfig, field: &str) -> String {
    to_json(config)[field].to_string()
}

fn to_json(config: &DinoConfig) -> Value {
    serde_json::to_value(config).expect("plain fields always serialise")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [(&str, &str); 3] = [
        ("depth", "n_layers"),
        ("heads", "n_heads"),
        ("eps", "norm_eps"),
    ];

    #[test]
    fn differences_are_named_and_nothing_else() {
        let config = DinoConfig::new(64, 2, 4, 128);
        let said = Said::of("the card", &config, &NAMES);
        assert_eq!(said.n_heads(), Some(4));
        let same = config.clone().with_patch_size(8).with_norm_eps(1e-6);
        assert_eq!(said.contradicts(&same), None);
        let other = DinoConfig::new(64, 3, 8, 128);
        assert_eq!(
            said.contradicts(&other).unwrap(),
            "the card and its tensors differ in depth (2 and 3), heads (4 and 8)"
        );
        let other = Said::of("a note", &config.clone().with_norm_eps(1e-6), &NAMES[1..]);
        assert_eq!(
            said.contradiction(&other).unwrap(),
            "the card and a note differ in eps (0.00001 and 1e-6)"
        );
        assert_eq!(other.complete(config.clone()), config.with_norm_eps(1e-6));
    }
}
