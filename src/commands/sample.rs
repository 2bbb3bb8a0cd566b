//! `svg sample`: noise to pictures.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use rayon::prelude::*;
use svg_image::{DecodeOptions, RgbImage, grid, read_image, read_note, save_png};
use svg_store::sha256_file;

use crate::commands::bundle::BundleOptions;
use crate::commands::classes::{ClassNames, Classes, drawn};
use crate::commands::generate::{Sampler, SamplingOptions, number};
use crate::commands::noise_file::{self, NoiseFile};
use crate::commands::outputs::{Outputs, hold_folder};
use crate::commands::print;
use crate::commands::sample_array::SampleArray;
use crate::commands::saved::Saved;
use crate::device::DeviceOptions;
use crate::gathered::numbers;
use crate::progress::{image_bar, status};
use crate::ranges::within;

/// The keyword of the note in a PNG that says how it was made.
pub const NOTE: &str = "Parameters";
/// Pictures of a sheet beside single pictures.
const SHEET: usize = 256;
/// Samples of one command.
const MOST: usize = 10_000_000;

/// Make pictures of classes
///
/// Sample N of a class is a function of the model, the settings, the seed, the class and N: neither the
/// batch nor the other samples matter. Its file is class-C-sample-N.png, with the settings in its notes; a
/// file that is there with the same settings is kept. A sheet beside the folder, samples-sheet.png for
/// samples/, shows the first 256 together.
#[derive(Args)]
#[command(after_help = "Examples:
  svg sample --bundle svg/ --classes 207,360 --count 4 --out samples/
  svg sample --bundle svg/ --classes all --guidance 1.5 --guidance-mode interval:0.1:0.8 --out samples/
  svg sample --bundle svg/ --classes random --count 64 --seed 7 --out sheet.png
  svg sample --bundle svg/ --classes random --count 50000 --batch 64 --npz samples.npz
  svg sample --bundle svg/ --from-noise noise.safetensors --out samples/ --latents latents.safetensors")]
pub struct Sample {
    #[command(flatten)]
    bundle: BundleOptions,
    /// Classes: numbers or names with commas between, all, or random
    ///
    /// Where a number is also the name of another class, '#2' is the number.
    #[arg(long, value_name = "CLASSES", allow_hyphen_values = true)]
    #[arg(required_unless_present = "from_noise")]
    classes: Option<String>,
    /// Samples of each class, or samples in all for random classes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = within(1..=1_000_000_u32))]
    count: u32,
    /// Of the noise and of random classes
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// A folder for the pictures, or a .png file for one sheet of all
    #[arg(long, value_name = "FOLDER|FILE.png", required_unless_present = "npz")]
    out: Option<PathBuf>,
    /// Write all samples as arrays of NumPy, as ADM's evaluator takes them: uint8 pictures arr_0, classes arr_1
    ///
    /// Values from -1 to 1 become floor(127.5 x + 128), as in the PNGs. The samples are written while they are made, in
    /// the order of classes and numbers, and the file appears with the last one. A command that is killed begins it anew;
    /// with a folder for --out, too, it goes on with the pictures that are there. Evaluators compute the Inception Score
    /// of 5,000 samples in a row, which therefore should be of all classes: say --classes random.
    #[arg(long, value_name = "FILE.npz")]
    npz: Option<PathBuf>,
    #[command(flatten)]
    sampling: SamplingOptions,
    /// Also write noise and latents [n, tokens, channels] and the n labels; every sample is made anew then
    #[arg(long, value_name = "FILE.safetensors")]
    latents: Option<PathBuf>,
    /// Take noise [n, tokens, channels], and n labels if they are there, from such a file
    #[arg(long, value_name = "FILE.safetensors", conflicts_with = "count")]
    from_noise: Option<PathBuf>,
    /// Make pictures anew that are there, also if they were made with other settings
    #[arg(long)]
    force: bool,
}

/// `samples-sheet.png` for `samples/`.
fn beside(folder: &Path) -> PathBuf {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!("{name}-sheet.png"))
}

/// One picture to be.
struct Item {
    class: usize,
    /// Its number within the class, or in the file of noise.
    index: usize,
}

impl Item {
    fn file(&self) -> String {
        format!("class-{}-sample-{}.png", self.class, self.index)
    }
}

impl Sample {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let sampling = self.sampling.sampling(self.seed)?;
        let bundle = self.bundle.open()?;
        let classes = ClassNames::of(&bundle)?;
        let shape = bundle.flow_spec()?.shape();
        let given = self.from_noise.as_ref();
        let given = given.map(|path| NoiseFile::read(path, shape)).transpose()?;
        let items = self.items(&classes, given.as_ref())?;
        let (folder, sheet) = self.places();
        let outputs = Outputs::default().file("--latents", &self.latents);
        let outputs = outputs.file("--npz", &self.npz);
        let outputs = outputs.reads("--from-noise", &self.from_noise);
        let outputs = self.bundle.read_by(outputs);
        let outputs = outputs.folder("--out", folder.map(Path::to_path_buf));
        outputs.file("--out", &sheet).check()?;
        let _lock = folder
            .map(|folder| hold_folder(folder, "--out"))
            .transpose()?;
        let limit = match (folder, &sheet) {
            (_, None) => 0,
            (None, Some(_)) => items.len(),
            (Some(_), Some(_)) => SHEET.min(items.len()),
        };
        let size = bundle.geometry()?.image;
        self.check_memory(items.len(), shape, size, limit)?;
        let sampler = self
            .sampling
            .sampler(&bundle, self.bundle.options(), sampling, device)?;
        let words = self.words(&sampler)?;
        let kept = match folder {
            None => vec![false; items.len()],
            Some(folder) => self.kept(folder, &items, &words)?,
        };
        let work: Vec<usize> = (0..items.len()).filter(|place| !kept[*place]).collect();
        let mut saved = Saved::default();
        let there = items.iter().zip(&kept).filter(|(_, kept)| **kept);
        let file = |item: &Item| folder.map(|folder| folder.join(item.file()));
        there.for_each(|(item, _)| file(item).into_iter().for_each(|path| saved.keep(path)));
        // The picture of an item that is there already.
        let read =
            |item: &Item| read_image(file(item).unwrap_or_default(), &DecodeOptions::default());
        let classes = || items.iter().map(|item| item.class as i64).collect();
        let array = |path: &PathBuf| SampleArray::create(path, classes(), size);
        let mut array = self.npz.as_ref().map(array).transpose()?;
        let bar = sampler.bar(work.len());
        let start = Instant::now();
        let (mut shown, mut passes) = (vec![None; limit], 0);
        let (mut noises, mut latents) = (Vec::new(), Vec::new());
        for places in work.chunks(self.sampling.batch()) {
            let some = places.iter().map(|place| &items[*place]);
            let labels: Vec<usize> = some.clone().map(|item| item.class).collect();
            let samples: Vec<u64> = some.map(|item| number(item.class, item.index)).collect();
            let noise = match &given {
                Some(file) => {
                    let of_sample = |place| &file.noise[place * sampler.len()..][..sampler.len()];
                    places.iter().flat_map(of_sample).copied().collect()
                }
                None => sampler.noise(self.seed, &samples),
            };
            let made = sampler.make(&noise, &labels, &samples, &bar)?;
            passes += made.passes;
            for (place, image) in places.iter().zip(made.to_rgb()) {
                let item = &items[*place];
                if let Some(path) = file(item) {
                    saved.save(&image, path, &notes(&note(item, &words)))?;
                }
                if let Some(array) = &mut array {
                    for kept in &items[array.next()..*place] {
                        array.push(&read(kept)?)?;
                    }
                    array.push(&image)?;
                }
                if *place < limit {
                    shown[*place] = Some(image);
                }
            }
            if self.latents.is_some() {
                noises.extend(noise);
                latents.extend(numbers(made.latents)?);
            }
        }
        bar.finish_and_clear();
        let seconds = start.elapsed().as_secs_f64();
        if let Some(path) = &self.latents {
            let labels: Vec<usize> = items.iter().map(|item| item.class).collect();
            noise_file::write(path, noises, latents, &labels, shape, &words)?;
        }
        if let Some(mut array) = array {
            for kept in &items[array.next()..] {
                array.push(&read(kept)?)?;
            }
            array.finish()?;
        }
        if let Some(sheet) = &sheet {
            let shown = items.iter().zip(shown);
            let images = shown.map(|(item, image)| image.map_or_else(|| read(item), Ok));
            self.write_sheet(&images.collect::<Result<Vec<_>, _>>()?, sheet, &words)?;
        }
        saved.check()?;
        if work.len() < items.len() {
            status!("there already: {}", images(items.len() - work.len()));
        }
        let places = self.out.iter().chain(&self.npz);
        let places: Vec<_> = places.map(|path| path.display().to_string()).collect();
        let mut said = format!("{}: {}", places.join(", "), images(items.len()));
        if !work.is_empty() {
            let (made, rate) = (images(work.len()), work.len() as f64 / seconds);
            status!("sampling: {made} in {seconds:.1} s, {rate:.2} images/s");
            said += &format!(", NFE {}", passes as f64 / work.len() as f64);
        }
        print(&format!("{said}\n"))
    }

    /// The folder of the pictures and the file of the sheet, if there are any.
    fn places(&self) -> (Option<&Path>, Option<PathBuf>) {
        match &self.out {
            None => (None, None),
            Some(out) if out.extension().is_some_and(|ending| ending == "png") => {
                (None, Some(out.clone()))
            }
            // Beside the folder and not in it, where it would be taken for a sample.
            Some(out) => (Some(out), Some(beside(out))),
        }
    }

    /// Whether the machine's memory can hold a batch, the pictures of the sheet and the latents that are kept.
    fn check_memory(
        &self,
        samples: usize,
        shape: [usize; 2],
        image: [usize; 2],
        shown: usize,
    ) -> Result<()> {
        let product = |sides: [usize; 2]| sides.map(|side| side as f64).iter().product::<f64>();
        let at_once = samples.min(self.sampling.batch());
        let kept = if self.latents.is_some() { samples } else { 0 };
        let latents = 8.0 * (at_once + kept) as f64 * product(shape);
        let bytes = latents + 6.0 * shown as f64 * product(image);
        let what = format!("sampling {samples} pictures, {at_once} at once,");
        let problem = svg_store::beyond_memory(&what, bytes);
        problem.map_or(Ok(()), |problem| {
            bail!("{problem}; lower --count or --batch")
        })
    }

    /// The samples that are asked for, in their order.
    fn items(&self, flow: &ClassNames, given: Option<&NoiseFile>) -> Result<Vec<Item>> {
        let classes = self.classes.as_deref();
        let classes = classes.map(|text| Classes::read(text, flow)).transpose()?;
        let count = given.map_or(self.count as usize, |given| given.count);
        let labels = match (classes, given) {
            (Some(Classes::These(classes)), None) => {
                let named = classes.len();
                ensure!(
                    named * count <= MOST,
                    "--count {count} of {named} classes are more than {MOST} samples; make fewer at once"
                );
                let each = |class: usize| (0..count).map(move |index| Item { class, index });
                return Ok(classes.into_iter().flat_map(each).collect());
            }
            (Some(Classes::These(classes)), Some(_)) => match classes[..] {
                [class] => vec![class; count],
                _ if classes.len() == count => classes,
                _ => bail!(
                    "--classes names {} classes, the noise is of {count} samples; name one, or one for each",
                    classes.len()
                ),
            },
            (None, Some(given)) => {
                let labels = given.labels.clone();
                labels.context("--from-noise: the file holds no labels; say --classes")?
            }
            (Some(Classes::Random) | None, _) => {
                let class = |index| drawn(self.seed, index, flow.count);
                (0..count).map(class).collect()
            }
        };
        let item = |(index, class)| Item { class, index };
        Ok(labels.into_iter().enumerate().map(item).collect())
    }

    /// Everything that a picture follows from, but its class and number.
    fn words(&self, sampler: &Sampler) -> Result<String> {
        let seed = format!("seed {}", self.seed);
        let noise = match &self.from_noise {
            None => seed,
            Some(path) => {
                let hash = sha256_file(path).with_context(|| path.display().to_string())?;
                let noise = format!("noise {}", &hash[..8]);
                match self.sampling.draws_noise() {
                    true => format!("{seed}, {noise}"),
                    false => noise,
                }
            }
        };
        Ok(format!("{noise}, {}", sampler.words))
    }

    /// Which pictures are there already, and whole. Those of other settings are nobody's to overwrite.
    fn kept(&self, folder: &Path, items: &[Item], words: &str) -> Result<Vec<bool>> {
        if self.force {
            return Ok(vec![false; items.len()]);
        }
        let bar = image_bar(items.len(), "looking at what is there");
        let kept = |item: &Item| {
            let path = folder.join(item.file());
            let there = path.exists();
            let asked = note(item, words);
            let found = read_note(&path, NOTE);
            if there && found.as_deref() != Some(&asked) {
                bail!(
                    "{} was made in another way ({}) than is asked for ({asked}); name another folder, or say \
                     --force to replace it",
                    path.display(),
                    found.as_deref().unwrap_or("it does not say how")
                );
            }
            bar.inc(1);
            // Latents of kept pictures are not there.
            let wanted = there && self.latents.is_none();
            let whole = wanted && read_image(&path, &DecodeOptions::default()).is_ok();
            if wanted && !whole {
                bar.suspend(|| status!("{} is damaged and is made anew", path.display()));
            }
            Ok(whole)
        };
        let kept = items.par_iter().map(kept).collect();
        bar.finish_and_clear();
        kept
    }

    fn write_sheet(&self, images: &[RgbImage], path: &Path, words: &str) -> Result<()> {
        // A row for each class, if there are few samples of one.
        let columns = match self.count {
            2..=12 => self.count as usize,
            _ => 8,
        };
        Ok(save_png(&grid(images, columns, 2), path, &notes(words))?)
    }
}

fn images(count: usize) -> String {
    match count {
        1 => "1 image".to_string(),
        _ => format!("{count} images"),
    }
}

fn note(item: &Item, words: &str) -> String {
    format!("class {}, sample {}, {words}", item.class, item.index)
}

/// The notes of a picture that was made here.
pub fn notes(parameters: &str) -> [(&str, &str); 2] {
    [
        ("Software", concat!("svg ", env!("CARGO_PKG_VERSION"))),
        (NOTE, parameters),
    ]
}
