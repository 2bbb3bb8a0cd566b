//! Pictures in files, folders, archives and lists as one indexed set.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use svg_store::printable;

use crate::classes::{Class, ClassError};
use crate::error::ImageError;
use crate::place::Place;
use crate::read::DecodeOptions;
use crate::unread::Unread;

/// Extensions of pictures in folders and archives, case-insensitive.
pub const EXTENSIONS: [&str; 12] = [
    "bmp", "gif", "jpeg", "jpg", "pbm", "pgm", "png", "pnm", "ppm", "tif", "tiff", "webp",
];

/// Notes of so many paths are given one by one.
const MOST_NOTES: usize = 3;

/// Whether a file in a folder or archive is a picture. Hidden files are not: operating systems leave them
/// beside pictures with the same extensions.
pub(crate) fn is_picture(name: &str) -> bool {
    let base = name.rsplit('/').next().unwrap_or(name);
    !base.starts_with('.') && has_picture_ending(base)
}

pub(crate) fn has_picture_ending(name: &str) -> bool {
    let ending = Path::new(name)
        .extension()
        .and_then(|ending| ending.to_str());
    let known = |ending: &str| {
        EXTENSIONS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(ending))
    };
    ending.is_some_and(known)
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
#[derive(Debug, Default)]
pub struct ImageSet {
    pub(crate) entries: Vec<Entry>,
    /// Why there are no classes, with the first picture of the path that is to blame.
    pub(crate) problems: Vec<(usize, ClassError)>,
    /// What is to be said of the classes, likewise.
    pub(crate) remarks: Vec<(usize, String)>,
    /// The names of the classes in the order of their labels, as each path states them.
    pub(crate) orders: Vec<Option<Vec<String>>>,
    /// What is not read below each path.
    pub(crate) unread: Vec<(String, Unread)>,
    /// The folders that were searched.
    pub(crate) folders: Vec<PathBuf>,
    /// Files that were read beside those of the pictures: lists, labels, and archives that were unpacked.
    pub(crate) others: Vec<PathBuf>,
    pub(crate) options: DecodeOptions,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub name: String,
    /// Start of [`ImageSet::inner_name`] within `name`, in bytes.
    pub base: usize,
    pub class: Class,
    pub place: Place,
}

impl ImageSet {
    /// The same set, read with these options by a [`Loader`](crate::Loader). Without this, with the default
    /// ones.
    pub fn with_options(self, options: DecodeOptions) -> Self {
        Self { options, ..self }
    }

    /// How its pictures are decoded.
    pub fn options(&self) -> &DecodeOptions {
        &self.options
    }

    pub(crate) fn class(&self, index: usize) -> &Class {
        &self.entries[index].class
    }

    pub(crate) fn problem(&self) -> Option<&ClassError> {
        self.problems.first().map(|(_, problem)| problem)
    }

    pub(crate) fn remarks(&self) -> Vec<String> {
        self.remarks
            .iter()
            .map(|(_, remark)| remark.clone())
            .collect()
    }

    /// What lies among the pictures and is not read, counted by kind: a line for each path, or one for all if there
    /// are many.
    pub fn notes(&self) -> Vec<String> {
        let of_each = self.unread.iter();
        let of_each = of_each.filter_map(|(path, unread)| Some((path, unread, unread.in_words()?)));
        let of_each: Vec<_> = of_each.collect();
        if of_each.len() <= MOST_NOTES {
            let lines = of_each
                .into_iter()
                .map(|(path, _, words)| format!("{}: {words}", printable(path)));
            return lines.collect();
        }
        let mut all = Unread::default();
        of_each.iter().for_each(|(_, unread, _)| all.add(unread));
        let (path, others) = (of_each[0].0, of_each.len() - 1);
        let words = all.in_words().unwrap_or_default();
        vec![format!("{} and {others} more: {words}", printable(path))]
    }

    /// Number of links among the pictures that lead to nothing, and are not in the set.
    pub fn dangling(&self) -> usize {
        self.unread.iter().map(|(_, unread)| unread.dangling).sum()
    }

    /// The folders that were given. Pictures that are put into one of them, or below, are in the set when it is
    /// opened again.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// The folders of the pictures that are files of their own, and no entries of archives.
    pub fn parents(&self) -> BTreeSet<&Path> {
        let files = self.entries.iter().filter_map(|entry| match &entry.place {
            Place::File(path) => path.parent(),
            _ => None,
        });
        let named = files.map(|parent| match parent.as_os_str().is_empty() {
            true => Path::new("."),
            false => parent,
        });
        named.collect()
    }

    /// The files on disk that the set was read from and is read from: pictures, archives, lists and labels. Those of
    /// archives come more than once.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let pictures = self.entries.iter();
        let pictures = pictures.filter_map(|entry| entry.place.path());
        self.others.iter().map(PathBuf::as_path).chain(pictures)
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

    /// Class of picture `index`: the first folder below the path that was given, or its label. `None` if there is
    /// neither. The folder itself is the class if it holds no folders; for a file given by its name, the folder
    /// that it lies in.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`len`](Self::len).
    pub fn class_name(&self, index: usize) -> Option<&str> {
        self.class(index).name()
    }

    /// [`class_name`](Self::class_name) where [`name`](Self::name) does not tell it: a label, or a folder above the
    /// one that the picture lies in.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`len`](Self::len).
    pub fn class_beside_name(&self, index: usize) -> Option<&str> {
        let entry = &self.entries[index];
        match &entry.class {
            Class::Label(label) => Some(label),
            Class::Folder(class) => {
                let path = match entry.place {
                    Place::File(_) => self.name(index),
                    _ => self.inner_name(index),
                };
                let folder = Path::new(path).parent()?.file_name()?.to_str()?;
                (folder != &**class).then_some(&**class)
            }
            Class::None => None,
        }
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
        entry.place.size().map_err(ImageError::read(&entry.name))
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
        entry.place.read().map_err(ImageError::read(&entry.name))
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
        assert_eq!(classes, [Some("a"), Some("b"), Some("b"), None]);
        assert_eq!(set.class_name(0), Some("a"));
    }

    #[test]
    fn a_set_knows_the_files_and_folders_that_it_is_read_from() {
        let folder = folder();
        let (list, packed) = (
            folder.path().join("list.txt"),
            folder.path().join("set.tar"),
        );
        std::fs::write(&list, "b/2.jpg\n").unwrap();
        let mut builder = tar::Builder::new(std::fs::File::create(&packed).unwrap());
        builder
            .append_dir_all("x", folder.path().join("b"))
            .unwrap();
        builder.into_inner().unwrap();
        let mut packed_again = flate2::write::GzEncoder::new(Vec::new(), Default::default());
        let bytes = std::fs::read(&packed).unwrap();
        std::io::Write::write_all(&mut packed_again, &bytes).unwrap();
        let compressed = folder.path().join("set.tar.gz");
        std::fs::write(&compressed, packed_again.finish().unwrap()).unwrap();

        let b = folder.path().join("b");
        let paths = [b.clone(), list.clone(), packed.clone(), compressed.clone()];
        let set = ImageSet::open(&paths).unwrap();
        assert_eq!(set.folders(), std::slice::from_ref(&b));
        let files: BTreeSet<_> = set.files().collect();
        let (one, two) = (b.join("1.PNG"), b.join("2.jpg"));
        let expected = [&one, &two, &list, &packed, &compressed];
        assert_eq!(files, expected.map(|path| path.as_path()).into());
        assert_eq!(set.parents(), [b.as_path()].into());
    }

    #[test]
    fn files_given_by_name_may_have_any_extension() {
        let folder = folder();
        let path = folder.path().join("a/picture.dat");
        std::fs::write(&path, "P6 1 1 255\nrgb").unwrap();
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
