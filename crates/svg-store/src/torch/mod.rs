//! Files of `torch.save`.
//!
//! A zip archive (since PyTorch 1.6) or a row of pickles holds one pickle, which describes everything that was
//! saved, and storages, which are plain bytes. The pickle is read whole and the storages when a tensor is asked
//! for. Nothing in the file is executed: what is no tensor may be of any class.

mod archive;
mod children;
mod element;
mod error;
mod kind;
mod legacy;
mod names;
mod numpy;
mod read;
mod rebuild;
mod text;

use std::collections::HashMap;
use std::path::Path;

use memmap2::Mmap;
use safetensors::Dtype;

use crate::file::map;
use crate::pickle::{Heap, Id, parse};
use archive::{Archive, Entry};
pub use error::TorchError;
use rebuild::{Meaning, View, meaning};

const NOTHING: &str =
    "it holds no tensor. Save the weights themselves: torch.save(model.state_dict(), FILE)";

/// A memory-mapped file of `torch.save`. Tensors are read when they are asked for.
///
/// The file must not be modified while it is mapped.
#[derive(Debug)]
pub struct TorchFile {
    map: Mmap,
    storages: HashMap<String, Entry>,
    tensors: Vec<TorchTensor>,
    left: Vec<LeftTensor>,
}

/// A tensor in a [`TorchFile`].
#[derive(Clone, Debug)]
pub struct TorchTensor {
    /// The keys on the way to it, joined by dots; `tensor` if the file holds nothing else.
    pub name: String,
    /// Type of its elements.
    pub dtype: Dtype,
    /// Sizes of its axes.
    pub shape: Vec<usize>,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    View(View),
    /// Numbers that lie in the pickle.
    Pickle(Vec<f64>),
}

/// A tensor that is there and is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftTensor {
    /// The keys on the way to it, joined by dots.
    pub name: String,
    /// What it is, in words: `sparse`, `complex128`, `quantised`.
    pub kind: String,
}

impl TorchFile {
    /// Maps a file and reads what it says about its tensors. The names are those of nested dictionaries, lists,
    /// tuples, attributes and modules, their keys joined by dots; keys that are no texts are written as Python
    /// prints them. A module has the names of its `state_dict()`.
    ///
    /// In a file without tensors, arrays of numpy and lists of numbers take their place, as f64.
    ///
    /// # Errors
    ///
    /// [`TorchError`]: its variants tell files that are damaged from those of another kind.
    pub fn open(path: &Path) -> Result<Self, TorchError> {
        let map = map(path)?;
        let (storages, found) = match &map[..] {
            [b'P', b'K', 3 | 5, 4 | 6, ..] => {
                let archive = Archive::open(&map)?;
                let bytes = archive.pickle(&map)?;
                let pickle = parse(&bytes, 0)?;
                (
                    archive.into_storages(),
                    Found::of(&pickle.heap, pickle.root)?,
                )
            }
            file if legacy::is_legacy(file) => {
                let (pickle, storages) = legacy::open(file)?;
                (storages, Found::of(&pickle.heap, pickle.root)?)
            }
            file => return Err(kind::other_kind(file)),
        };
        for tensor in &found.tensors {
            tensor.check(&storages)?;
        }
        Ok(Self {
            map,
            storages,
            tensors: found.tensors,
            left: found.left,
        })
    }

    /// All tensors that can be read, sorted by name.
    pub fn tensors(&self) -> &[TorchTensor] {
        &self.tensors
    }

    /// Tensors that cannot be read, sorted by name.
    pub fn left(&self) -> &[LeftTensor] {
        &self.left
    }
}

impl TorchTensor {
    /// Whether its bytes are in the file.
    fn check(&self, storages: &HashMap<String, Entry>) -> Result<(), TorchError> {
        let Place::View(view) = &self.place else {
            return Ok(());
        };
        if view.reach == 0 {
            return Ok(());
        }
        let damaged = |what: &str| {
            TorchError::Damaged(format!(
                "{}: its storage {} {what}",
                self.name, view.storage
            ))
        };
        let storage = storages
            .get(&view.storage)
            .ok_or_else(|| damaged("is missing"))?;
        match view
            .start
            .checked_add(view.reach)
            .is_some_and(|end| end <= storage.size)
        {
            true => Ok(()),
            false => Err(damaged("is too short")),
        }
    }
}

/// The tensors of a pickle.
#[derive(Default)]
struct Found {
    tensors: Vec<TorchTensor>,
    left: Vec<LeftTensor>,
}

impl Found {
    fn of(heap: &Heap, root: Id) -> Result<Self, TorchError> {
        let mut meanings = HashMap::new();
        for id in heap.ids() {
            match meaning(heap, id)
                .map_err(|reason| TorchError::Damaged(format!("a tensor: {reason}")))?
            {
                Meaning::Other => {}
                meaning => drop(meanings.insert(id, meaning)),
            }
        }
        let mut found = Self::default();
        for named in names(heap, root, |id| meanings.contains_key(&id))? {
            match (&meanings[&named.id], named.left) {
                (Meaning::Tensor(view), None) => found.tensors.push(TorchTensor {
                    name: named.name,
                    dtype: view.dtype,
                    shape: view.shape.clone(),
                    place: Place::View(view.clone()),
                }),
                (Meaning::Left(kind), _) => found.leave(named.name, kind),
                (_, left) => found.leave(named.name, left.unwrap_or_default()),
            }
        }
        if found.tensors.is_empty() && found.left.is_empty() {
            found.tensors = numbers(heap, root)?;
        }
        if found.tensors.is_empty() && found.left.is_empty() {
            return Err(TorchError::Unsupported(NOTHING.to_string()));
        }
        found.left.sort_by(|a, b| a.name.cmp(&b.name));
        found.tensors.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn leave(&mut self, name: String, kind: &str) {
        let kind = kind.to_string();
        self.left.push(LeftTensor { name, kind });
    }
}

/// The arrays and lists of numbers in a pickle.
fn numbers(heap: &Heap, root: Id) -> Result<Vec<TorchTensor>, TorchError> {
    let numbers: HashMap<_, _> = heap
        .ids()
        .filter_map(|id| Some((id, numpy::numbers(heap, id)?)))
        .collect();
    let named = names(heap, root, |id| numbers.contains_key(&id))?.into_iter();
    let tensors = named.map(|named| {
        let (shape, numbers) = numbers[&named.id].clone();
        TorchTensor {
            name: named.name,
            dtype: Dtype::F64,
            shape,
            place: Place::Pickle(numbers),
        }
    });
    Ok(tensors.collect())
}

/// Names of the values that are wanted, each name once.
fn names(
    heap: &Heap,
    root: Id,
    wanted: impl Fn(Id) -> bool,
) -> Result<Vec<names::Named>, TorchError> {
    let named = names::named(heap, root, wanted);
    let mut named = named.map_err(|reason| TorchError::Unsupported(reason.to_string()))?;
    if let [only] = named.as_mut_slice()
        && only.name.is_empty()
    {
        only.name = "tensor".to_string();
    }
    // An attribute of a dictionary may be an entry of it, too.
    let mut seen = HashMap::new();
    named.retain_mut(|named| match seen.insert(named.name.clone(), named.id) {
        Some(other) if other == named.id => false,
        Some(_) => {
            named.left = Some("another tensor of the same name");
            true
        }
        None => true,
    });
    Ok(named)
}
