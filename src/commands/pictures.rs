//! Options of the commands that read pictures, and the loop over them.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use burn::prelude::*;
use clap::Args;
use svg_image::{ClassError, DecodeOptions, ImageSet, Loader, Orientation, RgbImage, adm_crop};
use svg_roles::Geometry;
use svg_train::autoencoder::spread;
use svg_train::data::{Batches, Broken, PictureBatch};

use crate::commands::checks::{check_batch, check_size};
use crate::interrupt::Interrupt;
use crate::progress::{image_bar, status};
use crate::ranges::{PIXELS, SOME, within};

/// How pictures are read.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadingOptions {
    /// Which way up pictures are: stored, as Pillow opens them, or exif, as viewers show them
    ///
    /// Pillow turns TIFFs by their orientation and leaves JPEG, PNG and WebP as they are stored; published
    /// weights and statistics were made so. With exif all are turned, as by Pillow's exif_transpose.
    #[arg(long, value_name = "stored|exif", default_value_t)]
    pub orientation: Orientation,
    /// Largest picture that is decoded, in pixels, where it is not the usual one
    #[arg(skip)]
    pub max_pixels: Option<u64>,
}

impl ReadingOptions {
    /// The pictures of these paths, to be read so. Says what lies among them and is not read.
    pub fn open_set(&self, paths: &[PathBuf]) -> Result<Arc<ImageSet>> {
        let usual = DecodeOptions::default().max_pixels;
        let options = DecodeOptions {
            orientation: self.orientation,
            max_pixels: self.max_pixels.unwrap_or(usual),
        };
        let set = ImageSet::open(paths)?.with_options(options);
        for note in set.notes() {
            status!("note: {note}");
        }
        Ok(Arc::new(set))
    }

    /// The same for pictures that are trained on without classes. Parts of a data set are not merged, so that
    /// nobody trains on what is to be tested with.
    pub fn open_training_set(&self, paths: &[PathBuf]) -> Result<Arc<ImageSet>> {
        let set = self.open_set(paths)?;
        match set.classes() {
            Err(splits @ ClassError::Splits { .. }) => Err(splits.into()),
            _ => Ok(set),
        }
    }

    /// The same for pictures whose classes are asked for.
    pub fn open_classes(&self, paths: &[PathBuf]) -> Result<Arc<ImageSet>> {
        let set = self.open_set(paths)?;
        for note in set.class_notes() {
            status!("note: {note}");
        }
        Ok(set)
    }

    /// Where pictures are and how they are read, for people.
    pub fn names(&self, paths: &[PathBuf]) -> String {
        let names = paths.iter().map(|path| path.display().to_string());
        let names = names.collect::<Vec<_>>().join(", ");
        match self.orientation {
            Orientation::AsStored => names,
            Orientation::Exif => format!("{names}, turned by their EXIF orientation"),
        }
    }
}

/// Which pictures, how large, and how many at once.
#[derive(Args, Clone, Debug, Default)]
pub struct PictureOptions {
    /// Pictures: files, folders, archives (tar, zip), lists (text, CSV, JSON lines)
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub images: Vec<PathBuf>,
    /// Side of the square crop in pixels [default: the size that the model was made for]
    #[arg(long, value_name = "PIXELS", value_parser = within(PIXELS))]
    pub size: Option<u32>,
    /// Pictures that go through the networks at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub batch: u16,
    /// Take only so many, evenly spread over all
    #[arg(long, value_name = "N", value_parser = within(SOME))]
    pub limit: Option<usize>,
    /// Stop at the first picture that cannot be read, or at links that lead to nothing, instead of skipping them
    #[arg(long)]
    pub strict: bool,
    #[command(flatten)]
    pub reading: ReadingOptions,
    /// What ends the loop before a batch, if there is more to end than this program
    #[arg(skip)]
    pub interrupt: Option<Interrupt>,
    /// So many pictures of the order are not taken, because an earlier start has done them
    #[arg(skip)]
    pub done: usize,
}

impl PictureOptions {
    /// The side of the crops for a model: as asked for, or what the model was made for.
    pub fn size_for(&self, geometry: Geometry) -> Result<u32> {
        let size = self.size.unwrap_or(geometry.image[0] as u32);
        check_size(size, geometry.patch()[0])?;
        Ok(size)
    }

    /// The numbers of the pictures that are taken of a set, in order.
    pub fn order(&self, len: usize) -> Vec<usize> {
        spread(len, self.limit.unwrap_or(len))
    }

    /// Calls `work` for each batch of crops, in order, with a progress bar. Returns how many pictures
    /// there were.
    ///
    /// `work` is given the crops and the same as networks take them, `[batch, 3, size, size]` in [-1, 1].
    pub fn for_each_batch(
        &self,
        size: u32,
        what: &str,
        device: &Device,
        work: impl FnMut(PictureBatch, Tensor<4>) -> Result<()>,
    ) -> Result<usize> {
        let set = self.reading.open_set(&self.images)?;
        self.for_each_batch_of(set, size, what, device, work)
    }

    /// As [`for_each_batch`](Self::for_each_batch), of pictures that were found before.
    pub fn for_each_batch_of(
        &self,
        set: Arc<ImageSet>,
        size: u32,
        what: &str,
        device: &Device,
        mut work: impl FnMut(PictureBatch, Tensor<4>) -> Result<()>,
    ) -> Result<usize> {
        let dead = set.dangling();
        ensure!(
            !self.strict || dead == 0,
            "links among the pictures lead to nothing, {dead} in all; remove them, or leave out --strict to pass \
             them over"
        );
        let mut order = self.order(set.len());
        let total = order.len();
        check_batch(total.min(self.batch.into()), size, device)?;
        let order = order.split_off(self.done);
        let bar = image_bar(total, what).with_position(self.done as u64);
        bar.reset_eta();
        let crop = move |image: RgbImage| adm_crop(&image, size);
        let loader = Loader::in_order(set, order, crop, 0);
        let broken = match self.strict {
            true => Broken::Strict,
            false => Broken::Skip,
        };
        let (mut done, mut skipped) = (0, 0);
        for batch in Batches::new(loader, self.batch.into(), broken) {
            let batch = batch?;
            if let Some(interrupt) = self.interrupt {
                interrupt.check()?;
            }
            for (_, error) in &batch.broken {
                bar.suspend(|| status!("skipped: {error}"));
            }
            done += batch.images.len();
            skipped += batch.broken.len();
            let tried = batch.tried() as u64;
            if !batch.images.is_empty() {
                let images = batch.to_tensor(device);
                work(batch, images)?;
            }
            bar.inc(tried);
        }
        bar.finish_and_clear();
        if done == 0 && self.done == 0 {
            bail!("none of the {total} pictures could be read");
        }
        let seconds = bar.elapsed().as_secs_f64();
        let rate = done as f64 / seconds;
        status!("{what}: {done} images in {seconds:.1} s, {rate:.1} images/s");
        if skipped > 0 {
            status!("warning: skipped {skipped} of {total} images; --strict stops instead");
        }
        Ok(done)
    }
}
