//! The files of a folder and its subfolders.

use std::cell::Cell;
use std::path::Path;

use walkdir::{DirEntry, Error, WalkDir};

use crate::error::ImageError;
use crate::links::{Member, Tree, is_hidden};
use crate::place::Place;
use crate::source::has_picture_ending;

/// Lists a folder, sorted by path. Links are followed; those that lead to nothing or back are counted.
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
        let found = match found {
            Ok(found) => found,
            Err(error) if is_dead_link(&error) => {
                tree.dangling += 1;
                continue;
            }
            Err(error) => {
                let path = error.path().unwrap_or(folder).display().to_string();
                let cause = error.into();
                return Err(ImageError::Read { path, cause });
            }
        };
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
        } else if !found.file_type().is_dir() {
            tree.special += 1;
        }
    }
    tree.hidden = hidden.get();
    Ok(tree)
}

/// Whether an error is that of a link below the folder that leads to nothing, or to a folder that it lies in.
fn is_dead_link(error: &Error) -> bool {
    let is_link = |path: &Path| path.is_symlink() && path.metadata().is_err();
    error.depth() > 0 && (error.loop_ancestor().is_some() || error.path().is_some_and(is_link))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    #[test]
    fn links_that_lead_nowhere_and_sockets_are_counted_and_the_rest_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("cat")).unwrap();
        std::fs::write(path("cat/1.png"), "").unwrap();
        symlink("1.png", path("cat/2.png")).unwrap();
        symlink("none.png", path("cat/3.png")).unwrap();
        symlink("round.png", path("cat/round.png")).unwrap();
        symlink("..", path("cat/back")).unwrap();
        let _socket = UnixListener::bind(path("cat/4.png")).unwrap();
        let tree = walk(folder.path()).unwrap();
        let names: Vec<_> = tree.members.iter().map(|member| &*member.name).collect();
        assert_eq!(names, ["cat/1.png", "cat/2.png"]);
        assert_eq!((tree.dangling, tree.special), (3, 1));
    }

    #[test]
    fn a_folder_that_is_a_dead_link_itself_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("none", &link).unwrap();
        assert!(walk(&link).is_err());
    }
}
