//! The pictures of a demonstration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use svg_shapes::Shapes;
use svg_store::write_bytes;
use svg_train::data::Classes;

use super::plan::{Asked, Scale};
use crate::commands::dataset::{DatasetShapes, PAGE, Recipe};
use crate::commands::pictures::ReadingOptions;

/// Of each class, every picture whose number is a multiple of this is held out.
const HELD_OUT: usize = 10;

/// Pictures to learn from and pictures to judge by.
pub struct Data {
    pub train: Vec<PathBuf>,
    pub test: Vec<PathBuf>,
    pub reading: ReadingOptions,
    /// Where they come from, the same words wherever the run lies.
    pub name: String,
    pub classes: Vec<String>,
    /// How many there are of each kind.
    pub counts: [usize; 2],
    /// Whether there are held-out pictures of all classes.
    pub complete: bool,
}

impl Data {
    /// Draws the procedural pictures, or lists those of one's own. What is there is kept, but for what an
    /// earlier attempt has left before there was a plan.
    pub fn prepare(out: &Path, asked: &Asked, size: u32, planned: bool) -> Result<Self> {
        let folder = out.join("data");
        match &asked.data {
            None => shapes(&folder, asked, size, planned),
            Some(path) => {
                let orientation = asked.orientation;
                let reading = ReadingOptions {
                    orientation,
                    ..ReadingOptions::default()
                };
                own(&folder, path, reading, planned)
            }
        }
    }

    fn open(
        train: Vec<PathBuf>,
        test: Vec<PathBuf>,
        reading: ReadingOptions,
        name: String,
    ) -> Result<Self> {
        let [train_set, test_set] = [reading.open_classes(&train)?, reading.open_set(&test)?];
        let classes = Classes::of(&train_set)?.names;
        let of_test = Classes::of(&test_set)?.names;
        if let Some(other) = of_test.iter().find(|name| !classes.contains(name)) {
            bail!(
                "{other:?} is a class of the held-out pictures and none of those to train on; give both the \
                 same folders"
            );
        }
        let counts = [train_set.len(), test_set.len()];
        let [to_train, to_judge] = counts;
        if to_train.min(to_judge) < 2 {
            bail!(
                "{to_train} pictures to train on and {to_judge} to judge by are too few; give two of each at \
                 least"
            );
        }
        Ok(Self {
            counts,
            complete: of_test == classes,
            train,
            test,
            reading,
            name,
            classes,
        })
    }
}

fn shapes(folder: &Path, asked: &Asked, size: u32, planned: bool) -> Result<Data> {
    if !Shapes::SIDES.contains(&size) {
        bail!(
            "the procedural figures have {} to {} pixels to a side, not {size}; name a --size between, or give \
             pictures of your own with --data",
            Shapes::SIDES.start(),
            Shapes::SIDES.end()
        );
    }
    let seed = asked.seed;
    let (train, test) = match asked.scale {
        Scale::Whole => (10_000, 1_000),
        Scale::Tiny => (60, 20),
    };
    let shapes = DatasetShapes {
        out: folder.to_path_buf(),
        recipe: Recipe {
            train,
            test,
            seed,
            size,
        },
        force: !planned || !folder.join(PAGE).exists(),
    };
    shapes.write().with_context(|| {
        let folder = folder.display();
        format!("the figures in {folder} cannot be used; remove that folder, and the same command draws them again")
    })?;
    let name = format!(
        "svg dataset shapes --count {train} --test-count {test} --seed {seed} --size {size}"
    );
    let folders = ["train", "test"].map(|name| vec![folder.join(name)]);
    let [train, test] = folders;
    Data::open(train, test, ReadingOptions::default(), name)
}

/// Folders named train and test, or val, are taken as they are; otherwise a share of every class is held
/// out, in two lists that later starts obey.
fn own(folder: &Path, path: &Path, reading: ReadingOptions, planned: bool) -> Result<Data> {
    let name = reading.names(&[path.to_path_buf()]);
    let lists = ["train.txt", "test.txt"].map(|name| folder.join(name));
    if !planned {
        for list in lists.iter().filter(|list| list.exists()) {
            std::fs::remove_file(list).with_context(|| list.display().to_string())?;
        }
    }
    if let Some([train, test]) = split(path) {
        return Data::open(vec![train], vec![test], reading, name);
    }
    if lists.iter().any(|list| !list.exists()) {
        let set = reading
            .open_set(&[path.to_path_buf()])
            .with_context(|| format!("--data {}", path.display()))?;
        let classes = Classes::of(&set)?;
        let are_numbers = classes.names.iter().any(|name| name.parse::<f64>().is_ok());
        let mut seen = BTreeMap::new();
        let mut lines = [String::new(), String::new()];
        for (index, label) in classes.labels.iter().enumerate() {
            let name_of_picture = set.name(index);
            let is_listed = Path::new(name_of_picture).is_file();
            if !is_listed || name_of_picture.contains(char::is_control) {
                bail!(
                    "--data {name}: {} cannot be listed; unpack archives, and give files names in UTF-8 without \
                     control characters",
                    svg_store::printable(name_of_picture)
                );
            }
            let number = seen.entry(label).or_insert(0usize);
            *number += 1;
            let held_out = number.is_multiple_of(HELD_OUT);
            let absolute = std::path::absolute(set.name(index))?;
            let mut line = absolute.display().to_string();
            // Labels that are numbers would be their own classes, and folders are sorted as text.
            if !are_numbers {
                line += &format!("\t{}", classes.names[*label]);
            }
            lines[usize::from(held_out)] += &format!("{line}\n");
        }
        if lines[1].is_empty() {
            bail!(
                "--data {name}: no class has {HELD_OUT} pictures, of which one is held out to judge by; give \
                 more, or folders named train and test"
            );
        }
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        for (list, lines) in lists.iter().zip(lines) {
            write_bytes(list, lines)?;
        }
    }
    let [train, test] = lists;
    Data::open(vec![train], vec![test], reading, name)
}

/// The folders train and test, or val, of a folder of pictures, if their pictures have classes.
pub fn split(path: &Path) -> Option<[PathBuf; 2]> {
    let train = path.join("train");
    let test = ["test", "val", "validation"].map(|name| path.join(name));
    let test = test.into_iter().find(|test| has_classes(test))?;
    has_classes(&train).then_some([train, test])
}

/// Whether there are folders of classes, or, as in Tiny ImageNet, labels beside a folder of pictures.
fn has_classes(path: &Path) -> bool {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut folders = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir());
    let is_labelled = path.join("val_annotations.txt").is_file();
    folders.any(|folder| is_labelled || !folder.ends_with("images"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_every_class_is_held_out() {
        let place = tempfile::tempdir().unwrap();
        let photos = place.path().join("photos");
        for (class, count) in [("cat", 25), ("dog", 10)] {
            pictures(&photos.join(class), count);
        }
        let data = own(
            &place.path().join("data"),
            &photos,
            Default::default(),
            false,
        )
        .unwrap();
        assert_eq!(data.counts, [32, 3]);
        assert_eq!(data.classes, ["cat", "dog"]);
        let test = std::fs::read_to_string(place.path().join("data/test.txt")).unwrap();
        assert!(
            test.contains("cat/09.png") && test.contains("dog/09.png"),
            "{test}"
        );
    }

    #[test]
    fn too_few_pictures_are_refused_with_advice() {
        let place = tempfile::tempdir().unwrap();
        let class = place.path().join("pictures/cat");
        std::fs::create_dir_all(&class).unwrap();
        std::fs::write(class.join("1.png"), "").unwrap();
        let error = own(
            &place.path().join("data"),
            &place.path().join("pictures"),
            ReadingOptions::default(),
            false,
        );
        let error = error.err().unwrap().to_string();
        assert!(error.contains("folders named train and test"), "{error}");
    }

    fn pictures(folder: &Path, count: usize) {
        std::fs::create_dir_all(folder).unwrap();
        (0..count).for_each(|number| {
            std::fs::write(folder.join(format!("{number:02}.png")), "").unwrap();
        });
    }

    #[test]
    fn lists_of_an_attempt_without_a_plan_are_made_anew() {
        let place = tempfile::tempdir().unwrap();
        let (ours, first) = (place.path().join("data"), place.path().join("first"));
        pictures(&first.join("cat"), 20);
        own(&ours, &first, Default::default(), false).unwrap();
        let second = place.path().join("second");
        pictures(&second.join("dog"), 30);
        assert_eq!(
            own(&ours, &second, Default::default(), true)
                .unwrap()
                .classes,
            ["cat"]
        );
        assert_eq!(
            own(&ours, &second, Default::default(), false)
                .unwrap()
                .classes,
            ["dog"]
        );
    }

    #[test]
    fn held_out_pictures_without_classes_are_passed_over() {
        let place = tempfile::tempdir().unwrap();
        pictures(&place.path().join("test"), 3);
        for kind in ["train", "val"] {
            pictures(&place.path().join(kind).join("cat"), 3);
        }
        let [_, test] = split(place.path()).unwrap();
        assert_eq!(test, place.path().join("val"));
    }

    #[test]
    fn sides_that_figures_do_not_have_are_refused() {
        let asked = Asked {
            data: None,
            encoder: None,
            weights_key: None,
            minutes: None,
            size: Some(512),
            seed: 0,
            orientation: Default::default(),
            scale: Scale::Tiny,
        };
        let error = shapes(Path::new("nowhere"), &asked, 512, false)
            .err()
            .unwrap();
        assert!(error.to_string().contains("16 to 256 pixels"), "{error}");
    }
}
