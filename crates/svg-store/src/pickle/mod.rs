//! Python's pickles as values. Nothing in them is executed.
//!
//! A pickle is a program for a stack machine that names functions and classes to be called. [`parse`] runs
//! the stack and keeps every call as an [`Object`]: what would be called, with which arguments, and which
//! state, items and pairs the result would be given. All protocols (0 to 5) are read.

mod code;
mod machine;
mod scalar;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use machine::{Pickle, PickleError, parse};
pub(crate) use value::{Heap, Id, Object, Value};
