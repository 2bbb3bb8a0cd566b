//! A long gathering of features in parts, each kept when it is done, so that a start that was ended goes on.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Result;
use svg_store::sha256;

use crate::evaluation::side::{Part, Side};
use crate::progress::status;

/// Images of a part.
const PART: usize = 512;
/// The folder of parts, within that of the evaluation.
pub const PARTS: &str = "parts";
/// How the name of a part ends.
const KIND: &str = "part.safetensors";

/// Where parts are kept, and what they are parts of.
pub struct Parts<'a> {
    /// A folder of this evaluation; `None` keeps nothing.
    pub folder: Option<&'a Path>,
    /// Everything that the features follow from. Parts of another text are made anew.
    pub key: String,
}

impl Parts<'_> {
    /// Adds images `range` to an empty side: what earlier starts have kept, and the rest by `make`, part by part and in order.
    pub fn gather(
        &self,
        empty: Side,
        range: Range<usize>,
        mut make: impl FnMut(Range<usize>) -> Result<Part>,
    ) -> Result<Side> {
        let mut whole = Side {
            expected: range.len(),
            ..empty
        };
        let mut kept = 0;
        for first in range.clone().step_by(PART) {
            let some = first..range.end.min(first + PART);
            let path = self.path(&some);
            let found = path.as_deref().filter(|path| path.is_file());
            let found = found.and_then(|path| Part::read(path).ok());
            let part = match found.filter(|part| part.len() == some.len()) {
                Some(part) => {
                    kept += some.len();
                    part
                }
                None => {
                    let part = make(some)?;
                    if let (Some(path), Some(folder)) = (&path, self.folder) {
                        std::fs::create_dir_all(folder)?;
                        part.save(path)?;
                    }
                    part
                }
            };
            whole.add(part)?;
        }
        if kept > 0 {
            status!("there already: features of {kept} images");
        }
        Ok(whole)
    }

    fn path(&self, part: &Range<usize>) -> Option<PathBuf> {
        let Range { start, end } = part;
        let name = format!("{}-{start}-{end}.{KIND}", &sha256(&self.key)[..16]);
        Some(self.folder?.join(name))
    }
}

/// Removes the folder and what [`Parts`] have kept in it, once the figures are kept.
pub fn remove_parts(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let parts = entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(KIND));
    for part in parts {
        // A file that stays is no harm: it is a result.
        let _ = std::fs::remove_file(part.path());
    }
    // Others' files keep the folder.
    let _ = std::fs::remove_dir(folder);
}
