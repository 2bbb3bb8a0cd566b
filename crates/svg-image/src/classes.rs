//! The classes of a set of pictures.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use svg_store::{listed, printable};

use crate::label::is_number;
use crate::root::same;
use crate::source::ImageSet;

/// Numbered classes are not made up beyond this number.
const MOST_NUMBERS: usize = 1_000_000;

/// What is known of a picture's class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Class {
    None,
    /// The name of a folder.
    Folder(Arc<str>),
    /// A label beside the picture or in a list.
    Label(Arc<str>),
}

impl Class {
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Folder(name) | Self::Label(name) => Some(name),
        }
    }
}

/// Why a set of pictures has no classes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClassError {
    /// The folders at the top are parts of a data set.
    #[error(
        "{} holds parts of a data set ({}), which are not classes and are not merged; give one of them, such as \
         {}, or several of them by their names",
        printable(root),
        listed(splits),
        printable(example)
    )]
    Splits {
        /// The folder or archive.
        root: String,
        /// The parts.
        splits: Vec<String>,
        /// A path that may be given instead.
        example: String,
    },

    /// A folder beside the folders of classes holds no pictures.
    #[error(
        "{}: {count} of the folders of classes hold no pictures, the first is {}; without it the numbers \
         of the classes after it would change; move it elsewhere, or add its pictures",
        printable(root),
        printable(folder)
    )]
    Empty {
        /// The folder or archive.
        root: String,
        /// The first folder without pictures.
        folder: String,
        /// How many there are.
        count: usize,
    },

    /// All of an archive lies in one folder with folders in it.
    #[error(
        "all pictures of {top} lie in its folder {below}, which holds the folders {}; give {top}/{below} if those \
         are the classes",
        listed(seconds), top = printable(root), below = printable(folder)
    )]
    Wrapped {
        /// The archive.
        root: String,
        /// The folder.
        folder: String,
        /// Some of the folders in it.
        seconds: Vec<String>,
    },

    /// The file of labels beside the pictures lacks some.
    #[error("{reason}")]
    Labels {
        /// The file and what is wrong with it.
        reason: String,
    },

    /// A picture has no class.
    #[error(
        "{} has no class: it lies in no folder below what was given, and no label is beside it; put each picture \
         into a folder with the name of its class, give a list of paths and labels (CSV, JSON lines, or text with the \
         label in the second column), or name a file of labels after the folder of its pictures",
        printable(name)
    )]
    NoClass {
        /// The picture, as [`ImageSet::name`] gives it.
        name: String,
    },

    /// Some pictures have a number and others a name.
    #[error(
        "{} has the number {number} for a class and {} the name {class:?}; give all pictures labels of \
         one kind",
        printable(numbered),
        printable(named)
    )]
    Mixed {
        /// A picture with a number.
        numbered: String,
        /// The number.
        number: String,
        /// A picture with a name.
        named: String,
        /// The name.
        class: String,
    },

    /// A number is no number of a class.
    #[error(
        "{} has the label {number}, which is too large for the number of a class; count classes from 0, or use \
         names",
        printable(name)
    )]
    TooLarge {
        /// The picture.
        name: String,
        /// Its label.
        number: String,
    },
}

impl ImageSet {
    /// The names of the classes and, for each picture, the place of its class among them.
    ///
    /// Names are sorted as in torchvision's `ImageFolder`. Labels that are numbers keep their values: the classes
    /// are then all numbers from 0 to the largest. A table that names its classes keeps their order.
    ///
    /// ```
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let set = folder.path().to_path_buf();
    /// # for picture in ["dog/outdoor/1.png", "cat/1.png"] {
    /// #     let path = set.join(picture);
    /// #     std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    /// #     std::fs::write(path, "").unwrap();
    /// # }
    /// use svg_image::ImageSet;
    ///
    /// let (names, labels) = ImageSet::open(&[set])?.classes()?;
    /// assert_eq!(names, ["cat", "dog"]);
    /// assert_eq!(labels, [0, 1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ClassError`] if a picture has no class, or if it is unclear what the classes are.
    pub fn classes(&self) -> Result<(Vec<String>, Vec<usize>), ClassError> {
        if let Some(problem) = self.problem() {
            return Err(problem.clone());
        }
        let mut numbered = None;
        let mut named = None;
        let mut names = BTreeSet::new();
        for index in 0..self.len() {
            match self.class(index) {
                Class::None => {
                    let name = self.name(index).to_string();
                    return Err(ClassError::NoClass { name });
                }
                Class::Label(label) if is_number(label) => _ = numbered.get_or_insert(index),
                Class::Label(_) | Class::Folder(_) => _ = named.get_or_insert(index),
            }
            names.extend(self.class_name(index));
        }
        if let Some(order) = same(&self.orders) {
            let rank: HashMap<&str, usize> = order
                .iter()
                .enumerate()
                .map(|(rank, name)| (&**name, rank))
                .collect();
            let labels = (0..self.len()).map(|index| rank.get(self.class_name(index)?).copied());
            if let Some(labels) = labels.collect() {
                return Ok((order.clone(), labels));
            }
        }
        let text = |index: usize| self.class_name(index).unwrap_or_default().to_string();
        match (numbered, named) {
            (Some(number), Some(name)) => Err(ClassError::Mixed {
                numbered: self.name(number).to_string(),
                number: text(number),
                named: self.name(name).to_string(),
                class: text(name),
            }),
            (Some(_), None) => self.numbers(),
            (None, _) => {
                let names: Vec<&str> = names.into_iter().collect();
                let rank = |index| names.binary_search(&self.class_name(index).unwrap_or_default());
                let labels = (0..self.len()).map(|index| rank(index).expect("all names are there"));
                let labels = labels.collect();
                Ok((names.into_iter().map(str::to_string).collect(), labels))
            }
        }
    }

    fn numbers(&self) -> Result<(Vec<String>, Vec<usize>), ClassError> {
        let mut labels = Vec::with_capacity(self.len());
        for index in 0..self.len() {
            let text = self.class_name(index).unwrap_or_default();
            let number = text.parse().ok().filter(|number| *number < MOST_NUMBERS);
            labels.push(number.ok_or_else(|| ClassError::TooLarge {
                name: self.name(index).to_string(),
                number: text.to_string(),
            })?);
        }
        let count = labels.iter().max().map_or(0, |last| last + 1);
        Ok((
            (0..count).map(|number| number.to_string()).collect(),
            labels,
        ))
    }

    /// What is to be said of the classes: folders whose names are numbers, and folders that may be more than one
    /// class.
    pub fn class_notes(&self) -> Vec<String> {
        let mut notes = self.remarks();
        let of_folders = (0..self.len()).filter_map(|index| match self.class(index) {
            Class::Folder(name) => Some(&**name),
            _ => None,
        });
        let names: BTreeSet<&str> = of_folders.collect();
        if !names.is_empty()
            && names.iter().all(|name| is_number(name))
            && let Some((rank, name)) = names
                .iter()
                .enumerate()
                .find(|(rank, name)| rank.to_string() != **name)
        {
            notes.push(format!(
                "folders named by numbers are sorted as text, as torchvision does: class {rank} is the folder {name}"
            ));
        }
        notes
    }
}
