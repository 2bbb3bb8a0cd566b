//! `svg dataset`: pictures to train on, made by code.

use std::fs;
use std::io::ErrorKind;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use rayon::prelude::*;
use serde::Deserialize;
use svg_image::{DecodeOptions, grid, read_image, save_png};
use svg_shapes::{CLASSES, Shapes};
use svg_store::{Checked, FolderLock, UNFINISHED, first, outside, read_file, write_bytes};

use crate::commands::outputs::Outputs;
use crate::commands::print;
use crate::commands::saved::Saved;
use crate::progress::image_bar;
use crate::ranges::within;

/// Pictures that are drawn.
const COUNTS: RangeInclusive<u64> = 0..=10_000_000;

/// Make pictures to train on
#[derive(Subcommand)]
pub enum Dataset {
    Shapes(DatasetShapes),
}

/// Draw small colour images of ten figures, from arrow to triangle
///
/// Writes train/CLASS/NNNNN.png, test/CLASS/NNNNN.png, a contact sheet (sheet.png) and what was drawn
/// (dataset.json). A picture is a function of the seed, its class and its number: the same command gives the
/// same bytes on every machine. Given again, the command draws what is missing, or more with larger counts. Of two
/// at once in one folder, the second is refused.
#[derive(Args)]
#[command(after_help = "Examples:
  svg dataset shapes --count 20000 --test-count 2000 --seed 0 --out shapes
  svg dataset shapes --count 1000 --size 64 --seed 1 --out shapes64")]
pub struct DatasetShapes {
    /// The folder to write
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    #[command(flatten)]
    pub recipe: Recipe,
    /// Draw anew: remove the pictures of an earlier data set there, leave other files alone
    #[arg(long)]
    pub force: bool,
}

/// The name of the page that says what was drawn.
pub const PAGE: &str = "dataset.json";
const MADE_BY: &str = "svg dataset shapes";
/// Raised when the same seed begins to give other pictures.
const VERSION: u64 = 1;

/// The first index of a test picture, beyond any of training.
const TEST: u64 = 1 << 32;

/// What pictures follow from.
#[derive(Args, Deserialize)]
pub struct Recipe {
    /// Pictures to train on, of all classes together
    #[arg(long = "count", value_name = "N", value_parser = within(COUNTS))]
    pub train: u64,
    /// Pictures to test with, which are others
    #[arg(long = "test-count", value_name = "N", default_value_t = 0, value_parser = within(COUNTS))]
    pub test: u64,
    /// Seed of all pictures
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Pixels of a side, from 16 to 256
    #[arg(long, value_name = "PIXELS", default_value_t = 32, value_parser = clap::value_parser!(u32).range(sides()))]
    pub size: u32,
}

struct Picture {
    class: usize,
    index: u64,
    path: PathBuf,
}

impl Dataset {
    pub fn run(self) -> Result<()> {
        let Self::Shapes(shapes) = self;
        shapes.run()
    }
}

/// For the parser, which counts in 64 bits.
fn sides() -> RangeInclusive<i64> {
    i64::from(*Shapes::SIDES.start())..=i64::from(*Shapes::SIDES.end())
}

impl DatasetShapes {
    fn run(self) -> Result<()> {
        Outputs::default().folder("--out", [&self.out]).check()?;
        let there = self.write()?;
        let (out, Recipe { train, test, .. }) = (self.out.display(), &self.recipe);
        print(&format!(
            "{out}: {train} pictures to train on, {test} to test with, of {} classes; {there} were there\n",
            CLASSES.len()
        ))
    }

    /// Draws what is missing, and says how many pictures were there.
    pub fn write(&self) -> Result<usize> {
        let recipe = &self.recipe;
        if recipe.train == 0 {
            bail!("--count 0 draws nothing to train on; try {}", CLASSES.len());
        }
        check_count(recipe.train, "--count")?;
        check_count(recipe.test, "--test-count")?;
        let failed = || format!("--out {} cannot be written", self.out.display());
        self.check()?;
        fs::create_dir_all(&self.out).with_context(failed)?;
        let _lock = FolderLock::acquire(&self.out, "draws into")?;
        // Another may have drawn in between.
        self.check()?;
        if self.force {
            self.remove_pictures()?;
        }
        // The page comes first: it says to the next start whose folder this is.
        write_bytes(self.out.join(PAGE), recipe.page())?;
        let test = (recipe.test > 0).then_some("test");
        for split in ["train"].into_iter().chain(test) {
            for class in CLASSES {
                let folder = self.out.join(split).join(class);
                fs::create_dir_all(folder).with_context(failed)?;
            }
        }
        let shapes = Shapes::new(recipe.seed).with_size(recipe.size);
        save_sheet(shapes, &self.out.join("sheet.png"))?;

        let mut pictures = recipe.pictures(&self.out);
        let all = pictures.len();
        let there = pictures.par_iter().filter(|picture| picture.path.exists());
        let damaged = there.find_any(|picture| {
            let read = read_image(&picture.path, &DecodeOptions::default());
            read.is_err()
        });
        if let Some(Picture { path, .. }) = damaged {
            bail!(
                "{} is damaged; remove it, and the same command draws it again",
                path.display()
            );
        }
        let paths: Vec<PathBuf> = pictures
            .iter()
            .map(|picture| picture.path.clone())
            .collect();
        pictures.retain(|picture| !picture.path.exists());
        let bar = image_bar(pictures.len(), "drawing");
        pictures.par_iter().try_for_each(|picture| {
            let image = shapes.image(picture.class, picture.index);
            bar.inc(1);
            save_png(&image, &picture.path, &[])
        })?;
        bar.finish_and_clear();
        let mut saved = Saved::default();
        paths.into_iter().for_each(|path| saved.keep(path));
        saved.check()?;
        Ok(all - pictures.len())
    }

    /// Removes the pictures of an earlier recipe and of this one.
    fn remove_pictures(&self) -> Result<()> {
        let earlier = Recipe::read(&self.out.join(PAGE));
        for old in earlier.iter().chain([&self.recipe]) {
            for Picture { path, .. } in old.pictures(&self.out) {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        bail!("{} cannot be removed: {error}", path.display())
                    }
                    _ => (),
                }
            }
        }
        Ok(())
    }

    /// Whether every picture of these names that is there is one of the recipe's, or is to be removed.
    fn check(&self) -> Result<()> {
        if self.force {
            return Ok(());
        }
        let (out, recipe) = (self.out.display(), &self.recipe);
        let Some(earlier) = Recipe::read(&self.out.join(PAGE)) else {
            let is_other = |entry: fs::DirEntry| {
                let name = entry.file_name();
                let left = name.as_encoded_bytes().starts_with(UNFINISHED.as_bytes());
                name != ".lock" && !left
            };
            let folder = fs::read_dir(&self.out);
            return match folder.map(|entries| entries.flatten().any(is_other)) {
                Ok(true) => bail!(
                    "--out {out} holds other files; name a new folder, or add --force to write beside them"
                ),
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    bail!("--out {out}: {error}; name a folder")
                }
                _ => Ok(()),
            };
        };
        let looks = |recipe: &Recipe| format!("seed {} and size {}", recipe.seed, recipe.size);
        let (there, wanted) = (looks(&earlier), looks(recipe));
        if there != wanted {
            bail!(
                "--out {out} holds pictures of {there}, not of {wanted}; name another folder, or add --force to \
                 draw anew"
            );
        }
        for (option, there, wanted) in [
            ("--count", earlier.train, recipe.train),
            ("--test-count", earlier.test, recipe.test),
        ] {
            if there > wanted {
                bail!(
                    "--out {out} holds {there} pictures where {option} says {wanted}; say {option} \
                     {there} or more, or add --force to draw anew"
                );
            }
        }
        Ok(())
    }
}

impl Checked for Recipe {
    fn problem(&self) -> Option<String> {
        first([
            outside("train", self.train, COUNTS),
            outside("test", self.test, COUNTS),
            outside("size", self.size, Shapes::SIDES),
        ])
    }
}

impl Recipe {
    fn pictures(&self, out: &Path) -> Vec<Picture> {
        let classes = CLASSES.len() as u64;
        let split = |name: &'static str, count: u64, first: u64| {
            (0..count).map(move |number| {
                let (class, number) = ((number % classes) as usize, number / classes);
                let file = format!("{number:05}.png");
                Picture {
                    class,
                    index: first + number,
                    path: out.join(name).join(CLASSES[class]).join(file),
                }
            })
        };
        let train = split("train", self.train, 0);
        train.chain(split("test", self.test, TEST)).collect()
    }

    fn page(&self) -> String {
        let page = serde_json::json!({
            "made_by": MADE_BY,
            "version": VERSION,
            "seed": self.seed,
            "size": self.size,
            "train": self.train,
            "test": self.test,
            "first_test_index": TEST,
            "classes": CLASSES,
        });
        format!("{page:#}\n")
    }

    /// What an earlier run has drawn; `None` if there was none of this version.
    fn read(page: &Path) -> Option<Self> {
        let page: serde_json::Value = serde_json::from_slice(&read_file(page).ok()?).ok()?;
        let ours = page["made_by"] == MADE_BY && page["version"] == VERSION;
        let recipe: Self = ours.then(|| serde_json::from_value(page).ok())??;
        recipe.problem().is_none().then_some(recipe)
    }
}

/// Whether every class gets as many pictures.
fn check_count(count: u64, option: &str) -> Result<()> {
    let classes = CLASSES.len() as u64;
    if !count.is_multiple_of(classes) {
        let above = count.div_ceil(classes) * classes;
        bail!("{option} {count} is no multiple of the {classes} classes; try {above}");
    }
    Ok(())
}

/// Ten pictures of each class, a row each.
fn save_sheet(shapes: Shapes, path: &Path) -> Result<()> {
    let classes = 0..CLASSES.len();
    let images = classes.flat_map(|class| (0..10).map(move |index| shapes.image(class, index)));
    let sheet = grid(&images.collect::<Vec<_>>(), 10, 4);
    let (seed, size) = (shapes.seed(), shapes.size());
    let note = format!("{MADE_BY} --seed {seed} --size {size}");
    Ok(save_png(&sheet, path, &[("Software", &note)])?)
}
