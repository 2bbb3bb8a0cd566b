//! Values as they are written in names.

use crate::pickle::{Heap, Id, Value};

use super::numpy::{bytes, scalar};
use super::rebuild::StorageName;

/// Keys that are tuples of tuples are written so deep.
const DEEPEST: usize = 4;

/// A key of a dictionary: a text as it is, other values as Python prints them.
pub(super) fn text(heap: &Heap, id: Id) -> String {
    match (heap.get(id), bytes(heap, id)) {
        (Value::Text(text), _) => text.to_string(),
        (_, Some(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        (_, None) => printed(heap, id, DEEPEST),
    }
}

fn printed(heap: &Heap, id: Id, deepest: usize) -> String {
    let Some(deeper) = deepest.checked_sub(1) else {
        return "...".to_string();
    };
    let list = |items: &[Id]| {
        let items = items
            .iter()
            .take(16)
            .map(|item| printed(heap, *item, deeper));
        items.collect::<Vec<_>>().join(", ")
    };
    match heap.get(id) {
        Value::None => "None".to_string(),
        Value::Bool(true) => "True".to_string(),
        Value::Bool(false) => "False".to_string(),
        Value::Int(int) => int.to_string(),
        Value::WideInt => "int".to_string(),
        Value::Float(float) => format!("{float:?}"),
        Value::Text(text) => format!("'{text}'"),
        Value::Bytes(bytes) => format!("b'{}'", bytes.escape_ascii()),
        Value::Tuple(items) if items.len() == 1 => format!("({},)", list(items)),
        Value::Tuple(items) => format!("({})", list(items)),
        Value::List(items) => format!("[{}]", list(items)),
        Value::Set(items) => format!("{{{}}}", list(items)),
        Value::Dict(_) => "dict".to_string(),
        Value::Global(global) => match global.0.as_ref() {
            "builtins" | "__builtin__" => global.1.to_string(),
            module => format!("{module}.{}", global.1),
        },
        Value::Persistent(_) => {
            let key = StorageName::of(heap, id).map_or("", |storage| storage.key);
            format!("storage {key}")
        }
        Value::Object(object) => {
            let arguments = heap.sequence(object.arguments).unwrap_or(&[]);
            let name = heap.global(object.callable).map_or("", |(_, name)| name);
            match (scalar(heap, id), arguments) {
                (Some(number), _) => number.to_string(),
                // A tensor is called by its storage.
                (None, [inner, ..]) if name.starts_with("_rebuild_") => {
                    printed(heap, *inner, deeper)
                }
                (None, arguments) => {
                    let class = printed(heap, object.callable, deeper);
                    format!("{class}({})", list(arguments))
                }
            }
        }
    }
}
