//! Changes of JSON documents that leave them JSON.

use serde_json::{Map, Number, Value, json};
use svg_store::Random;

/// Depth of nested lists that parsers of a fixed stack refuse.
const DEEP: usize = 400;
/// Items of a list that was repeated.
const MANY: usize = 2_000;
/// Longest text: a long list of deep lists is left out.
const LARGEST: usize = 1 << 20;
/// Longest text that is indented, which makes deep lists much longer.
const INDENTED: usize = 1 << 14;

/// The document with one to three values changed, or none if it is no document.
pub fn mutated(text: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let mut document: Value = serde_json::from_slice(text).ok()?;
    for _ in 0..1 + random.below(3) {
        let places = count(&document);
        let mut place = random.below(places as u64) as usize;
        change_at(&mut document, &mut place, random);
    }
    let text = serde_json::to_vec(&document).ok()?;
    match random.below(2) {
        0 if text.len() < INDENTED => serde_json::to_vec_pretty(&document).ok(),
        _ => Some(text).filter(|text| text.len() < LARGEST),
    }
}

/// Values in a document, itself included.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

/// Changes the value of that number, counted from the outermost; whether it was in this one.
fn change_at(value: &mut Value, place: &mut usize, random: &mut Random) -> bool {
    if *place == 0 {
        change(value, random);
        return true;
    }
    *place -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| change_at(item, place, random)),
        Value::Object(fields) => fields
            .values_mut()
            .any(|field| change_at(field, place, random)),
        _ => false,
    }
}

fn change(value: &mut Value, random: &mut Random) {
    if random.below(12) == 0 {
        *value = other(random);
        return;
    }
    match value {
        Value::Null => *value = number(None, random),
        Value::Bool(is) => *is = !*is,
        Value::Number(old) => *value = number(Some(&*old), random),
        Value::String(text) => change_text(text, random),
        Value::Array(items) => change_items(items, random),
        Value::Object(fields) => change_fields(fields, random),
    }
}

/// A value of another kind.
fn other(random: &mut Random) -> Value {
    match random.below(8) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!([]),
        3 => json!({}),
        4 => json!(""),
        5 => json!([[1, "x", null]]),
        6 => (0..DEEP).fold(Value::Null, |inner, _| json!([inner])),
        _ => number(None, random),
    }
}

/// A number at which sizes, counts and shares go wrong, or one beside the old one.
fn number(old: Option<&Number>, random: &mut Random) -> Value {
    let old = old.and_then(Number::as_f64).unwrap_or(1.0);
    let whole = [
        0,
        1,
        2,
        3,
        5,
        17,
        1_000,
        1 << 31,
        (1 << 32) - 1,
        1 << 32,
        1 << 53,
        1 << 61,
        1 << 62,
        (1 << 62) + 4,
        (1 << 63) - 1,
        1 << 63,
        u64::MAX - 3,
        u64::MAX,
    ];
    let broken = [
        -1.0, -0.0, 0.5, 1.5, 3.0, -17.0, 1e-320, 1e-30, 1e9, 1e300, -1e300, 1.7e308,
    ];
    match random.below(8) {
        0..=3 => json!(whole[random.below(whole.len() as u64) as usize]),
        4 | 5 => json!(broken[random.below(broken.len() as u64) as usize]),
        6 => json!((old as i64).saturating_add([-1, 1][random.below(2) as usize])),
        _ => json!(old * [0.5, 2.0, -1.0, 1e6][random.below(4) as usize]),
    }
}

fn change_text(text: &mut String, random: &mut Random) {
    match random.below(8) {
        0 => text.clear(),
        1 => *text = text.repeat(1_000),
        2 => text.insert(0, '\0'),
        3 => text.insert_str(0, "../"),
        4 => text.insert(0, '/'),
        5 => text.push('\u{1b}'),
        6 => {
            let at = random.below(text.chars().count() as u64 + 1) as usize;
            *text = text.chars().take(at).collect();
        }
        _ => {
            let at = random.below(text.chars().count().max(1) as u64) as usize;
            let letters = text.chars().enumerate();
            let letters = letters.map(|(index, letter)| if index == at { '7' } else { letter });
            *text = letters.collect();
        }
    }
}

fn change_items(items: &mut Vec<Value>, random: &mut Random) {
    let at = random.below(items.len().max(1) as u64) as usize;
    match random.below(5) {
        0 => items.clear(),
        1 if !items.is_empty() => drop(items.remove(at)),
        2 if !items.is_empty() => items.push(items[at].clone()),
        3 if !items.is_empty() => *items = vec![items[at].clone(); MANY],
        4 if items.len() > 1 => items.swap(0, at),
        _ => items.push(other(random)),
    }
}

fn change_fields(fields: &mut Map<String, Value>, random: &mut Random) {
    let at = random.below(fields.len().max(1) as u64) as usize;
    let name = fields.keys().nth(at).cloned();
    let Some(name) = name else {
        fields.insert("x".to_string(), other(random));
        return;
    };
    match random.below(5) {
        0 => drop(fields.remove(&name)),
        1 => {
            let value = fields.remove(&name).unwrap_or_default();
            let mut name = name;
            change_text(&mut name, random);
            fields.insert(name, value);
        }
        2 => drop(fields.insert(name + "x", other(random))),
        3 => {
            let values: Vec<_> = fields.values().cloned().collect();
            let value = values[random.below(values.len() as u64) as usize].clone();
            fields.insert(name, value);
        }
        _ => fields.clear(),
    }
}
