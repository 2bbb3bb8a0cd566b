//! Pictures in files, folders, archives and lists as one indexed set.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::archive::{Archive, Stretch, is_archive};
use crate::error::ImageError;
use crate::list::{is_list, read_list};
use crate::read::DecodeOptions;

/// Extensions of pictures in folders and archives, case-insensitive.
pub const EXTENSIONS: [&str; 12] = [
    "bmp", "gif", "jpeg", "jpg", "pbm", "pgm", "png", "pnm", "ppm", "tif", "tiff", "webp",
];

/// Whether a file in a folder or archive is a picture. Hidden files are not: operating systems leave them
/// beside pictures with the same extensions.
pub(crate) fn is_picture(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let ending = path
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default();
    !hidden
        && EXTENSIONS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(ending))
}

/// An indexed set of pictures that are read on demand. Threads may share it.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let class = folder.path().join("n01440764");
/// # std::fs::create_dir(&class).unwrap();
/// # let picture = svg_image::RgbImage::new(2, 2);
/// # svg_image::save_png(&picture, class.join("tench.png"), &[]).unwrap();
/// # let folder = folder.path().to_path_buf();
/// use svg_image::{DecodeOptions, ImageSet, decode};
///
/// let set = ImageSet::open(&[folder])?;
/// assert_eq!(set.class_name(0), Some("n01440764"));
/// let image = decode(&set.read(0)?, &DecodeOptions::default()).unwrap();
/// # Ok::<(), svg_image::ImageError>(())
/// ```
#[derive(Debug)]
pub struct ImageSet {
    entries: Vec<Entry>,
    archives: Vec<Archive>,
    options: DecodeOptions,
}

#[derive(Debug)]
struct Entry {
    name: String,
    /// Start of [`ImageSet::inner_name`] within `name`, in bytes.
    base: usize,
    place: Place,
}

#[derive(Debug)]
enum Place {
    File(PathBuf),
    /// In the archive with this index.
    Archive {
        archive: usize,
        offset: u64,
        size: u64,
    },
}

impl ImageSet {
    /// Lists the pictures of each path, in the given order.
    ///
    /// - A folder: the files in it and in its subfolders with one of [`EXTENSIONS`], sorted by path.
    ///   Links are followed.
    /// - An archive (`.tar`, `.tar.gz`, `.tgz`): its entries, likewise. A compressed archive is unpacked
    ///   once to an anonymous temporary file.
    /// - A list (`.txt`): the files named by its lines, relative to its folder, in its order and with any
    ///   extension. Empty lines and those that begin with `#` are skipped.
    /// - Any other file: itself, with any extension.
    ///
    /// # Errors
    ///
    /// If a path does not exist or cannot be read, an archive is damaged, a list names a missing file, or
    /// a folder, archive or list holds no picture.
    pub fn open(paths: &[PathBuf]) -> Result<Self, ImageError> {
        let mut set = Self {
            entries: Vec::new(),
            archives: Vec::new(),
            options: DecodeOptions::default(),
        };
        for path in paths {
            let before = set.entries.len();
            let metadata = std::fs::metadata(path).map_err(ImageError::read(path.display()))?;
            if metadata.is_dir() {
                set.add_folder(path)?;
            } else if is_archive(path) {
                set.add_archive(path)?;
            } else if is_list(path) {
                set.add_list(path)?;
            } else {
                set.add_file(path, path.parent());
            }
            if set.entries.len() == before {
                return Err(ImageError::NoImages { path: path.clone() });
            }
        }
        Ok(set)
    }

    /// The same set, read with these options by a [`Loader`](crate::Loader). Without this, with the default
    /// ones.
    pub fn with_options(self, options: DecodeOptions) -> Self {
        Self { options, ..self }
    }

    /// How its pictures are decoded.
    pub fn options(&self) -> &DecodeOptions {
        &self.options
    }

    /// Adds a picture whose name ends in `inner`.
    fn add(&mut self, name: String, inner: &str, place: Place) {
        let base = name.len() - inner.len();
        self.entries.push(Entry { name, base, place });
    }

    fn add_file(&mut self, path: &Path, folder: Option<&Path>) {
        let inner = folder.and_then(|folder| path.strip_prefix(folder).ok());
        let inner = inner.unwrap_or(path).display().to_string();
        self.add(path.display().to_string(), &inner, Place::File(path.into()));
    }

    fn add_list(&mut self, list: &Path) -> Result<(), ImageError> {
        for (line, path) in read_list(list)? {
            self.add(path.display().to_string(), &line, Place::File(path));
        }
        Ok(())
    }

    fn add_folder(&mut self, folder: &Path) -> Result<(), ImageError> {
        for found in WalkDir::new(folder).follow_links(true).sort_by_file_name() {
            let found = found.map_err(|error| ImageError::Read {
                path: error.path().unwrap_or(folder).display().to_string(),
                cause: error.into(),
            })?;
            if found.file_type().is_file() && is_picture(found.path()) {
                self.add_file(found.path(), Some(folder));
            }
        }
        Ok(())
    }

    fn add_archive(&mut self, path: &Path) -> Result<(), ImageError> {
        let (archive, pictures) = Archive::open(path)?;
        for Stretch { name, offset, size } in pictures {
            let place = Place::Archive {
                archive: self.archives.len(),
                offset,
                size,
            };
            self.add(format!("{}/{name}", path.display()), &name, place);
        }
        self.archives.push(archive);
        Ok(())
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no pictures, which is only the case for an empty list of paths.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Path of picture `index`; in an archive `archive.tar/inner/name.jpg`.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`len`](Self::len).
    pub fn name(&self, index: usize) -> &str {
        &self.entries[index].name
    }

    /// Part of [`name`](Self::name) below the path given to [`open`](Self::open): the path below the folder
    /// or within the archive, the line of a list, or the name of a single file. It does not change when data
    /// are moved or packed.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`len`](Self::len).
    pub fn inner_name(&self, index: usize) -> &str {
        let entry = &self.entries[index];
        &entry.name[entry.base..]
    }

    /// Name of the folder of picture `index`, which is the class in data sets with a folder per class.
    /// `None` for a file given without its folder and for the top level of an archive.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`len`](Self::len).
    pub fn class_name(&self, index: usize) -> Option<&str> {
        let path = match self.entries[index].place {
            Place::File(_) => self.name(index),
            Place::Archive { .. } => self.inner_name(index),
        };
        Path::new(path).parent()?.file_name()?.to_str()
    }

    /// Size of picture `index` in bytes as stored, without reading it.
    ///
    /// # Errors
    ///
    /// [`ImageError::Read`] if the file no longer exists.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`len`](Self::len).
    pub fn size(&self, index: usize) -> Result<u64, ImageError> {
        let entry = &self.entries[index];
        match &entry.place {
            Place::File(path) => std::fs::metadata(path).map(|metadata| metadata.len()),
            Place::Archive { size, .. } => Ok(*size),
        }
        .map_err(ImageError::read(&entry.name))
    }

    /// Bytes of picture `index`.
    ///
    /// # Errors
    ///
    /// [`ImageError::Read`] if the file cannot be read.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`len`](Self::len).
    pub fn read(&self, index: usize) -> Result<Vec<u8>, ImageError> {
        let entry = &self.entries[index];
        match &entry.place {
            Place::File(path) => std::fs::read(path),
            Place::Archive {
                archive,
                offset,
                size,
            } => self.archives[*archive].read(*offset, *size),
        }
        .map_err(ImageError::read(&entry.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with classes, as in training data.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            "b/2.jpg",
            "b/1.PNG",
            "b-side.JpEg",
            "a/x/3.webp",
            "a/notes.txt",
            "a/.4.png",
        ];
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file).unwrap();
        }
        folder
    }

    /// Names relative to `base`.
    fn names(set: &ImageSet, base: &Path) -> Vec<String> {
        let base = format!("{}/", base.display());
        (0..set.len())
            .map(|i| set.name(i).strip_prefix(&base).unwrap().to_string())
            .collect()
    }

    #[test]
    fn a_folder_and_its_archive_give_the_same_set() {
        let folder = folder();
        let set = ImageSet::open(&[folder.path().into()]).unwrap();
        let expected = ["a/x/3.webp", "b/1.PNG", "b/2.jpg", "b-side.JpEg"];
        assert_eq!(names(&set, folder.path()), expected);

        let outside = tempfile::tempdir().unwrap();
        let path = outside.path().join("set.tar");
        let mut builder = tar::Builder::new(std::fs::File::create(&path).unwrap());
        builder.append_dir_all(".", folder.path()).unwrap();
        builder.into_inner().unwrap();
        let packed = ImageSet::open(std::slice::from_ref(&path)).unwrap();
        assert_eq!(names(&packed, &path), expected);

        for (index, name) in expected.iter().enumerate() {
            assert_eq!(set.read(index).unwrap(), name.as_bytes());
            assert_eq!(packed.read(index).unwrap(), name.as_bytes());
            for set in [&set, &packed] {
                assert_eq!(set.inner_name(index), *name);
                assert_eq!(set.size(index).unwrap(), name.len() as u64);
            }
        }
        let classes: Vec<_> = (0..4).map(|index| packed.class_name(index)).collect();
        assert_eq!(classes, [Some("x"), Some("b"), Some("b"), None]);
        assert_eq!(set.class_name(0), Some("x"));
    }

    #[test]
    fn files_given_by_name_may_have_any_extension() {
        let folder = folder();
        let path = folder.path().join("a/picture.dat");
        std::fs::write(&path, "a picture").unwrap();
        let set = ImageSet::open(&[path.clone(), path]).unwrap();
        assert_eq!((set.len(), set.class_name(1)), (2, Some("a")));
        assert_eq!(set.inner_name(0), "picture.dat");
    }

    #[test]
    fn lists_keep_their_order_and_empty_ones_are_rejected() {
        let folder = folder();
        let list = folder.path().join("list.txt");
        std::fs::write(&list, "b/2.jpg\na/notes.txt\n").unwrap();
        let set = ImageSet::open(std::slice::from_ref(&list)).unwrap();
        let expected = ["b/2.jpg", "a/notes.txt"];
        assert_eq!(names(&set, folder.path()), expected);
        assert_eq!(set.inner_name(1), expected[1]);
        assert_eq!(set.class_name(0), Some("b"));
        assert_eq!(set.read(0).unwrap(), b"b/2.jpg");

        std::fs::write(&list, "# nothing\n").unwrap();
        let error = ImageSet::open(&[list]).unwrap_err();
        assert!(matches!(error, ImageError::NoImages { .. }));
    }

    #[test]
    fn the_error_for_an_empty_folder_names_it_and_the_extensions() {
        let folder = tempfile::tempdir().unwrap();
        let error = ImageSet::open(&[folder.path().into()]).unwrap_err();
        assert!(matches!(error, ImageError::NoImages { .. }));
        let message = error.to_string();
        assert!(
            message.contains(&folder.path().display().to_string()),
            "{message}"
        );
        assert!(message.contains("jpeg, jpg"), "{message}");
    }

    #[test]
    fn the_error_for_a_missing_path_names_it() {
        let error = ImageSet::open(&["no/such/place".into()]).unwrap_err();
        assert!(error.to_string().contains("no/such/place"), "{error}");
    }

    #[test]
    fn sets_are_send_and_sync() {
        fn shared<T: Send + Sync>() {}
        shared::<ImageSet>();
    }
}
