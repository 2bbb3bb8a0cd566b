//! How far a file is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::RowFileError;
use super::{RowTensor, ended};
use crate::file::{read_if_there, write_json};
use crate::json::versioned_json;
use crate::words::json_differences;

/// Version of the journal.
pub(super) const FORMAT: u32 = 1;

/// `FILE.partial.json`: what a partial file is, and how far it is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Journal {
    pub format: u32,
    /// What determines the contents, by name.
    pub what: BTreeMap<String, String>,
    pub tensors: Vec<RowTensor>,
    pub items: usize,
    /// Bytes before the first tensor.
    pub header: u64,
    /// Items that are done.
    pub done: usize,
    /// Those of them that have no row, in order.
    pub left_out: Vec<usize>,
}

impl Journal {
    pub fn read(path: &Path) -> Result<Option<Self>, RowFileError> {
        let path = place(path);
        let damaged = |reason: String| RowFileError::Damaged {
            partial: path.clone(),
            reason,
        };
        let text = read_if_there(&path).map_err(|error| damaged(error.to_string()))?;
        let read = |text: String| {
            let journal: Self = versioned_json(&text, FORMAT..=FORMAT)?;
            journal.check().map(|()| journal)
        };
        text.map(read).transpose().map_err(damaged)
    }

    /// Whether so many items can be done, and those without a row be among them.
    fn check(&self) -> Result<(), String> {
        let Self {
            items,
            done,
            left_out,
            ..
        } = self;
        if done > items {
            return Err(format!("it says that {done} of {items} items are done"));
        }
        let in_order = left_out.is_sorted_by(|one, next| one < next);
        match left_out.last() {
            Some(last) if !in_order || last >= done => Err(format!(
                "its items without a row are not in order below {done}, the number of those that are done"
            )),
            _ => Ok(()),
        }
    }

    /// Whether this is a journal of the same contents.
    pub fn compare(&self, asked: &Self, partial: &Path) -> Result<(), RowFileError> {
        let form = |journal: &Self| {
            let Self {
                tensors,
                items,
                header,
                ..
            } = journal;
            json!({"tensors": tensors, "items": items, "bytes of the header": header})
        };
        let differ =
            |there: &Value, asked: &Value| json_differences(there, "there", asked, "asked for");
        // The form follows from what is written, which says more.
        let what = differ(&json!(self.what), &json!(asked.what));
        match what.or_else(|| differ(&form(self), &form(asked))) {
            None => Ok(()),
            Some(differences) => Err(RowFileError::Other {
                partial: partial.to_path_buf(),
                differences,
            }),
        }
    }

    pub fn write(&self, path: &Path) -> Result<(), RowFileError> {
        Ok(write_json(place(path), self)?)
    }
}

/// `FILE.partial.json`
pub(super) fn place(path: &Path) -> PathBuf {
    ended(path, ".partial.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(done: usize, left_out: Vec<usize>, expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.safetensors");
        let journal = Journal {
            format: FORMAT,
            what: BTreeMap::new(),
            tensors: Vec::new(),
            items: 4,
            header: 8,
            done,
            left_out,
        };
        journal.write(&path).unwrap();
        let error = Journal::read(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_journal_of_impossible_numbers_is_damaged() {
        refused(5, vec![], "5 of 4 items");
        refused(2, vec![2], "below 2");
        refused(3, vec![1, 0], "not in order");
        refused(3, vec![1, 1], "not in order");
    }
}
