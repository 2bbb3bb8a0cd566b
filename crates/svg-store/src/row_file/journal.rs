//! How far a file is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::RowFileError;
use super::{RowTensor, ended};
use crate::file::{read_if_there, write_file};
use crate::json::versioned_json;
use crate::numbers::{Checked, checked, first, outside};
use crate::sealed::{sealed_json, unsealed_json};
use crate::words::json_differences;

/// Version of the journal. The one before has no checksums of rows, and is gone on with.
pub(super) const FORMAT: u32 = 2;

/// `FILE.partial.json`: what a partial file is, and how far it is. It holds a hash of itself.
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
    /// CRC-32C of all rows of each tensor; none in format 1.
    #[serde(default)]
    pub sums: Vec<u32>,
}

/// As many items are done as there are, and those without a row are among them, in order.
impl Checked for Journal {
    fn problem(&self) -> Option<String> {
        let ascending = self.left_out.is_sorted_by(|one, next| one < next);
        let last = self.left_out.last().filter(|last| **last >= self.done);
        let sums = if self.format == 1 {
            0
        } else {
            self.tensors.len()
        };
        first([
            outside("the number of sums", self.sums.len(), sums..=sums),
            outside("done", self.done, 0..=self.items),
            (!ascending).then(|| "left_out is not in order".to_string()),
            last.map(|last| format!("left_out names {last}, and done is {}", self.done)),
        ])
    }
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
            versioned_json(&unsealed_json(&text)?, 1..=FORMAT).and_then(checked::<Self>)
        };
        text.map(read).transpose().map_err(damaged)
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
        let path = place(path);
        Ok(write_file(path, |file| {
            file.write_all(sealed_json(self)?.as_bytes())
        })?)
    }
}

/// `FILE.partial.json`
pub(super) fn place(path: &Path) -> PathBuf {
    ended(path, ".partial.json")
}
