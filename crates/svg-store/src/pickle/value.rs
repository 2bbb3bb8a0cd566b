//! The values of a pickle.

use std::borrow::Cow;

/// Place of a value in its [`Heap`]. Values refer to one another by place, since a pickle may share them and
/// lead in circles.
pub(crate) type Id = u32;

/// More values than any checkpoint has; their memory is limited by it.
const MOST_VALUES: usize = 50_000_000;

/// A value of Python.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// An integer of more than 64 bits.
    WideInt,
    Float(f64),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Set(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A function or class: its module and its name.
    Global(Box<(Cow<'a, str>, Cow<'a, str>)>),
    /// What the writer keeps outside the pickle, by the name that it gave it.
    Persistent(Id),
    Object(Box<Object>),
}

/// The result of a call that was not made.
#[derive(Debug, Default)]
pub(crate) struct Object {
    /// The function or class.
    pub callable: Id,
    /// A tuple, usually.
    pub arguments: Id,
    /// Arguments with names.
    pub keywords: Option<Id>,
    /// What `__setstate__` gets, or the dictionary of attributes.
    pub state: Option<Id>,
    /// Items of a list, a set or a subclass.
    pub items: Vec<Id>,
    /// Keys and values of a dictionary or a subclass.
    pub pairs: Vec<(Id, Id)>,
}

/// All values of one pickle.
#[derive(Debug, Default)]
pub(crate) struct Heap<'a> {
    values: Vec<Value<'a>>,
}

impl<'a> Heap<'a> {
    /// Adds a value; `None` if there are too many.
    pub fn add(&mut self, value: Value<'a>) -> Option<Id> {
        let id = self.values.len();
        self.values.push(value);
        (id < MOST_VALUES).then_some(id as Id)
    }

    /// The value at a place of this heap.
    pub fn get(&self, id: Id) -> &Value<'a> {
        &self.values[id as usize]
    }

    pub fn get_mut(&mut self, id: Id) -> &mut Value<'a> {
        &mut self.values[id as usize]
    }

    /// The places of all values.
    pub fn ids(&self) -> std::ops::Range<Id> {
        0..self.values.len() as Id
    }

    /// Module and name of a function or class.
    pub fn global(&self, id: Id) -> Option<(&str, &str)> {
        match self.get(id) {
            Value::Global(global) => Some((&global.0, &global.1)),
            _ => None,
        }
    }

    /// A text.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An integer.
    pub fn int(&self, id: Id) -> Option<i64> {
        match self.get(id) {
            Value::Int(int) => Some(*int),
            _ => None,
        }
    }

    /// The items of a tuple or list.
    pub fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(items) | Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// Keys and values of a dictionary, or of an instance of a subclass.
    pub fn pairs(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.get(id) {
            Value::Dict(pairs) => Some(pairs),
            Value::Object(object) => Some(&object.pairs),
            _ => None,
        }
    }

    /// The value of a dictionary under a text.
    pub fn under(&self, id: Id, key: &str) -> Option<Id> {
        let pairs = self.pairs(id)?.iter().rev();
        let mut found = pairs.filter(|(name, _)| self.text(*name) == Some(key));
        found.next().map(|(_, value)| *value)
    }
}
