//! Classes from the folders that pictures lie in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use svg_store::printable;

use crate::classes::{Class, ClassError};
use crate::place::Place;
use crate::root::Root;
use crate::shards::is_split;

/// How a root is called.
pub(crate) struct Called<'a> {
    /// For messages.
    pub shown: String,
    /// The name of the folder, or the stem of the archive.
    pub name: &'a str,
    pub is_folder: bool,
}

/// A picture on its way to its class.
pub(crate) struct Found {
    pub name: String,
    /// The path whose first folder is the class, if that is not the name.
    pub at: Option<String>,
    pub label: Option<String>,
    pub place: Place,
}

impl Found {
    pub fn at(&self) -> &str {
        self.at.as_deref().unwrap_or(&self.name)
    }

    pub fn top(&self) -> Option<&str> {
        self.at().split_once('/').map(|(top, _)| top)
    }
}

/// Leaves out the one folder at the top of an archive that bears the archive's name, as `tar cf set.tar set`
/// writes it, if the classes are folders in it.
pub(crate) fn without_wrapper(found: &mut [Found], name: &str) {
    let prefix = format!("{name}/");
    let is_wrapped = |found: &Found| {
        let rest = found.at().strip_prefix(&prefix);
        rest.is_some_and(|rest| rest.contains('/'))
    };
    if !name.is_empty() && found.iter().all(is_wrapped) {
        for found in found {
            found.at = Some(found.at()[prefix.len()..].to_string());
        }
    }
}

/// The classes of pictures without labels; what is unclear about them is put into the root.
pub(crate) fn by_folders(
    found: &[Found],
    folders: &BTreeSet<String>,
    called: &Called,
    root: &mut Root,
) -> Vec<Class> {
    let tops: BTreeSet<&str> = found.iter().filter_map(Found::top).collect();
    if tops.is_empty() {
        return flat(found, called, root);
    }
    root.problem = problem(found, &tops, folders, called);
    if let [only] = tops.iter().collect::<Vec<_>>()[..]
        && second_folders(found).len() > 1
        && root.problem.is_none()
    {
        root.notes.push(format!(
            "all pictures of {root} lie in its folder {only}, which is the one class; give {root}/{only} if its \
             folders are the classes",
            root = printable(&called.shown),
            only = printable(only)
        ));
    }
    let names: BTreeMap<&str, Arc<str>> = tops.iter().map(|top| (*top, Arc::from(*top))).collect();
    let class = |found: &Found| match found.top() {
        Some(top) => Class::Folder(names[top].clone()),
        None => Class::None,
    };
    found.iter().map(class).collect()
}

/// Pictures without folders: the folder itself is their class.
fn flat(found: &[Found], called: &Called, root: &mut Root) -> Vec<Class> {
    let is_validation = |found: &Found| {
        let name = found.at().to_ascii_lowercase();
        ["ilsvrc2012_val_", "ilsvrc2012_test_"]
            .iter()
            .any(|start| name.starts_with(start))
    };
    if !called.is_folder || called.name.is_empty() || found.iter().any(is_validation) {
        root.flat = (!called.is_folder).then(|| called.name.to_string());
        return found.iter().map(|_| Class::None).collect();
    }
    let class: Arc<str> = Arc::from(called.name);
    found.iter().map(|_| Class::Folder(class.clone())).collect()
}

/// Why the folders at the top are not the classes.
fn problem(
    found: &[Found],
    tops: &BTreeSet<&str>,
    folders: &BTreeSet<String>,
    called: &Called,
) -> Option<ClassError> {
    let root = || called.shown.clone();
    let splits = merged_splits(found, called, tops.len().min(2));
    if splits.is_some() {
        return splits;
    }
    let wrapper = wrapper(found);
    let seconds = second_folders(found);
    if !called.is_folder && tops.len() == 1 && seconds.len() > 1 {
        let folder = tops.first()?.to_string();
        return Some(ClassError::Wrapped {
            root: root(),
            folder,
            seconds: seconds.into_iter().take(3).map(str::to_string).collect(),
        });
    }
    let classes = folders
        .iter()
        .filter_map(|folder| folder.strip_prefix(wrapper));
    let empty = classes.filter(|folder| !folder.contains('/') && !tops.contains(folder));
    let mut empty: Vec<_> = empty
        .filter(|folder| !folder.is_empty())
        .map(str::to_string)
        .collect();
    if found.iter().any(|found| found.at.is_some()) && wrapper.is_empty() {
        // Folders of archives.
        empty.clear();
    }
    (!empty.is_empty()).then(|| ClassError::Empty {
        root: root(),
        count: empty.len(),
        folder: empty.swap_remove(0),
    })
}

/// The folders of an archive above the classes that were left out, with the separator.
fn wrapper(found: &[Found]) -> &str {
    let Some(first) = found.first() else {
        return "";
    };
    match first.place {
        Place::File(_) => "",
        _ => first.name.strip_suffix(first.at()).unwrap_or_default(),
    }
}

/// The error for so many parts of a data set at the top, if no other folders are there or there are two.
pub(crate) fn merged_splits(
    found: &[Found],
    called: &Called,
    at_least: usize,
) -> Option<ClassError> {
    let tops: BTreeSet<&str> = found.iter().filter_map(Found::top).collect();
    let splits: Vec<_> = tops.into_iter().filter(|top| is_split(top)).collect();
    (splits.len() >= at_least).then(|| ClassError::Splits {
        root: called.shown.clone(),
        example: format!("{}/{}{}", called.shown, wrapper(found), splits[0]),
        splits: splits.iter().map(|split| split.to_string()).collect(),
    })
}

/// The folders within those at the top, if all pictures lie in such.
fn second_folders(found: &[Found]) -> BTreeSet<&str> {
    let second = |found: &'_ Found| -> Option<(usize, usize)> {
        let (top, rest) = found.at().split_once('/')?;
        let (second, _) = rest.split_once('/')?;
        Some((top.len() + 1, second.len()))
    };
    let mut seconds = BTreeSet::new();
    for found in found {
        let Some((start, length)) = second(found) else {
            return BTreeSet::new();
        };
        seconds.insert(&found.at()[start..start + length]);
    }
    seconds
}
