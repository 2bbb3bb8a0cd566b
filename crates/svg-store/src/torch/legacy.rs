//! The files that `torch.save` wrote before PyTorch 1.6, and still writes if it is asked to.

use std::collections::HashMap;

use crate::pickle::{Heap, Pickle, Value, parse};

use super::TorchError;
use super::archive::Entry;
use super::rebuild::StorageName;

/// The number that such a file begins with, as the pickle protocols 2 and up write it.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// The same number as text, in protocols 0 and 1.
const MAGIC_TEXT: &[u8] = b"119547037146038801333356";
/// The version of the format.
const VERSION: i64 = 1001;
/// Length of the number of elements before each storage.
const COUNT: usize = size_of::<i64>();

/// Whether a file begins as one of this format.
pub(super) fn is_legacy(file: &[u8]) -> bool {
    let start = &file[..file.len().min(64)];
    let contains = |magic: &[u8]| start.windows(magic.len()).any(|bytes| bytes == magic);
    contains(&MAGIC) || contains(MAGIC_TEXT)
}

/// The pickle of what was saved, and the storages by their names in it.
pub(super) fn open(file: &[u8]) -> Result<(Pickle<'_>, HashMap<String, Entry>), TorchError> {
    let magic = parse(file, 0)?;
    let version = parse(file, magic.end)?;
    if version.heap.int(version.root) != Some(VERSION) {
        let reason =
            "it is of an early version of the format. Load and save it with a newer PyTorch";
        return Err(TorchError::Unsupported(reason.to_string()));
    }
    let system = parse(file, version.end)?;
    let little = system.heap.under(system.root, "little_endian");
    if matches!(
        little.map(|id| system.heap.get(id)),
        Some(Value::Bool(false))
    ) {
        let reason = "it was written on a big-endian machine. Load and save it with PyTorch on an ordinary one";
        return Err(TorchError::Unsupported(reason.to_string()));
    }
    let pickle = parse(file, system.end)?;
    let keys = parse(file, pickle.end)?;
    let names = keys.heap.sequence(keys.root).unwrap_or(&[]);
    let names = names.iter().filter_map(|id| keys.heap.text(*id));
    let storages = storages(file, keys.end, names, &sizes(&pickle.heap))?;
    Ok((pickle, storages))
}

/// Class and number of elements of every storage that a pickle names.
fn sizes<'a>(heap: &'a Heap) -> HashMap<&'a str, StorageName<'a>> {
    let storages = heap.ids().filter_map(|id| StorageName::of(heap, id));
    storages.map(|storage| (storage.key, storage)).collect()
}

/// The storages lie one behind the other, each after the number of its elements.
fn storages<'a>(
    file: &[u8],
    mut at: usize,
    names: impl Iterator<Item = &'a str>,
    sizes: &HashMap<&str, StorageName>,
) -> Result<HashMap<String, Entry>, TorchError> {
    let mut storages = HashMap::new();
    for name in names {
        let unknown = |what: &str| {
            TorchError::Unsupported(format!(
                "its storage {name} is {what}, so the next is not found"
            ))
        };
        let storage = sizes
            .get(name)
            .ok_or_else(|| unknown("not named by the pickle"))?;
        let element = storage.element().ok_or_else(|| unknown(storage.class))?;
        let end = element
            .bytes
            .checked_mul(storage.count)
            .and_then(|bytes| bytes.checked_add(at + COUNT));
        let bytes = end.and_then(|end| file.get(at..end));
        let Some((count, bytes)) = bytes.and_then(|bytes| bytes.split_first_chunk::<COUNT>())
        else {
            let reason = format!("its storage {name} reaches beyond the end of the file");
            return Err(TorchError::Damaged(reason));
        };
        if u64::from_le_bytes(*count) != storage.count as u64 {
            let reason = format!("its storage {name} is not where it should be");
            return Err(TorchError::Damaged(reason));
        }
        let start = at + COUNT;
        at = start + bytes.len();
        storages.insert(name.to_string(), Entry::plain(start..at));
    }
    Ok(storages)
}
