//! The files of a folder and its subfolders.

use std::cell::Cell;
use std::path::Path;

use walkdir::{DirEntry, WalkDir};

use crate::error::ImageError;
use crate::links::{Member, Tree, is_hidden};
use crate::place::Place;
use crate::source::has_picture_ending;

/// Lists a folder, sorted by path. Links are followed.
pub(crate) fn walk(folder: &Path) -> Result<Tree, ImageError> {
    let mut tree = Tree::default();
    let hidden = Cell::new(0);
    let is_seen = |entry: &DirEntry| {
        let name = entry.file_name().to_string_lossy();
        let is_seen = entry.depth() == 0 || !is_hidden(&name);
        if !is_seen && (entry.file_type().is_dir() || has_picture_ending(&name)) {
            hidden.set(hidden.get() + 1);
        }
        is_seen
    };
    let walk = WalkDir::new(folder).follow_links(true).sort_by_file_name();
    for found in walk.into_iter().filter_entry(is_seen) {
        let found = found.map_err(|error| ImageError::Read {
            path: error.path().unwrap_or(folder).display().to_string(),
            cause: error.into(),
        })?;
        let inner = found.path().strip_prefix(folder).unwrap_or(found.path());
        let parts = inner.components();
        let parts: Vec<_> = parts
            .map(|part| part.as_os_str().to_string_lossy())
            .collect();
        let name = parts.join("/");
        if found.file_type().is_dir() && found.depth() > 0 {
            tree.folders.insert(name);
        } else if found.file_type().is_file() {
            let place = Place::File(found.into_path());
            tree.members.push(Member { name, place });
        }
    }
    tree.hidden = hidden.get();
    Ok(tree)
}
