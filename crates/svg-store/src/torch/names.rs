//! Names of the values in a pickle: the keys on the way to them, joined by dots.

use std::collections::HashMap;

use crate::pickle::{Heap, Id};

use super::children::{Child, Step, children, has_many_names};
use super::text::text;

/// Values lie in one another at most so deep.
const DEEPEST: usize = 1000;
/// Names have at most so many bytes together.
const LONGEST: usize = 1 << 28;
/// A walk meets at most so many values.
const MOST_STEPS: usize = 5_000_000;

/// A value with its name.
#[derive(Debug)]
pub(super) struct Named {
    pub name: String,
    pub id: Id,
    /// Why it is not one of the file's tensors, if it is not.
    pub left: Option<&'static str>,
}

/// The values that are wanted, under all their names, in the order of the file.
///
/// # Errors
///
/// In words, if they lie too deep or have too many names.
pub(super) fn named(
    heap: &Heap,
    root: Id,
    wanted: impl Fn(Id) -> bool,
) -> Result<Vec<Named>, &'static str> {
    let mut walk = Walk {
        heap,
        leads: leads(heap, &wanted),
        wanted,
        on_path: vec![false; heap.ids().len()],
        met: vec![false; heap.ids().len()],
        name: String::new(),
        bytes: 0,
        named: Vec::new(),
    };
    walk.run(root)?;
    Ok(walk.named)
}

/// Which values are wanted or hold one that is.
fn leads(heap: &Heap, wanted: impl Fn(Id) -> bool) -> Vec<bool> {
    let mut held: HashMap<Id, Vec<Id>> = HashMap::new();
    for holder in heap.ids() {
        for child in children(heap, holder) {
            held.entry(child.id).or_default().push(holder);
        }
    }
    let mut leads = vec![false; heap.ids().len()];
    let mut open: Vec<_> = heap.ids().filter(|id| wanted(*id)).collect();
    while let Some(id) = open.pop() {
        if !std::mem::replace(&mut leads[id as usize], true) {
            open.extend(held.remove(&id).unwrap_or_default());
        }
    }
    leads
}

struct Walk<'a, W> {
    heap: &'a Heap<'a>,
    leads: Vec<bool>,
    wanted: W,
    /// Which values are being walked through: values may lie in themselves.
    on_path: Vec<bool>,
    met: Vec<bool>,
    /// Of the value that is being walked through.
    name: String,
    /// Of all names.
    bytes: usize,
    named: Vec<Named>,
}

enum Task {
    Enter(Child, usize),
    /// Goes back to a name of that length.
    Leave(Id, usize),
}

impl<W: Fn(Id) -> bool> Walk<'_, W> {
    fn run(&mut self, root: Id) -> Result<(), &'static str> {
        let start = Child {
            id: root,
            step: Step::Same,
            left: None,
        };
        let mut tasks = vec![Task::Enter(start, 0)];
        let mut steps = 0;
        while let Some(task) = tasks.pop() {
            match task {
                Task::Leave(id, length) => {
                    self.on_path[id as usize] = false;
                    self.name.truncate(length);
                }
                Task::Enter(child, depth) => {
                    steps += 1;
                    if depth > DEEPEST || steps > MOST_STEPS {
                        return Err("its values lie in one another too deep or too often");
                    }
                    self.enter(child, depth, &mut tasks)?;
                }
            }
        }
        Ok(())
    }

    fn enter(
        &mut self,
        child: Child,
        depth: usize,
        tasks: &mut Vec<Task>,
    ) -> Result<(), &'static str> {
        let Child { id, step, left } = child;
        let place = id as usize;
        if !self.leads[place]
            || self.on_path[place]
            || (self.met[place] && !has_many_names(self.heap, id))
        {
            return Ok(());
        }
        let length = self.name.len();
        // The root has no name, and what lies in it is called by its key alone.
        let depth = match step {
            Step::Same => depth,
            _ => depth + 1,
        };
        if depth > 1 && !matches!(step, Step::Same) {
            self.name.push('.');
        }
        match step {
            Step::Key(key) => self.name.push_str(&text(self.heap, key)),
            Step::Index(index) => self.name.push_str(&index.to_string()),
            Step::Same => {}
        }
        self.bytes += self.name.len();
        if self.bytes > LONGEST {
            return Err("the names of its values are too long");
        }
        if (self.wanted)(id) {
            self.named.push(Named {
                name: self.name.clone(),
                id,
                left,
            });
            self.name.truncate(length);
            return Ok(());
        }
        self.met[place] = true;
        self.on_path[place] = true;
        tasks.push(Task::Leave(id, length));
        let inner = children(self.heap, id).into_iter().rev();
        tasks.extend(inner.map(|inner| {
            let left = left.or(inner.left);
            Task::Enter(Child { left, ..inner }, depth)
        }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pickle::parse;

    /// Names of the ones in a pickle.
    fn ones(pickle: &[u8]) -> Result<Vec<String>, &'static str> {
        let pickle = parse(pickle, 0).unwrap();
        let heap = &pickle.heap;
        let named = named(heap, pickle.root, |id| heap.int(id) == Some(1))?;
        Ok(named.into_iter().map(|named| named.name).collect())
    }

    /// A pair whose halves are the same pair, and so on.
    fn shared(times: usize) -> Vec<u8> {
        [
            b"K\x01q\x00",
            b"h\x00h\x00\x86q\x00".repeat(times).as_slice(),
            b".",
        ]
        .concat()
    }

    #[test]
    fn a_shared_value_has_every_name() {
        assert_eq!(ones(&shared(2)).unwrap(), ["0.0", "0.1", "1.0", "1.1"]);
        assert_eq!(ones(&shared(10)).unwrap().len(), 1024);
    }

    #[test]
    fn values_without_end_are_an_error_and_not_a_hang() {
        assert!(ones(&shared(60)).is_err());
        let deep = [b"K\x01", b"\x85".repeat(2000).as_slice(), b"."].concat();
        assert!(ones(&deep).is_err());
    }

    #[test]
    fn a_value_in_itself_is_met_once() {
        // x = [1]; x.append(x)
        assert_eq!(ones(b"]q\x00K\x01ah\x00a.").unwrap(), ["0"]);
    }

    #[test]
    fn empty_keys_keep_their_dots() {
        // {"": 1, "a": {"": 1}}
        let pickle = b"}(X\x00\x00\x00\x00K\x01X\x01\x00\x00\x00a}X\x00\x00\x00\x00K\x01su.";
        assert_eq!(ones(pickle).unwrap(), ["", "a."]);
    }
}
