//! The stack machine of pickles.

use std::collections::HashMap;

use super::code;
use super::scalar::{Reason, Source};
use super::value::{Heap, Id, Object, Value};

const NO_VALUE: Reason = "an instruction finds no value";
const NO_MARK: Reason = "an instruction finds no mark";

/// A pickle that was read to its end.
pub(crate) struct Pickle<'a> {
    pub heap: Heap<'a>,
    /// The value that it is of.
    pub root: Id,
    /// Where the bytes behind it begin.
    pub end: usize,
}

/// The bytes are not those of a pickle, or not all of them.
#[derive(Debug, thiserror::Error)]
#[error("byte {at} of the pickle: {reason}")]
pub(crate) struct PickleError {
    at: usize,
    reason: Reason,
}

/// Reads the pickle that begins at a byte.
pub(crate) fn parse(bytes: &[u8], start: usize) -> Result<Pickle<'_>, PickleError> {
    let mut machine = Machine {
        source: Source { bytes, at: start },
        heap: Heap::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    loop {
        let at = machine.source.at;
        match machine.step() {
            Ok(None) => {}
            Ok(Some(root)) => {
                return Ok(Pickle {
                    heap: machine.heap,
                    root,
                    end: machine.source.at,
                });
            }
            Err(reason) => return Err(PickleError { at, reason }),
        }
    }
}

struct Machine<'a> {
    source: Source<'a>,
    heap: Heap<'a>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    /// Executes one instruction; the value of the pickle after the last one.
    fn step(&mut self) -> Result<Option<Id>, Reason> {
        let code = self.source.byte()?;
        if let Some(value) = self.source.scalar(code)? {
            self.push(value)?;
            return Ok(None);
        }
        match code {
            code::STOP => return self.pop().map(Some),
            code::PROTO => {
                if self.source.byte()? > 5 {
                    return Err("its protocol is later than 5, the last one known");
                }
            }
            code::FRAME => drop(self.source.take(8)?),
            code::MARK => self.marks.push(self.stack.len()),
            code::POP => self.discard()?,
            code::POP_MARK => drop(self.above_mark()?),
            code::DUP => self.stack.push(self.top()?),
            code::GET => {
                let place = self.source.number()?;
                self.recall(place)?;
            }
            code::BINGET => {
                let place = self.source.byte()?;
                self.recall(place.into())?;
            }
            code::LONG_BINGET => {
                let place = self.source.u32()?;
                self.recall(place)?;
            }
            code::PUT => {
                let place = self.source.number()?;
                self.memo.insert(place, self.top()?);
            }
            code::BINPUT => {
                let place = self.source.byte()?.into();
                self.memo.insert(place, self.top()?);
            }
            code::LONG_BINPUT => {
                let place = self.source.u32()?;
                self.memo.insert(place, self.top()?);
            }
            code::MEMOIZE => {
                let place = self.memo.len() as u32;
                self.memo.insert(place, self.top()?);
            }
            _ => self.build(code)?,
        }
        Ok(None)
    }

    /// The instructions that make and fill what holds other values.
    fn build(&mut self, code: u8) -> Result<(), Reason> {
        let value = match code {
            code::EMPTY_TUPLE => Value::Tuple(Vec::new()),
            code::EMPTY_LIST => Value::List(Vec::new()),
            code::EMPTY_DICT => Value::Dict(Vec::new()),
            code::EMPTY_SET => Value::Set(Vec::new()),
            code::TUPLE => Value::Tuple(self.above_mark()?),
            code::LIST => Value::List(self.above_mark()?),
            code::FROZENSET => Value::Set(self.above_mark()?),
            code::DICT => Value::Dict(pairs(&self.above_mark()?)?),
            code::TUPLE1 => Value::Tuple(self.last(1)?),
            code::TUPLE2 => Value::Tuple(self.last(2)?),
            code::TUPLE3 => Value::Tuple(self.last(3)?),
            code::APPEND => {
                let item = self.pop()?;
                return self.extend(vec![item]);
            }
            code::APPENDS | code::ADDITEMS => {
                let items = self.above_mark()?;
                return self.extend(items);
            }
            code::SETITEM => {
                let pair = self.last(2)?;
                return self.insert(&pair);
            }
            code::SETITEMS => {
                let items = self.above_mark()?;
                return self.insert(&items);
            }
            code::BUILD => return self.give_state(),
            code::GLOBAL => {
                let module = self.source.line()?;
                Value::Global(Box::new((module, self.source.line()?)))
            }
            code::STACK_GLOBAL => self.stack_global()?,
            code::EXT1 | code::EXT2 | code::EXT4 => {
                let number = self.source.take([1, 2, 4][usize::from(code - 0x82)])?;
                let name = number.iter().rev().map(|byte| format!("{byte:02x}"));
                Value::Global(Box::new((
                    "copyreg".into(),
                    name.collect::<String>().into(),
                )))
            }
            code::PERSID => {
                let name = Value::Text(self.source.line()?);
                Value::Persistent(self.add(name)?)
            }
            code::BINPERSID => Value::Persistent(self.pop()?),
            code::REDUCE | code::NEWOBJ => {
                let [callable, arguments] = self.last(2)?[..] else {
                    return Err(NO_VALUE);
                };
                object(callable, arguments, None)
            }
            code::NEWOBJ_EX => {
                let [callable, arguments, keywords] = self.last(3)?[..] else {
                    return Err(NO_VALUE);
                };
                object(callable, arguments, Some(keywords))
            }
            code::INST => {
                let module = self.source.line()?;
                let class = Value::Global(Box::new((module, self.source.line()?)));
                let arguments = Value::Tuple(self.above_mark()?);
                object(self.add(class)?, self.add(arguments)?, None)
            }
            code::OBJ => {
                let mut arguments = self.above_mark()?;
                let class = *arguments.first().ok_or(NO_VALUE)?;
                arguments.remove(0);
                object(class, self.add(Value::Tuple(arguments))?, None)
            }
            code::NEXT_BUFFER | code::READONLY_BUFFER => {
                return Err("its buffers were written elsewhere");
            }
            _ => return Err("no instruction has this number"),
        };
        self.push(value)
    }

    fn add(&mut self, value: Value<'a>) -> Result<Id, Reason> {
        self.heap
            .add(value)
            .ok_or("it has more values than any checkpoint")
    }

    fn push(&mut self, value: Value<'a>) -> Result<(), Reason> {
        let id = self.add(value)?;
        self.stack.push(id);
        Ok(())
    }

    /// The values that may be taken: those above the last mark.
    fn free(&self) -> &[Id] {
        let mark = self.marks.last().copied().unwrap_or(0);
        self.stack.get(mark..).unwrap_or(&[])
    }

    fn top(&self) -> Result<Id, Reason> {
        self.free().last().copied().ok_or(NO_VALUE)
    }

    fn pop(&mut self) -> Result<Id, Reason> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    /// Removes a value, or a mark that lies on top.
    fn discard(&mut self) -> Result<(), Reason> {
        match self.free().is_empty() && self.marks.pop().is_some() {
            true => Ok(()),
            false => self.pop().map(drop),
        }
    }

    fn last(&mut self, count: usize) -> Result<Vec<Id>, Reason> {
        let start = self.free().len().checked_sub(count).ok_or(NO_VALUE)?;
        let start = self.stack.len() - self.free().len() + start;
        Ok(self.stack.split_off(start))
    }

    fn above_mark(&mut self) -> Result<Vec<Id>, Reason> {
        let count = self.free().len();
        let items = self.last(count)?;
        self.marks.pop().ok_or(NO_MARK)?;
        Ok(items)
    }

    fn recall(&mut self, place: u32) -> Result<(), Reason> {
        let id = self
            .memo
            .get(&place)
            .ok_or("it refers to a value that it does not have")?;
        self.stack.push(*id);
        Ok(())
    }

    fn extend(&mut self, new: Vec<Id>) -> Result<(), Reason> {
        match self.heap.get_mut(self.top()?) {
            Value::List(items) | Value::Set(items) => items.extend(new),
            Value::Object(object) => object.items.extend(new),
            _ => return Err("items for a value that holds none"),
        }
        Ok(())
    }

    fn insert(&mut self, new: &[Id]) -> Result<(), Reason> {
        let new = pairs(new)?;
        match self.heap.get_mut(self.top()?) {
            Value::Dict(pairs) => pairs.extend(new),
            Value::Object(object) => object.pairs.extend(new),
            _ => return Err("keys for a value that holds none"),
        }
        Ok(())
    }

    fn give_state(&mut self) -> Result<(), Reason> {
        let state = self.pop()?;
        match self.heap.get_mut(self.top()?) {
            Value::Object(object) => object.state = Some(state),
            // A class may be given attributes, and so may what is kept elsewhere.
            Value::Global(_) | Value::Persistent(_) => {}
            _ => return Err("a state for a value that has none"),
        }
        Ok(())
    }

    fn stack_global(&mut self) -> Result<Value<'a>, Reason> {
        let names = self.last(2)?;
        match (self.heap.get(names[0]), self.heap.get(names[1])) {
            (Value::Text(module), Value::Text(name)) => {
                Ok(Value::Global(Box::new((module.clone(), name.clone()))))
            }
            _ => Err("the name of a function is no text"),
        }
    }
}

fn object<'a>(callable: Id, arguments: Id, keywords: Option<Id>) -> Value<'a> {
    Value::Object(Box::new(Object {
        callable,
        arguments,
        keywords,
        ..Object::default()
    }))
}

fn pairs(flat: &[Id]) -> Result<Vec<(Id, Id)>, Reason> {
    let (pairs, rest) = flat.as_chunks::<2>();
    match rest {
        [] => Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect()),
        _ => Err("a key without a value"),
    }
}
