//! Opening a set: what each path is, and its pictures.

use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::classes::Class;
use crate::error::ImageError;
use crate::kind::{HEAD, Kind, kind};
use crate::labels;
use crate::list::{names_a_file, read_list, read_text};
use crate::pattern::expanded;
use crate::place::{Place, Spool, Window};
use crate::root::{Root, of_archive, of_folder, of_list};
use crate::shards::are_shards;
use crate::source::{Entry, ImageSet};

/// What the paths before one were, while a set is opened.
#[derive(Default)]
struct Before {
    /// The pictures of the last one, if it was a folder or archive, for labels that follow it.
    pictures: Option<Range<usize>>,
    /// Archives of pictures without folders and labels, by their stems.
    flat: Vec<(String, Range<usize>)>,
}

impl ImageSet {
    /// Lists the pictures of each path, in the given order. What a file is, its first bytes decide.
    ///
    /// - A folder: the files in it and in its subfolders with one of [`EXTENSIONS`](crate::EXTENSIONS), sorted by path. Links are
    ///   followed; hidden folders and files are passed over. If there are none, the archives in it.
    /// - An archive (tar or zip; tar also compressed by gzip, zstd, bzip2 or xz): its entries, likewise. A
    ///   compressed archive is unpacked once to an anonymous temporary file. A path may lead into an archive, to
    ///   a folder there.
    /// - An array of NumPy (`.npz`, `.npy`), uint8 `[n, height, width, 3]` or `[n, height, width]`: its pictures, named
    ///   by their numbers, with the labels `arr_1` if there are any. Of an archive, the array `arr_0`, or the only one.
    /// - A table in parquet: the pictures in its rows, in its order.
    /// - A list: the files named by its lines, relative to its folder, in its order and with any extension. Lines
    ///   are a path and perhaps a label, or a table with a header (CSV), or JSON objects. Empty lines and those
    ///   that begin with `#` are skipped.
    /// - A file of labels after a folder or archive: the labels of the pictures there.
    /// - Any other file: itself, with any extension.
    ///
    /// `{000..146}`, `{a,b}` and wildcards stand for several paths. What is not read is counted in
    /// [`notes`](Self::notes).
    ///
    /// # Errors
    ///
    /// If a path does not exist or cannot be read, an archive or array is damaged, a list names a missing file, or
    /// a folder, archive or list holds no picture.
    pub fn open(paths: &[PathBuf]) -> Result<Self, ImageError> {
        let mut set = Self::default();
        let mut spool = Spool::default();
        let mut before = Before::default();
        for path in expanded(paths)? {
            let is_folder = std::fs::metadata(&path).map(|metadata| metadata.is_dir());
            match is_folder {
                Ok(true) => {
                    set.add_root(&path, of_folder(&path, &mut spool)?, &mut before)?;
                    set.folders.push(path);
                }
                Ok(false) => set.add_any_file(&path, &mut spool, &mut before)?,
                Err(error) => {
                    let missing = [ErrorKind::NotFound, ErrorKind::NotADirectory];
                    let inside = missing.contains(&error.kind()).then(|| into_archive(&path));
                    let Some((archive, inner)) = inside.flatten() else {
                        return Err(ImageError::read(path.display())(error));
                    };
                    let root = of_archive(archive, Some(&inner), &mut spool)?;
                    let root = root.filter(|root| !root.pictures.is_empty());
                    let root = root.ok_or_else(|| ImageError::read(path.display())(error))?;
                    set.add_root(&path, root, &mut before)?;
                }
            }
        }
        set.others.append(&mut spool.unpacked);
        let stems: Vec<_> = before.flat.iter().map(|(stem, _)| stem.clone()).collect();
        if stems.len() > 1 && !are_shards(&stems) {
            for (stem, pictures) in before.flat {
                let class = Class::Folder(stem.as_str().into());
                let entries = &mut set.entries[pictures];
                entries
                    .iter_mut()
                    .for_each(|entry| entry.class = class.clone());
            }
        }
        Ok(set)
    }

    /// Adds a file: an archive, a list, labels or a picture.
    fn add_any_file(
        &mut self,
        path: &Path,
        spool: &mut Spool,
        before: &mut Before,
    ) -> Result<(), ImageError> {
        let head = Window::of_file(path).and_then(|window| window.head(HEAD));
        match kind(&head.map_err(ImageError::read(path.display()))?, path) {
            Kind::Text => self.add_list(path, before),
            Kind::Other => {
                let name = path.display().to_string();
                let folder = path
                    .parent()
                    .and_then(Path::file_name)
                    .and_then(|name| name.to_str());
                let class = folder.map_or(Class::None, |name| Class::Folder(name.into()));
                let inner = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                self.add(name, &inner, class, Place::File(path.into()));
                self.orders.push(None);
                before.pictures = None;
                Ok(())
            }
            _ => {
                let root = of_archive(path, None, spool)?.unwrap_or_default();
                self.add_root(path, root, before)
            }
        }
    }

    fn add_list(&mut self, list: &Path, before: &mut Before) -> Result<(), ImageError> {
        let text = read_text(list)?;
        self.others.push(list.to_path_buf());
        let error = match read_list(list, &text) {
            Ok(listed) => {
                self.add_pictures(list, of_list(listed))?;
                before.pictures = None;
                return Ok(());
            }
            Err(error) => error,
        };
        let Some(pictures) = before
            .pictures
            .take()
            .filter(|_| !names_a_file(list, &text))
        else {
            return Err(error);
        };
        let names: Vec<_> = pictures
            .clone()
            .map(|index| self.inner_name(index))
            .collect();
        let classes = labels::classes(&text, list, &names)?;
        let start = pictures.start;
        before.flat.retain(|(_, flat)| flat.start != start);
        self.problems.retain(|(first, _)| *first != start);
        self.remarks.retain(|(first, _)| *first != start);
        for (entry, class) in self.entries[pictures].iter_mut().zip(classes) {
            entry.class = class;
        }
        Ok(())
    }

    fn add_root(
        &mut self,
        path: &Path,
        mut root: Root,
        before: &mut Before,
    ) -> Result<(), ImageError> {
        let (start, flat) = (self.entries.len(), root.flat.take());
        self.add_pictures(path, root)?;
        let pictures = start..self.entries.len();
        before
            .flat
            .extend(flat.map(|stem| (stem, pictures.clone())));
        before.pictures = Some(pictures);
        Ok(())
    }

    fn add_pictures(&mut self, path: &Path, root: Root) -> Result<(), ImageError> {
        if root.pictures.is_empty() {
            return Err(ImageError::NoImages {
                path: path.into(),
                unread: root.unread.in_words().unwrap_or_default(),
            });
        }
        let start = self.entries.len();
        self.orders.push(root.names);
        self.unread.push((path.display().to_string(), root.unread));
        self.problems
            .extend(root.problem.map(|problem| (start, problem)));
        self.remarks
            .extend(root.notes.into_iter().map(|note| (start, note)));
        for picture in root.pictures {
            let name = match &picture.place {
                Place::File(path) => path.display().to_string(),
                _ => path.join(&picture.name).display().to_string(),
            };
            self.add(name, &picture.name, picture.class, picture.place);
        }
        Ok(())
    }

    /// Adds a picture whose name ends in `inner`.
    fn add(&mut self, name: String, inner: &str, class: Class, place: Place) {
        let base = name.len().saturating_sub(inner.len());
        self.entries.push(Entry {
            name,
            base,
            class,
            place,
        });
    }
}

/// The archive that a path leads into, and the path within it.
fn into_archive(path: &Path) -> Option<(&Path, String)> {
    let archive = path.ancestors().skip(1).find(|above| above.is_file())?;
    let inner = path.strip_prefix(archive).ok()?;
    let parts = inner
        .components()
        .map(|part| part.as_os_str().to_string_lossy());
    Some((archive, parts.collect::<Vec<_>>().join("/")))
}
