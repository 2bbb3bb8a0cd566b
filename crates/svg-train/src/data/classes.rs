//! Which class a picture is of.

use svg_image::ImageSet;

use super::error::DataError;

/// The classes of a set of pictures, as [`ImageSet::classes`] gives them.
///
/// A label is the rank of the first folder's name in sorted order, as in torchvision's `ImageFolder`; for ImageNet
/// these are the usual numbers.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # for class in ["tench", "cock"] {
/// #     std::fs::create_dir(folder.path().join(class)).unwrap();
/// #     std::fs::write(folder.path().join(class).join("1.png"), "").unwrap();
/// # }
/// # let folder = folder.path().to_path_buf();
/// use svg_image::ImageSet;
/// use svg_train::data::Classes;
///
/// let classes = Classes::of(&ImageSet::open(&[folder])?)?;
/// assert_eq!(classes.names, ["cock", "tench"]);
/// assert_eq!(classes.labels, [0, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classes {
    /// The names, in the order of the labels.
    pub names: Vec<String>,
    /// For each picture, the place of its class among the names.
    pub labels: Vec<usize>,
}

impl Classes {
    /// The classes of a set.
    ///
    /// # Errors
    ///
    /// [`DataError::Classes`] if a picture has no class, or if it is unclear what the classes are.
    pub fn of(set: &ImageSet) -> Result<Self, DataError> {
        let (names, labels) = set.classes()?;
        Ok(Self { names, labels })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_the_rank_of_the_folder_whatever_the_order_of_paths() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["b", "a", "c"] {
            std::fs::create_dir(path(name)).unwrap();
            std::fs::write(path(name).join("1.png"), "").unwrap();
            std::fs::write(path(name).join("2.png"), "").unwrap();
        }
        let set = ImageSet::open(&[path("c"), path("a"), path("b")]).unwrap();
        let classes = Classes::of(&set).unwrap();
        assert_eq!(classes.names, ["a", "b", "c"]);
        assert_eq!(classes.labels, [2, 2, 0, 0, 1, 1]);
    }
}
