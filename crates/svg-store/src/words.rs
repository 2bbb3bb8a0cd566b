//! Values and names as they stand in messages.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::printable::printable;

/// Names in a list of a message.
const SHOWN: usize = 8;

/// Characters of a value in a message.
const LONGEST_VALUE: usize = 60;

/// The fields in which two documents differ, by path with both values, each with the word behind it:
/// `size 2 there, 3 asked for`. `None` if there is no difference.
///
/// ```
/// use serde_json::json;
/// use svg_store::json_differences;
///
/// let (one, other) = (json!({"a": 1, "b": {"c": "x"}}), json!({"a": 1, "b": {"c": "y"}}));
/// let said = json_differences(&one, "there", &other, "asked for");
/// assert_eq!(said.as_deref(), Some("b.c x there, y asked for"));
/// assert_eq!(json_differences(&one, "there", &one, "asked for"), None);
/// ```
pub fn json_differences(
    one: &Value,
    behind_one: &str,
    other: &Value,
    behind_other: &str,
) -> Option<String> {
    let mut found = Vec::new();
    differ(Some(one), Some(other), "", &mut found);
    let said = found
        .iter()
        .map(|(path, one, other)| format!("{path} {one} {behind_one}, {other} {behind_other}"));
    let said: Vec<_> = said.collect();
    (!said.is_empty()).then(|| listed_with(&said, "; "))
}

/// The leaves in which two documents differ, with both values in words.
fn differ(
    one: Option<&Value>,
    other: Option<&Value>,
    path: &str,
    found: &mut Vec<(String, String, String)>,
) {
    if one == other {
        return;
    }
    let (Some(Value::Object(one)), Some(Value::Object(other))) = (one, other) else {
        let path = path.trim_end_matches('.').to_string();
        return found.push((path, in_words(one), in_words(other)));
    };
    let names: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    for name in names {
        let path = format!("{path}{name}.");
        differ(one.get(name), other.get(name), &path, found);
    }
}

/// A value as it stands in a message.
fn in_words(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => "nothing".to_string(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    let text = printable(&text);
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.into_owned(),
    }
}

/// The first few of some names, [`printable`](crate::printable) and separated by commas, and how many more there are.
///
/// ```
/// let classes: Vec<String> = (0..1000).map(|class| class.to_string()).collect();
/// assert_eq!(svg_store::listed(&classes), "0, 1, 2, 3, 4, 5, 6, 7 and 992 more");
/// assert_eq!(svg_store::listed(&["a", "b\n"]), r"a, b\n");
/// ```
pub fn listed<S: AsRef<str>>(names: &[S]) -> String {
    listed_with(names, ", ")
}

fn listed_with<S: AsRef<str>>(names: &[S], separator: &str) -> String {
    let shown = names
        .iter()
        .take(SHOWN)
        .map(|name| printable(name.as_ref()));
    let shown = shown.collect::<Vec<_>>().join(separator);
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// How two lists of names differ; `None` if they do not.
///
/// ```
/// use svg_store::list_differences;
///
/// let said = list_differences(&["cat", "dog"], "there", &["cat", "owl"], "now");
/// assert_eq!(said.as_deref(), Some("only there: dog; only now: owl"));
/// let said = list_differences(&["cat", "dog"], "there", &["dog", "cat"], "now");
/// assert_eq!(said.as_deref(), Some("the same names in another order"));
/// assert_eq!(list_differences(&["cat"], "there", &["cat"], "now"), None);
/// ```
pub fn list_differences<S: AsRef<str> + PartialEq>(
    one: &[S],
    where_one: &str,
    other: &[S],
    where_other: &str,
) -> Option<String> {
    if one == other {
        return None;
    }
    let set = |names: &[S]| -> BTreeSet<String> {
        names.iter().map(|name| name.as_ref().to_string()).collect()
    };
    let (one, other) = (set(one), set(other));
    let said = [(&one, &other, where_one), (&other, &one, where_other)];
    let said = said.into_iter().filter_map(|(names, without, place)| {
        let only: Vec<_> = names.difference(without).collect();
        (!only.is_empty()).then(|| format!("only {place}: {}", listed(&only)))
    });
    let said: Vec<_> = said.collect();
    match said.is_empty() {
        true => Some("the same names in another order".to_string()),
        false => Some(said.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_leaves_and_long_ones_are_cut() {
        let many = |value: usize| {
            let fields = (0..12).map(|field| (format!("f{field:02}"), Value::from(value)));
            Value::Object(fields.collect())
        };
        let said = json_differences(&many(1), "then", &many(2), "now").unwrap();
        assert!(said.starts_with("f00 1 then, 2 now; f01 1"), "{said}");
        assert!(said.ends_with("f07 1 then, 2 now and 4 more"), "{said}");
        let (one, other) = (Value::from("x".repeat(200)), Value::Null);
        let said = json_differences(&one, "then", &other, "now").unwrap();
        assert!(
            said.len() < 100 && said.ends_with("... then, nothing now"),
            "{said}"
        );
    }
}
