//! Images to features: of picture files, of models, and of reconstructions.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Result, ensure};
use burn::prelude::*;
use svg_eval::{psnr, ssim};
use svg_image::{ImageSet, Loader, RgbImage};
use svg_roles::{Draw, Images, LatentSpace, Signed};
use svg_store::Sha256;
use svg_train::autoencoder::spread;
use svg_train::data::{Batches, Broken};

use crate::commands::checks::check_finite;
use crate::commands::classes::drawn;
use crate::commands::generate::{Sampler, number};
use crate::commands::reconstruct::SSIM_SIDE;
use crate::evaluation::judge::Judge;
use crate::evaluation::protocol::{Protocol, Rounding};
use crate::evaluation::side::{Part, Side};
use crate::progress::{image_bar, status};

/// Pictures of one side.
pub struct Pictures {
    pub set: Arc<ImageSet>,
    /// Which of them, in order.
    pub order: Vec<usize>,
    pub source: String,
    /// Name and size of the first that was read, with which the others are compared.
    first: OnceCell<(String, (u32, u32))>,
}

impl Pictures {
    /// So many pictures of a set, evenly spread.
    pub fn of(set: Arc<ImageSet>, limit: Option<usize>, source: String) -> Self {
        let order = spread(set.len(), limit.unwrap_or(set.len()));
        let first = OnceCell::new();
        Self {
            set,
            order,
            source,
            first,
        }
    }

    /// Refuses a picture whose size is not that of the first, for protocols that know one size.
    fn check_size(&self, image: &RgbImage, name: &str, protocol: &Protocol) -> Result<()> {
        let (width, height) = image.dimensions();
        let first = || (name.to_string(), (width, height));
        let (first, size) = self.first.get_or_init(first);
        ensure!(
            *size == (width, height),
            "{first} has {} x {} pixels and {name} has {width} x {height}: --protocol {protocol} is for pictures of \
             one size; crop them to one, or use --protocol clean-fid, which resizes each",
            size.0,
            size.1
        );
        Ok(())
    }
}

/// A network and the rules by which it is used.
pub struct Gatherer<'a> {
    pub judge: &'a Judge,
    pub protocol: &'a Protocol,
    pub device: &'a Device,
    /// Images at once.
    pub batch: usize,
}

impl Gatherer<'_> {
    /// Features of pictures `range` of the order. A picture that cannot be read is an error: figures of fewer pictures
    /// are other figures.
    pub fn pictures(&self, pictures: &Pictures, range: Range<usize>, what: &str) -> Result<Part> {
        let mut part = Part::default();
        let mut hash = Sha256::new();
        self.for_each_batch(pictures, range, what, |images, names| {
            for image in &images {
                update(&mut hash, image);
            }
            if !self.judge.any_size {
                let both = images.iter().zip(&names);
                both.clone().try_for_each(|(image, name)| {
                    pictures.check_size(image, name, self.protocol)
                })?;
            }
            for same in of_one_size(&images) {
                let tensor = Images::<Signed>::from_rgb(&images[same], self.device).into_tensor();
                part.push(self.judge.rows(tensor, self.protocol)?);
            }
            Ok(())
        })?;
        part.data = hash.finish();
        Ok(part)
    }

    /// Features of pictures `range` after a model has encoded and decoded them, their mean PSNR, and SSIM where they
    /// are large enough, each as one number for a picture.
    pub fn reconstructions(
        &self,
        pictures: &Pictures,
        range: Range<usize>,
        space: &dyn LatentSpace,
        rounding: Rounding,
        what: &str,
    ) -> Result<(Side, Vec<f64>, Vec<f64>)> {
        let mut part = Part::default();
        let (mut psnrs, mut ssims) = (Vec::new(), Vec::new());
        self.for_each_batch(pictures, range, what, |images, _| {
            let originals = Images::<Signed>::from_rgb(&images, self.device).into_tensor();
            let [_, _, height, width] = originals.dims();
            let features = space.encode(originals.clone(), Draw::Mode);
            let decoded = space.decode(features, space.geometry().grid_of([height, width]));
            check_finite(&decoded, "the reconstructed images")?;
            let decoded = decoded.clamp(-1.0, 1.0);
            if height.min(width) >= SSIM_SIDE as usize {
                ssims.extend(ssim(decoded.clone(), originals));
            }
            let rounded = rounding.apply(decoded);
            let saved = Images::<Signed>::from_tensor(rounded.clone()).to_rgb();
            psnrs.extend(
                saved
                    .iter()
                    .zip(&images)
                    .map(|(image, original)| psnr(image, original)),
            );
            part.push(self.judge.rows(rounded, self.protocol)?);
            Ok(())
        })?;
        let mut side = self.side(&format!("reconstructions of {}", pictures.source));
        side.add(part)?;
        Ok((side, psnrs, ssims))
    }

    /// Features of samples `range` that a model makes.
    pub fn samples(
        &self,
        sampler: &Sampler,
        labels: Labels,
        range: Range<usize>,
        rounding: Rounding,
        what: &str,
    ) -> Result<Part> {
        let mut part = Part::default();
        let bar = sampler.bar(range.len());
        bar.set_message(what.to_string());
        let all: Vec<usize> = range.collect();
        for some in all.chunks(self.batch) {
            let made = sampler.make_of(labels.seed, &labels.of(some), &bar)?;
            let images = rounding.apply(made.images);
            part.push(self.judge.rows(images, self.protocol)?);
        }
        bar.finish_and_clear();
        Ok(part)
    }

    /// An empty side.
    pub fn side(&self, source: &str) -> Side {
        Side {
            of: self.judge.features.clone(),
            source: source.to_string(),
            ..Side::default()
        }
    }

    fn for_each_batch(
        &self,
        pictures: &Pictures,
        range: Range<usize>,
        what: &str,
        mut work: impl FnMut(Vec<RgbImage>, Vec<String>) -> Result<()>,
    ) -> Result<()> {
        let order = pictures.order[range].to_vec();
        let bar = image_bar(order.len(), what);
        let loader = Loader::in_order(pictures.set.clone(), order, self.judge.prepare(), 0);
        for batch in Batches::new(loader, self.batch, Broken::Strict) {
            let batch = batch?;
            let tried = batch.tried() as u64;
            work(batch.images, batch.names)?;
            bar.inc(tried);
        }
        bar.finish_and_clear();
        let seconds = bar.elapsed().as_secs_f64();
        let rate = bar.position() as f64 / seconds;
        if seconds > 2.0 {
            status!(
                "{what}: {} images in {seconds:.1} s, {rate:.1} images/s",
                bar.position()
            );
        }
        Ok(())
    }
}

/// Which classes samples are of, and by which numbers they draw their noise.
#[derive(Clone, Copy)]
pub struct Labels {
    /// Classes that the model knows.
    pub classes: usize,
    /// Whether they are drawn, and not in turns.
    pub random: bool,
    pub seed: u64,
}

impl Labels {
    /// Class and number within it of each of these samples. They are those of `svg sample --classes all`, or of
    /// `--classes random`, with the same seed.
    pub fn of(&self, samples: &[usize]) -> Vec<(usize, u64)> {
        let one = |&sample: &usize| match self.random {
            true => {
                let class = drawn(self.seed, sample, self.classes);
                (class, number(class, sample))
            }
            false => {
                let class = sample % self.classes;
                (class, number(class, sample / self.classes))
            }
        };
        samples.iter().map(one).collect()
    }
}

impl Rounding {
    /// What a protocol's tool makes of a model's images, `[batch, 3, height, width]` about in [-1, 1]: the same range,
    /// with what rounding has changed.
    pub fn apply(self, images: Tensor<4>) -> Tensor<4> {
        let pixels = match self {
            Self::Round => (images * 127.5 + 128.0).floor(),
            Self::Truncate => ((images + 1.0) * 127.5).floor(),
            Self::Float => images * 127.5 + 128.0,
        };
        pixels.clamp(0.0, 255.0) / 127.5 - 1.0
    }
}

/// Adds a picture's size and pixels to a hash.
fn update(hash: &mut Sha256, image: &RgbImage) {
    hash.update(image.width().to_le_bytes());
    hash.update(image.height().to_le_bytes());
    hash.update(image.as_raw());
}

/// Runs of pictures of one size.
fn of_one_size(images: &[RgbImage]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, image) in images.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if images[run.start].dimensions() == image.dimensions() => run.end = at + 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_that_of_each_repository() {
        let device = Device::default();
        let values = [-1.2, -1.0, 0.0, 0.003, 0.999, 1.0, 1.3_f32];
        let images = Tensor::<1>::from_floats(values, &device).reshape([1, 1, 1, 7]);
        let pixels = |rounding: Rounding| -> Vec<f32> {
            let pixels = (rounding.apply(images.clone()) + 1.0) * 127.5;
            pixels.into_data().iter::<f32>().collect()
        };
        let near = |found: Vec<f32>, expected: [f32; 7]| {
            let both = found.iter().zip(expected);
            assert!(both.clone().all(|(a, b)| (a - b).abs() < 1e-3), "{found:?}");
        };
        near(
            pixels(Rounding::Round),
            [0.0, 0.0, 128.0, 128.0, 255.0, 255.0, 255.0],
        );
        near(
            pixels(Rounding::Truncate),
            [0.0, 0.0, 127.0, 127.0, 254.0, 255.0, 255.0],
        );
        near(
            pixels(Rounding::Float),
            [0.0, 0.5, 128.0, 128.3825, 255.0, 255.0, 255.0],
        );
    }

    #[test]
    fn labels_in_turns_are_the_samples_of_all_classes() {
        let labels = Labels {
            classes: 3,
            random: false,
            seed: 5,
        };
        let of: Vec<_> = labels.of(&[0, 1, 2, 3, 7]);
        let expected = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 2)].map(|(c, i)| (c, number(c, i)));
        assert_eq!(of, expected);
        let random = Labels {
            random: true,
            ..labels
        };
        assert_eq!(random.of(&[4])[0].0, drawn(5, 4, 3));
    }

    #[test]
    fn a_picture_of_another_size_is_refused_whichever_batch_it_is_in() {
        let pictures = Pictures::of(Arc::new(ImageSet::default()), None, String::new());
        let protocol = "adm".parse().unwrap();
        let check =
            |name: &str, width: u32| pictures.check_size(&RgbImage::new(width, 4), name, &protocol);
        check("a.png", 4).unwrap();
        check("b.png", 4).unwrap();
        let error = check("c.png", 5).unwrap_err().to_string();
        assert!(
            error.starts_with("a.png has 4 x 4 pixels and c.png has 5 x 4"),
            "{error}"
        );
    }

    #[test]
    fn pictures_of_one_size_go_through_the_network_together() {
        let sizes = [(4, 4), (4, 4), (4, 5), (4, 4)];
        let images = sizes.map(|(width, height)| RgbImage::new(width, height));
        assert_eq!(of_one_size(&images), [0..2, 2..3, 3..4]);
    }
}
