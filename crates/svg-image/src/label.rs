//! Labels as files state them: numbers or names.

use serde_json::Value;

/// Names of fields that hold the path of a picture.
pub(crate) const PATHS: [&str; 13] = [
    "image",
    "path",
    "file_name",
    "filename",
    "file",
    "image_path",
    "img_path",
    "filepath",
    "file_path",
    "img",
    "image_file",
    "image_id",
    "imageid",
];

/// Names of fields that hold a label; the first that is there counts.
pub(crate) const LABELS: [&str; 15] = [
    "label",
    "labels",
    "class",
    "cls",
    "target",
    "fine_label",
    "category",
    "class_id",
    "label_id",
    "class_name",
    "classname",
    "label_name",
    "synset",
    "wnid",
    "predictionstring",
];

/// A label from its text. Empty ones and -1, which stands for an unknown class, are none; `3.0` is 3.
pub(crate) fn label(text: &str) -> Option<String> {
    let text = text.trim();
    let whole = text.strip_suffix(".0").filter(|whole| is_number(whole));
    match text {
        "" | "-1" | "-1.0" => None,
        text => Some(whole.unwrap_or(text).to_string()),
    }
}

/// Whether a label is a number, counted from 0.
pub(crate) fn is_number(label: &str) -> bool {
    let number: Option<u32> = label.parse().ok();
    number.is_some_and(|number| number.to_string() == label)
}

/// The label in an object with one of the usual fields.
pub(crate) fn json_label(value: &Value) -> Option<String> {
    let object = value.as_object()?;
    let mut values = LABELS.iter().filter_map(|field| object.get(*field));
    values.find_map(|value| match value {
        Value::String(text) => label(text),
        Value::Number(number) => label(&number.to_string()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_numbers_or_names() {
        assert_eq!(label(" 3\n").as_deref(), Some("3"));
        assert_eq!(label("3.0").as_deref(), Some("3"));
        assert_eq!(label("v1.0").as_deref(), Some("v1.0"));
        assert_eq!(label("-1"), None);
        assert!(is_number("10") && !is_number("007") && !is_number("n01") && !is_number("-1"));
        let value = serde_json::json!({"caption": "a tench", "class_name": "tench", "label": 0});
        assert_eq!(json_label(&value).as_deref(), Some("0"));
        assert_eq!(json_label(&serde_json::json!({"caption": "a"})), None);
    }
}
