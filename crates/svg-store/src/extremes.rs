//! Documents with one extreme number each, for tests of their readers.

use serde_json::{Value, json};

/// Copies of a document, in each of which one number is another: small ones, those at the ends of the number types,
/// fractions and signs. Each comes with the path of its number and the value, as `/sit/n_heads = 17`.
///
/// A reader must take each of them or refuse it, and never panic. What it takes, the program must be able to work with.
///
/// ```
/// use serde_json::json;
/// use svg_store::extremes;
///
/// let documents = extremes(&json!({"steps": 3, "sizes": [1, 2], "name": "7"}));
/// assert!(documents.len() > 60);
/// assert!(documents.iter().any(|(what, document)| {
///     what == "/sizes/1 = 4294967296" && document["sizes"] == json!([1, 4294967296_u64])
/// }));
/// ```
pub fn extremes(document: &Value) -> Vec<(String, Value)> {
    let mut paths = Vec::new();
    numbers(document, "", &mut paths);
    let values = values();
    let changed = paths.iter().flat_map(|path| {
        let copies = values.iter().map(move |value| {
            let mut copy = document.clone();
            let place = copy.pointer_mut(path).expect("a path of this document");
            *place = value.clone();
            (format!("{path} = {value}"), copy)
        });
        copies.collect::<Vec<_>>()
    });
    changed.collect()
}

fn values() -> Vec<Value> {
    let json = json!([
        0,
        1,
        2,
        3,
        5,
        17,
        1000,
        -1,
        65_536,
        i32::MAX,
        u32::MAX,
        1_u64 << 32,
        1_u64 << 53,
        1_u64 << 62,
        i64::MAX,
        i64::MIN,
        u64::MAX - 3,
        u64::MAX,
        0.5,
        1.5,
        -0.5,
        5e-324,
        1e300,
        -1e300
    ]);
    json.as_array().cloned().unwrap_or_default()
}

/// The paths of all numbers, as JSON pointers.
fn numbers(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Number(_) => found.push(path.to_string()),
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                numbers(value, &format!("{path}/{index}"), found);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                numbers(value, &format!("{path}/{name}"), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_at_any_depth_is_changed_alone() {
        let document = json!({"a": 1, "b": {"c/d": [2, {"e~": 3.5}], "f": null}, "g": "4"});
        let all = extremes(&document);
        let count = values().len();
        assert_eq!(all.len(), 3 * count);
        for (path, (what, changed)) in ["/a", "/b/c~1d/0", "/b/c~1d/1/e~0"]
            .iter()
            .zip(all.iter().step_by(count))
        {
            assert_eq!(*what, format!("{path} = 0"));
            let mut back = changed.clone();
            *back.pointer_mut(path).unwrap() = document.pointer(path).unwrap().clone();
            assert_eq!(back, document);
        }
    }
}
