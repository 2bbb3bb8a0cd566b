//! The pictures of a demonstration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use svg_image::{ImageSet, write_atomically};
use svg_train::data::Classes;

use super::plan::{Asked, Scale};
use crate::commands::dataset::{DatasetShapes, PAGE};

/// Of each class, every picture whose number is a multiple of this is held out.
const HELD_OUT: usize = 10;

/// Procedural pictures to learn from, and to judge by.
const WHOLE: (u64, u64) = (10_000, 1_000);
const TINY: (u64, u64) = (60, 20);

/// Pictures to learn from and pictures to judge by.
pub struct Data {
    pub train: Vec<PathBuf>,
    pub test: Vec<PathBuf>,
    /// Where they come from, the same words wherever the run lies.
    pub name: String,
    pub classes: Vec<String>,
    /// How many there are of each kind.
    pub counts: [usize; 2],
}

impl Data {
    /// Draws the procedural pictures, or lists those of one's own. What is there is kept, but for pictures
    /// that an earlier attempt has drawn before there was a plan.
    pub fn prepare(out: &Path, asked: &Asked, size: u32, planned: bool) -> Result<Self> {
        let folder = out.join("data");
        match &asked.data {
            None => shapes(&folder, asked, size, planned),
            Some(path) => own(&folder, path),
        }
    }

    fn open(train: Vec<PathBuf>, test: Vec<PathBuf>, name: String) -> Result<Self> {
        let [train_set, test_set] = [ImageSet::open(&train)?, ImageSet::open(&test)?];
        let [classes, of_test] = [
            Classes::of(&train_set)?.names,
            Classes::of(&test_set)?.names,
        ];
        if let Some(other) = of_test.iter().find(|name| !classes.contains(name)) {
            bail!(
                "{other:?} is a class of the held-out pictures and none of those to train on; give both the \
                 same folders"
            );
        }
        Ok(Self {
            counts: [train_set.len(), test_set.len()],
            train,
            test,
            name,
            classes,
        })
    }
}

fn shapes(folder: &Path, asked: &Asked, size: u32, planned: bool) -> Result<Data> {
    let (count, test_count) = match asked.scale {
        Scale::Whole => WHOLE,
        Scale::Tiny => TINY,
    };
    let shapes = DatasetShapes {
        out: folder.to_path_buf(),
        count,
        test_count,
        seed: asked.seed,
        size,
        force: !planned || !folder.join(PAGE).exists(),
    };
    shapes.write()?;
    let name = format!(
        "svg dataset shapes --count {count} --test-count {test_count} --seed {} --size {size}",
        asked.seed
    );
    Data::open(vec![folder.join("train")], vec![folder.join("test")], name)
}

/// Folders named train and test, or val, are taken as they are; otherwise a share of every class is held
/// out, in two lists that later starts obey.
fn own(folder: &Path, path: &Path) -> Result<Data> {
    let name = path.display().to_string();
    let train = path.join("train");
    let test = ["test", "val"].map(|name| path.join(name));
    let test = test.into_iter().find(|test| test.is_dir());
    if let (true, Some(test)) = (train.is_dir(), test) {
        return Data::open(vec![train], vec![test], name);
    }
    let lists = ["train.txt", "test.txt"].map(|name| folder.join(name));
    if lists.iter().any(|list| !list.exists()) {
        let set = ImageSet::open(&[path.to_path_buf()])
            .with_context(|| format!("--data {}", path.display()))?;
        let classes = Classes::of(&set)?;
        let mut seen = BTreeMap::new();
        let mut lines = [String::new(), String::new()];
        for (index, label) in classes.labels.iter().enumerate() {
            let number = seen.entry(label).or_insert(0usize);
            *number += 1;
            let held_out = number.is_multiple_of(HELD_OUT);
            let absolute = std::path::absolute(set.name(index))?;
            lines[usize::from(held_out)] += &format!("{}\n", absolute.display());
        }
        if lines[1].is_empty() {
            bail!(
                "--data {name}: no class has {HELD_OUT} pictures, of which one is held out to judge by; give \
                 more, or folders named train and test"
            );
        }
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        for (list, lines) in lists.iter().zip(lines) {
            write_atomically(list, |file| file.write_all(lines.as_bytes()))?;
        }
    }
    let [train, test] = lists;
    Data::open(vec![train], vec![test], name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_every_class_is_held_out() {
        let place = tempfile::tempdir().unwrap();
        let pictures = place.path().join("pictures");
        for (class, count) in [("cat", 25), ("dog", 10)] {
            std::fs::create_dir_all(pictures.join(class)).unwrap();
            for number in 0..count {
                std::fs::write(pictures.join(class).join(format!("{number:02}.png")), "").unwrap();
            }
        }
        let data = own(&place.path().join("data"), &pictures).unwrap();
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
        let error = own(&place.path().join("data"), &place.path().join("pictures"));
        let error = error.err().unwrap().to_string();
        assert!(error.contains("folders named train and test"), "{error}");
    }
}
