//! Whether the pictures of a run are still the same.

use serde::{Deserialize, Serialize};
use svg_image::{ImageSet, Orientation};
use svg_store::Sha256;

use super::error::DataError;

/// A short record of a set of pictures, kept in checkpoints.
///
/// It is made of each picture's name below the folder, archive or list that was given, and of its
/// size in bytes, in the order of the set, and of how pictures are turned. No picture is read. So the data may
/// be moved, or packed into an archive, but not added to, renamed, reordered or re-encoded to another size.
///
/// Classes that the names do not tell, which are labels and folders above the one that a picture lies in, are
/// recorded too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// Number of pictures.
    pub count: u64,
    /// SHA-256 over `name, 0, size as 8 little-endian bytes` of each, in hexadecimal digits.
    pub sha256: String,
    /// How pictures are turned.
    #[serde(default, skip_serializing_if = "Orientation::is_default")]
    pub orientation: Orientation,
    /// The same over `name, 0, class, 0` of each picture whose class is not the name of the folder that it lies in;
    /// `None` if there is no such picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<String>,
}

impl Fingerprint {
    /// The fingerprint of a set.
    ///
    /// # Errors
    ///
    /// If the size of a file cannot be read, because it was removed since the set was opened.
    pub fn of(set: &ImageSet) -> Result<Self, DataError> {
        let mut hasher = Sha256::new();
        let mut classes = None::<Sha256>;
        for index in 0..set.len() {
            hasher.update(set.inner_name(index));
            hasher.update([0]);
            hasher.update(set.size(index)?.to_le_bytes());
            if let Some(class) = set.class_beside_name(index) {
                let classes = classes.get_or_insert_with(Sha256::new);
                for word in [set.inner_name(index), class] {
                    classes.update(word);
                    classes.update([0]);
                }
            }
        }
        Ok(Self {
            count: set.len() as u64,
            sha256: hasher.finish(),
            orientation: set.options().orientation,
            classes: classes.map(Sha256::finish),
        })
    }

    /// Compares the fingerprint of a checkpoint, `self`, with that of the present data.
    ///
    /// # Errors
    ///
    /// [`DataError::Changed`], if they differ.
    pub fn compare(&self, now: &Self) -> Result<(), DataError> {
        let (before, count) = (self.count, now.count);
        let difference = if before != count {
            let what = if before < count { "more" } else { "fewer" };
            format!(
                "there were {before} pictures and there are {count}, {} {what}",
                before.abs_diff(count)
            )
        } else if self.sha256 != now.sha256 {
            format!(
                "there are {count} pictures as before, but names, sizes or their order have changed"
            )
        } else if self.orientation != now.orientation {
            format!(
                "pictures were read with --orientation {}, and are now with --orientation {}",
                self.orientation, now.orientation
            )
        } else if self.classes != now.classes {
            format!(
                "the {count} pictures are the same, but their classes have changed: labels are others, or the run \
                 took the folder that a picture lies in, and the class is now the first folder below the data"
            )
        } else {
            return Ok(());
        };
        Err(DataError::Changed { difference })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn fingerprint(folder: &Path) -> Fingerprint {
        Fingerprint::of(&ImageSet::open(&[folder.into()]).unwrap()).unwrap()
    }

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        folder
    }

    #[test]
    fn moved_data_are_the_same_data() {
        let names = ["a.png", "b.png"];
        let (one, other) = (folder(&names), folder(&names));
        let one = fingerprint(one.path());
        one.compare(&fingerprint(other.path())).unwrap();
        assert_eq!((one.count, one.sha256.len()), (2, 64));
    }

    #[test]
    fn what_was_added_or_removed_is_counted_with_advice() {
        let few = fingerprint(folder(&["a.png"]).path());
        let many = fingerprint(folder(&["a.png", "b.png", "c.png"]).path());
        let message = few.compare(&many).unwrap_err().to_string();
        assert!(
            message.contains("1 pictures and there are 3, 2 more"),
            "{message}"
        );
        assert!(message.contains("--force-data"), "{message}");
        let message = many.compare(&few).unwrap_err().to_string();
        assert!(message.contains("2 fewer"), "{message}");
    }

    #[test]
    fn another_name_or_size_is_noticed() {
        let data = folder(&["a.png", "b.png"]);
        let before = fingerprint(data.path());
        std::fs::write(data.path().join("b.png"), "longer").unwrap();
        let message = before
            .compare(&fingerprint(data.path()))
            .unwrap_err()
            .to_string();
        assert!(message.contains("2 pictures as before"), "{message}");
        let renamed = fingerprint(folder(&["a.png", "c.png"]).path());
        assert!(before.compare(&renamed).is_err());
    }

    #[test]
    fn pictures_that_are_turned_are_other_data() {
        let stored = fingerprint(folder(&["a.png"]).path());
        let turned = Fingerprint {
            orientation: Orientation::Exif,
            ..stored.clone()
        };
        let message = stored.compare(&turned).unwrap_err().to_string();
        let says = "read with --orientation stored, and are now with --orientation exif";
        assert!(message.contains(says), "{message}");
        let text = serde_json::to_string(&turned).unwrap();
        assert!(text.contains(r#""orientation":"exif""#), "{text}");
        assert_eq!(serde_json::from_str::<Fingerprint>(&text).unwrap(), turned);
    }

    #[test]
    fn classes_that_names_do_not_tell_are_recorded() {
        let place = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            std::fs::create_dir_all(place.path().join(name)).unwrap();
            std::fs::write(place.path().join(name).join("1.png"), name).unwrap();
            place.path().join(name)
        };
        folder("plain/cat");
        let plain = fingerprint(&place.path().join("plain"));
        assert_eq!(plain.classes, None);
        let text = serde_json::to_string(&plain).unwrap();
        assert!(!text.contains("classes"), "as it was before: {text}");

        folder("nested/cat/indoor");
        let nested = fingerprint(&place.path().join("nested"));
        let before = Fingerprint {
            classes: None,
            ..nested.clone()
        };
        let message = before.compare(&nested).unwrap_err().to_string();
        assert!(message.contains("their classes have changed"), "{message}");

        let list = place.path().join("list.txt");
        let labelled = |label: &str| {
            std::fs::write(&list, format!("plain/cat/1.png {label}\n")).unwrap();
            fingerprint(&list)
        };
        assert!(labelled("3").compare(&labelled("4")).is_err());
        labelled("3").compare(&labelled("3")).unwrap();
    }

    #[test]
    fn a_fingerprint_survives_its_file() {
        let before = fingerprint(folder(&["a.png"]).path());
        let text = serde_json::to_string(&before).unwrap();
        assert!(!text.contains("orientation"), "{text}");
        assert_eq!(serde_json::from_str::<Fingerprint>(&text).unwrap(), before);
    }
}
