//! Which values lie in which, and what they are called there.

use crate::pickle::{Heap, Id, Object, Value};

/// How the name of a value continues that of the value that holds it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// By the key of a dictionary or the name of an attribute.
    Key(Id),
    /// By a number.
    Index(usize),
    /// It does not.
    Same,
}

/// A value in another one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Child {
    pub id: Id,
    pub step: Step,
    /// Why a tensor in it is not one of the file's, if it is not.
    pub left: Option<&'static str>,
}

/// Tables in the state of every `torch.nn.Module`, whose entries are what `state_dict()` returns.
const MODULE: [&str; 3] = ["_parameters", "_buffers", "_modules"];
const PASSING: &str = "a buffer that its module does not save";
const ATTRIBUTE: &str = "an attribute of its module, and no parameter";

/// The values that lie directly in a value, in the order of the file.
pub(super) fn children(heap: &Heap, id: Id) -> Vec<Child> {
    match heap.get(id) {
        Value::Tuple(items) | Value::List(items) | Value::Set(items) => indexed(items).collect(),
        Value::Dict(pairs) => keyed(pairs).collect(),
        Value::Object(object) => match module_state(heap, object) {
            Some(state) => of_module(heap, state),
            None => of_object(heap, object),
        },
        _ => Vec::new(),
    }
}

/// Whether a value is met under each of its names, as in `state_dict()`. An object with attributes is met once, since
/// objects may refer to one another in every direction, unless it is a dictionary, a list or a module.
pub(super) fn has_many_names(heap: &Heap, id: Id) -> bool {
    let Value::Object(object) = heap.get(id) else {
        return true;
    };
    let holds = !object.pairs.is_empty() || !object.items.is_empty();
    holds || object.state.is_none() || module_state(heap, object).is_some()
}

fn child(step: Step, id: Id) -> Child {
    Child {
        id,
        step,
        left: None,
    }
}

fn indexed(items: &[Id]) -> impl Iterator<Item = Child> {
    let items = items.iter().enumerate();
    items.map(|(index, id)| child(Step::Index(index), *id))
}

fn keyed(pairs: &[(Id, Id)]) -> impl Iterator<Item = Child> {
    pairs.iter().map(|(key, id)| child(Step::Key(*key), *id))
}

/// The state of a `torch.nn.Module`: one that has the three tables, whatever the class is called.
fn module_state(heap: &Heap, object: &Object) -> Option<Id> {
    let state = object.state?;
    let table = |name: &&str| {
        heap.under(state, name)
            .is_some_and(|id| heap.pairs(id).is_some())
    };
    MODULE.iter().all(table).then_some(state)
}

fn of_module(heap: &Heap, state: Id) -> Vec<Child> {
    let passing = heap.under(state, "_non_persistent_buffers_set");
    let passing = passing.map(|set| texts(heap, set)).unwrap_or_default();
    let attributes = heap.pairs(state).unwrap_or(&[]).iter();
    let children = attributes.flat_map(|(key, value)| {
        let name = heap.text(*key).unwrap_or("");
        match MODULE.contains(&name) {
            false => vec![Child {
                left: Some(ATTRIBUTE),
                ..child(Step::Key(*key), *value)
            }],
            true => keyed(heap.pairs(*value).unwrap_or(&[]))
                .map(|entry| Child {
                    left: match entry.step {
                        Step::Key(key)
                            if name == "_buffers" && passing.contains(&heap.text(key)) =>
                        {
                            Some(PASSING)
                        }
                        _ => None,
                    },
                    ..entry
                })
                .collect(),
        }
    });
    children.collect()
}

/// The items of a set, which the protocols before the fourth write as a call of `set` with a list.
fn texts<'a>(heap: &'a Heap, set: Id) -> Vec<Option<&'a str>> {
    let items = match heap.get(set) {
        Value::Set(items) => Some(items.as_slice()),
        Value::Object(object) => argument(heap, object, 0).and_then(|list| heap.sequence(list)),
        _ => None,
    };
    items
        .unwrap_or(&[])
        .iter()
        .map(|id| heap.text(*id))
        .collect()
}

fn argument(heap: &Heap, object: &Object, index: usize) -> Option<Id> {
    heap.sequence(object.arguments)?.get(index).copied()
}

fn of_object(heap: &Heap, object: &Object) -> Vec<Child> {
    let name = heap.global(object.callable).map_or("", |(_, name)| name);
    let mut children: Vec<_> = match name {
        "dict" | "OrderedDict" | "Counter" => entries(heap, argument(heap, object, 0)),
        "defaultdict" => entries(heap, argument(heap, object, 1)),
        "list" | "tuple" | "set" | "frozenset" | "deque" => {
            contents(heap, argument(heap, object, 0))
        }
        _ => contents(heap, Some(object.arguments)),
    };
    children.extend(indexed(&object.items));
    children.extend(keyed(&object.pairs));
    children.extend(contents(heap, object.keywords));
    // The state of a class with slots is a pair of dictionaries.
    match object.state.map(|state| heap.get(state)) {
        Some(Value::Tuple(parts)) if is_slots(heap, parts) => {
            let parts = parts.iter().filter_map(|part| heap.pairs(*part));
            children.extend(parts.flat_map(keyed));
        }
        _ => children.extend(contents(heap, object.state)),
    }
    children
}

fn is_slots(heap: &Heap, parts: &[Id]) -> bool {
    let kind = |id: &Id| matches!(heap.get(*id), Value::None | Value::Dict(_));
    parts.len() == 2 && parts.iter().all(kind)
}

/// What lies in a value that has no name of its own: arguments and states.
fn contents(heap: &Heap, id: Option<Id>) -> Vec<Child> {
    let Some(id) = id else {
        return Vec::new();
    };
    match heap.get(id) {
        Value::Dict(pairs) => keyed(pairs).collect(),
        Value::Tuple(items) | Value::List(items) | Value::Set(items) => indexed(items).collect(),
        _ => vec![child(Step::Same, id)],
    }
}

/// What a dictionary is made of: another one, or a list of keys and values.
fn entries(heap: &Heap, id: Option<Id>) -> Vec<Child> {
    let pair = |id: &Id| match heap.sequence(*id) {
        Some([key, value]) => Some((*key, *value)),
        _ => None,
    };
    let list = id.and_then(|id| heap.sequence(id));
    let pairs: Option<Vec<_>> = list.and_then(|list| list.iter().map(pair).collect());
    match pairs {
        Some(pairs) => keyed(&pairs).collect(),
        None => contents(heap, id),
    }
}
