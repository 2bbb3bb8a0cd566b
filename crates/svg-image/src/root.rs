//! The pictures of a folder or archive, with their classes.
//!
//! The class of a picture is the first folder below the root, as in torchvision's `ImageFolder`. Archives within
//! are opened where there are no other pictures: an archive with folders is a shard, whose folders are the
//! classes; one without folders is a class itself, unless it is numbered like a shard.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::arrays::{is_npz_name, read_arrays};
use crate::classes::{Class, ClassError};
use crate::error::ImageError;
use crate::found::{Called, Found, by_folders, merged_splits, without_wrapper};
use crate::kind::{Compression, HEAD, Kind, is_archive_name, kind, stem};
use crate::links::{Content, Entry, Member, Tree};
use crate::list::Listed;
use crate::place::{Place, Spool, Window};
use crate::shards::{are_shards, split_of};
use crate::source::is_picture;
use crate::table::{Row, Table, read_table};
use crate::unread::Unread;
use crate::{archive, folder, labels, webdataset, zipped};

/// Archives within archives within archives.
const DEEPEST: usize = 3;

#[derive(Debug)]
pub(crate) struct Picture {
    /// Path below the folder or within the archive.
    pub name: String,
    pub class: Class,
    pub place: Place,
}

/// A folder or archive that was given.
#[derive(Debug, Default)]
pub(crate) struct Root {
    pub pictures: Vec<Picture>,
    pub unread: Unread,
    /// Why the pictures have no classes, if somebody asks.
    pub problem: Option<ClassError>,
    /// What is to be said of the classes.
    pub notes: Vec<String>,
    /// The names of the classes in the order of their labels, if a table states them.
    pub names: Option<Vec<String>>,
    /// The stem of an archive whose pictures lie in no folder and have no labels.
    pub flat: Option<String>,
}

/// The pictures of a folder.
pub(crate) fn of_folder(path: &Path, spool: &mut Spool) -> Result<Root, ImageError> {
    let absolute = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let name = path.file_name().or_else(|| absolute.file_name());
    let name = name.unwrap_or_default().to_string_lossy();
    let called = Called {
        shown: path.display().to_string(),
        name: &name,
        is_folder: true,
    };
    of_tree(folder::walk(path)?, &called, spool)
}

/// The pictures of an archive, or of a folder in it; `None` if the file is no archive.
pub(crate) fn of_archive(
    path: &Path,
    inner: Option<&str>,
    spool: &mut Spool,
) -> Result<Option<Root>, ImageError> {
    let window = Window::of_file(path).map_err(ImageError::read(path.display()))?;
    let mut tree = match opened(&window, path, spool)? {
        Some(Opened::Tree(tree)) => tree,
        Some(Opened::Table(table)) if inner.is_none() => return Ok(Some(of_table(table))),
        Some(Opened::Table(_)) | None => return Ok(None),
    };
    let stem = stem(path).map(|(stem, _)| stem);
    let stem = stem.or_else(|| Some(path.file_stem()?.to_string_lossy().into_owned()));
    let mut called = Called {
        shown: path.display().to_string(),
        name: &stem.unwrap_or_default(),
        is_folder: false,
    };
    if let Some(inner) = inner {
        called.shown = path.join(inner).display().to_string();
        called.name = inner.rsplit('/').next().unwrap_or(inner);
        called.is_folder = true;
        tree = tree.below(inner);
    }
    of_tree(tree, &called, spool).map(Some)
}

/// The pictures of a list. Without labels, the classes are the folders below the deepest one that holds all
/// pictures.
pub(crate) fn of_list(listed: Vec<Listed>) -> Root {
    let mut root = Root::default();
    let folder = |listed: &Listed| listed.path.parent().unwrap_or(Path::new("")).to_path_buf();
    let mut common = listed.first().map(folder).unwrap_or_default();
    for listed in &listed {
        while !listed.path.starts_with(&common) {
            common.pop();
        }
    }
    let found: Vec<_> = listed
        .into_iter()
        .map(|listed| found_at(listed, &common))
        .collect();
    let classes = match found.iter().any(|found| found.label.is_some()) {
        true => labels_of(&found),
        false => {
            let called = Called {
                shown: common.display().to_string(),
                name: &common.file_name().unwrap_or_default().to_string_lossy(),
                is_folder: true,
            };
            by_folders(&found, &BTreeSet::new(), &called, &mut root)
        }
    };
    root.pictures = pictures(found, classes);
    root
}

fn found_at(listed: Listed, common: &Path) -> Found {
    let Listed { name, path, label } = listed;
    let below = path.strip_prefix(common).unwrap_or(&path).components();
    let below: Vec<_> = below
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    Found {
        name,
        at: Some(below.join("/")),
        label,
        place: Place::File(path),
    }
}

fn labels_of(found: &[Found]) -> Vec<Class> {
    let label = |found: &Found| found.label.as_deref().map(Arc::from);
    found
        .iter()
        .map(|found| label(found).map_or(Class::None, Class::Label))
        .collect()
}

fn pictures(found: Vec<Found>, classes: Vec<Class>) -> Vec<Picture> {
    let both = found.into_iter().zip(classes);
    let both = both.map(|(Found { name, place, .. }, class)| Picture { name, class, place });
    both.collect()
}

fn of_table(table: Table) -> Root {
    let names = table.names.clone();
    let found = rows_of(table);
    let classes = labels_of(&found);
    Root {
        pictures: pictures(found, classes),
        names,
        ..Root::default()
    }
}

fn rows_of(table: Table) -> Vec<Found> {
    let row = |row: Row| Found {
        name: row.name,
        at: None,
        label: row.label,
        place: row.place,
    };
    table.rows.into_iter().map(row).collect()
}

/// What an archive holds.
enum Opened {
    Tree(Tree),
    Table(Table),
}

/// The entries of an archive of any kind; `None` if the bytes are no archive.
fn opened(window: &Window, name: &Path, spool: &mut Spool) -> Result<Option<Opened>, ImageError> {
    let damaged = |cause| ImageError::Archive {
        path: name.into(),
        cause,
    };
    let mut window = window.clone();
    let mut compression = None::<Compression>;
    loop {
        let head = window
            .head(HEAD)
            .map_err(ImageError::read(name.display()))?;
        let entries = match kind(&head, name) {
            // Its name alone promises that it is one.
            Kind::Tar if window.size() == 0 => return Ok(Some(Opened::Tree(Tree::default()))),
            Kind::Tar => archive::list_tar(&window, spool),
            Kind::Zip if is_npz_name(name) => return of_arrays(name, &window, spool),
            Kind::Zip => match zipped::list_zip(&window) {
                Ok(entries) if are_arrays(&entries) => return of_arrays(name, &window, spool),
                entries => entries,
            },
            Kind::Compressed(by) if compression.is_none() => {
                compression = Some(by);
                spool.unpacked.extend(window.path().map(Path::to_path_buf));
                window = crate::unpack::unpacked(by, &window, spool).map_err(damaged)?;
                continue;
            }
            Kind::Array => return of_arrays(name, &window, spool),
            Kind::Foreign(advice) => {
                let path = name.into();
                return Err(ImageError::Foreign { path, advice });
            }
            Kind::Parquet => {
                return read_table(name, &window, spool).map(|table| Some(Opened::Table(table)));
            }
            Kind::Compressed(_) | Kind::Text | Kind::Other if compression.is_some() => {
                let advice = "it is compressed, but what it holds is no tar archive; decompress it";
                let path = name.into();
                return Err(ImageError::Foreign { path, advice });
            }
            Kind::Compressed(_) | Kind::Text | Kind::Other => return Ok(None),
        };
        return Ok(Some(Opened::Tree(Tree::of_entries(
            entries.map_err(damaged)?,
        ))));
    }
}

fn of_arrays(
    name: &Path,
    window: &Window,
    spool: &mut Spool,
) -> Result<Option<Opened>, ImageError> {
    read_arrays(name, window, spool).map(|table| Some(Opened::Table(table)))
}

/// Whether the files of a zip archive are arrays of NumPy.
fn are_arrays(entries: &[Entry]) -> bool {
    let is_array =
        |entry: &Entry| matches!(entry.content, Content::Folder) || entry.name.ends_with(".npy");
    !entries.is_empty() && entries.iter().all(is_array)
}

fn of_tree(tree: Tree, called: &Called, spool: &mut Spool) -> Result<Root, ImageError> {
    let folders = tree.folders.clone();
    let annotations = tree
        .members
        .iter()
        .find(|member| member.name == labels::ANNOTATIONS);
    let annotations = annotations.cloned();
    let mut root = Root::default();
    let tables = ["metadata.csv", "metadata.jsonl"];
    let table = tree
        .members
        .iter()
        .find(|member| tables.contains(&&*member.name));
    let table = table.map(|member| format!("{}/{}", called.shown, member.name));
    let mut search = Search {
        spool,
        root: &mut root,
        splits: BTreeSet::new(),
    };
    let found = search.found_in(tree, called, 0)?;
    let splits = search.splits;
    let is_labelled = found.iter().any(|found| found.label.is_some());
    let classes = match is_labelled {
        true => {
            root.problem = merged_splits(&found, called, 2);
            labels_of(&found)
        }
        false => by_folders(&found, &folders, called, &mut root),
    };
    if splits.len() > 1 {
        root.problem = Some(ClassError::Splits {
            root: called.shown.clone(),
            example: format!(
                "{}/{}*",
                called.shown,
                splits.first().map_or("", |first| first)
            ),
            splits: splits.into_iter().collect(),
        });
    }
    root.pictures = pictures(found, classes);
    root.notes.extend(table.map(|table| {
        format!("{table} may hold labels; give it in place of the folder to take them")
    }));
    if let Some(Member { name, place }) = annotations {
        let shown = format!("{}/{name}", called.shown);
        let text = place.read().map_err(ImageError::read(&shown))?;
        let text = String::from_utf8_lossy(&text);
        let names: Vec<&str> = root.pictures.iter().map(|picture| &*picture.name).collect();
        let classes = labels::classes(&text, Path::new(&shown), &names);
        (root.problem, root.flat, root.notes) = (None, None, vec![]);
        match classes {
            Ok(classes) => {
                let both = root.pictures.iter_mut().zip(classes);
                both.for_each(|(picture, class)| picture.class = class);
            }
            // Nobody may ask for classes.
            Err(error) => {
                let reason = error.to_string();
                root.problem = Some(ClassError::Labels { reason });
            }
        }
    }
    Ok(root)
}

/// What looking for pictures in a tree and its archives needs and notes.
struct Search<'a> {
    spool: &'a mut Spool,
    root: &'a mut Root,
    /// The parts of a data set that archives are called after.
    splits: BTreeSet<String>,
}

impl Search<'_> {
    /// The pictures of a tree, or, if it has none, those of the archives in it.
    fn found_in(
        &mut self,
        tree: Tree,
        called: &Called,
        depth: usize,
    ) -> Result<Vec<Found>, ImageError> {
        self.root.unread.hidden += tree.hidden;
        self.root.unread.dangling += tree.dangling;
        self.root.unread.special += tree.special;
        let has_pictures = tree.members.iter().any(|member| is_picture(&member.name));
        let has_archives = tree
            .members
            .iter()
            .any(|member| is_archive_name(&member.name));
        if !has_pictures && has_archives && depth < DEEPEST {
            return self.in_archives(tree, called, depth);
        }
        let (labels, ending) =
            webdataset::labels(&tree.members).map_err(ImageError::read(&called.shown))?;
        let mut found = Vec::new();
        for Member { name, place } in tree.members {
            let (sample, rest) = webdataset::sample(&name);
            if is_picture(&name) {
                let label = labels.get(sample).cloned();
                found.push(Found {
                    name,
                    at: None,
                    label,
                    place,
                });
            } else if !(rest == ending && labels.contains_key(sample))
                && name != labels::ANNOTATIONS
            {
                self.root.unread.count(&name);
            }
        }
        if !called.is_folder {
            without_wrapper(&mut found, called.name);
        }
        Ok(found)
    }

    fn in_archives(
        &mut self,
        tree: Tree,
        called: &Called,
        depth: usize,
    ) -> Result<Vec<Found>, ImageError> {
        let mut inside = Vec::new();
        let mut orders = Vec::new();
        let mut stems = BTreeMap::<String, Vec<String>>::new();
        for Member { name, place } in tree.members {
            let Some((stem, _)) = stem(Path::new(&name)) else {
                self.root.unread.count(&name);
                continue;
            };
            let shown = Path::new(&called.shown).join(&name);
            let window = place
                .window(self.spool)
                .map_err(ImageError::read(shown.display()))?;
            let Some(opened) = opened(&window, &shown, self.spool)? else {
                self.root.unread.count(&name);
                continue;
            };
            let called = Called {
                shown: shown.display().to_string(),
                name: &stem,
                is_folder: false,
            };
            let found = match opened {
                Opened::Tree(tree) => {
                    orders.push(None);
                    self.found_in(tree, &called, depth + 1)?
                }
                Opened::Table(table) => {
                    orders.push(table.names.clone());
                    rows_of(table)
                }
            };
            let folder = name
                .rsplit_once('/')
                .map_or("", |(folder, _)| folder)
                .to_string();
            if folder.is_empty() && !found.is_empty() {
                self.splits.extend(split_of(&stem));
            }
            stems.entry(folder.clone()).or_default().push(stem.clone());
            inside.push((name, folder, stem, found));
        }
        self.root.names = same(&orders).cloned();
        let mut all = Vec::new();
        for (archive, folder, stem, found) in inside {
            let is_flat = found
                .iter()
                .all(|found| found.top().is_none() && found.label.is_none());
            let is_class = is_flat && !are_shards(&stems[&folder]);
            for found in found {
                let leaf = found.at();
                let at = match (folder.as_str(), is_class) {
                    ("", true) => format!("{stem}/{leaf}"),
                    ("", false) => leaf.to_string(),
                    (folder, _) => format!("{folder}/{leaf}"),
                };
                all.push(Found {
                    name: format!("{archive}/{}", found.name),
                    at: Some(at),
                    ..found
                });
            }
        }
        Ok(all)
    }
}

/// The names of classes that all agree on.
pub(crate) fn same(orders: &[Option<Vec<String>>]) -> Option<&Vec<String>> {
    let first = orders.first()?;
    orders
        .iter()
        .all(|order| order == first)
        .then_some(first.as_ref()?)
}
