//! Batches of pictures, decoded ahead.

use std::collections::HashSet;
use std::sync::Arc;

use burn::prelude::*;
use svg_image::{ImageError, ImageSet, Loader, RgbImage};

use super::batches::{Batches, Broken, Judge, to_tensor};
use super::error::DataError;
use super::order::Order;
use super::recipe::Recipe;

/// Pictures for one step of training.
#[derive(Debug)]
pub struct Batch {
    /// The squares, all of the recipe's size.
    pub images: Vec<RgbImage>,
    /// Their numbers in the set.
    pub indices: Vec<usize>,
    /// Where the stream stands after this batch: what a checkpoint holds.
    pub cursor_after: u64,
    /// Broken pictures that were passed over for the next ones.
    pub skipped: u64,
    /// What was wrong with them, each picture once in the life of a stream.
    pub errors: Vec<ImageError>,
    /// Pictures that were smaller than the crop and have been enlarged.
    pub enlarged: u64,
}

impl Batch {
    /// The pictures as networks take them, `[batch, 3, size, size]` in [-1, 1].
    pub fn to_tensor(&self, device: &Device) -> Tensor<4> {
        to_tensor(&self.images, device)
    }
}

/// Endless batches from a set of pictures, shuffled anew for each epoch and cut by a [`Recipe`].
///
/// Every batch is full: it may end one epoch and begin the next. A broken picture is passed over
/// for the next in the order. Both are functions of the cursor, so a stream that starts at
/// [`Batch::cursor_after`] gives what this one would have given, whatever the number of workers.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let picture = svg_image::RgbImage::new(40, 30);
/// # svg_image::save_png(&picture, folder.path().join("picture.png"), &[]).unwrap();
/// # let folder = folder.path().to_path_buf();
/// use std::sync::Arc;
/// use svg_image::ImageSet;
/// use svg_train::data::{Recipe, Stream};
///
/// let set = Arc::new(ImageSet::open(&[folder])?);
/// let recipe = Recipe { size: 16, ..Recipe::default() };
/// let mut stream = Stream::new(set, recipe, 1, 0, 4, 2);
/// let batch = stream.next_batch()?;
/// assert_eq!(batch.to_tensor(&Default::default()).dims(), [4, 3, 16, 16]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Stream {
    batches: Batches,
    cursor: u64,
    /// Pictures that could not be read and have been reported.
    reported: HashSet<usize>,
}

impl Stream {
    /// Batches of `batch` pictures from place `cursor` of the order of `seed`.
    ///
    /// `workers` is the number of threads that decode; 0 means as many as the machine runs at once.
    ///
    /// # Panics
    ///
    /// If the set is empty, or `batch` or the recipe's size is 0.
    pub fn new(
        set: Arc<ImageSet>,
        recipe: Recipe,
        seed: u64,
        cursor: u64,
        batch: usize,
        workers: usize,
    ) -> Self {
        assert!(recipe.size > 0, "a crop needs a size of at least one pixel");
        let order = Order::at(seed, set.len(), cursor);
        let jobs = order.map(|draw| (draw.index as usize, draw));
        let cut = recipe.clone();
        let prepare = move |image, draw| cut.prepare(image, draw);
        let loader = Loader::augmented(set, jobs, prepare, workers);
        let broken = Broken::Judge(Judge::by_hundreds());
        Self {
            batches: Batches::new(loader, batch, broken).with_recipe(recipe),
            cursor,
            reported: HashSet::new(),
        }
    }

    /// The next batch, after waiting for it if need be.
    ///
    /// # Errors
    ///
    /// If more than half of a hundred pictures in a row are broken, counted from the stream's
    /// start, or if a picture is smaller than the crop and the recipe refuses such.
    pub fn next_batch(&mut self) -> Result<Batch, DataError> {
        let batch = self.batches.next().expect("the order has no end")?;
        self.cursor += batch.tried() as u64;
        let skipped = batch.broken.len() as u64;
        let new = batch.broken.into_iter();
        let new = new.filter(|(index, _)| self.reported.insert(*index));
        Ok(Batch {
            errors: new.map(|(_, error)| error).collect(),
            images: batch.images,
            indices: batch.indices,
            cursor_after: self.cursor,
            skipped,
            enlarged: batch.enlarged,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{CropRule, Smaller};

    /// Pictures of 8 x 6 pixels whose level tells their number; those in `broken` are cut off.
    fn set(count: u8, broken: &[u8]) -> (tempfile::TempDir, Arc<ImageSet>) {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..count {
            let mut bytes = b"P6 8 6 255\n".to_vec();
            bytes.extend((0..8 * 6 * 3_u16).map(|at| number.wrapping_add(at as u8)));
            if broken.contains(&number) {
                bytes.pop();
            }
            std::fs::write(folder.path().join(format!("{number:03}.ppm")), bytes).unwrap();
        }
        let set = ImageSet::open(&[folder.path().into()]).unwrap();
        (folder, Arc::new(set))
    }

    fn recipe() -> Recipe {
        Recipe {
            rule: CropRule::Reference,
            size: 4,
            ..Recipe::default()
        }
    }

    #[test]
    fn a_stream_from_a_cursor_goes_on_exactly() {
        let (_folder, set) = set(11, &[3, 7]);
        let stream = |cursor, workers| Stream::new(set.clone(), recipe(), 9, cursor, 4, workers);
        let mut whole = stream(0, 3);
        let batches: Vec<_> = (0..12).map(|_| whole.next_batch().unwrap()).collect();
        for start in 1..6 {
            let mut resumed = stream(batches[start - 1].cursor_after, start);
            for batch in &batches[start..] {
                let again = resumed.next_batch().unwrap();
                assert_eq!(again.images, batch.images);
                assert_eq!(again.indices, batch.indices);
                assert_eq!(again.cursor_after, batch.cursor_after);
                assert_eq!(again.skipped, batch.skipped);
            }
        }
    }

    #[test]
    fn batches_follow_the_order_across_epochs_without_the_broken_pictures() {
        let (_folder, set) = set(5, &[2]);
        let mut stream = Stream::new(set, recipe(), 4, 0, 3, 2);
        let batches: Vec<_> = (0..8).map(|_| stream.next_batch().unwrap()).collect();
        let indices: Vec<_> = batches
            .iter()
            .flat_map(|batch| batch.indices.clone())
            .collect();
        let order: Vec<_> = Order::at(4, 5, 0)
            .map(|draw| draw.index as usize)
            .filter(|&index| index != 2)
            .take(24)
            .collect();
        assert_eq!(indices, order);

        let skipped: u64 = batches.iter().map(|batch| batch.skipped).sum();
        assert_eq!(batches[7].cursor_after, 24 + skipped);
        assert!(skipped >= 5, "{skipped}");
        let errors: Vec<_> = batches.iter().flat_map(|batch| &batch.errors).collect();
        assert_eq!(errors.len(), 1, "a broken picture is named once");
        assert!(errors[0].to_string().contains("002.ppm"));
    }

    #[test]
    fn a_picture_is_cut_otherwise_in_another_epoch() {
        let (_folder, set) = set(1, &[]);
        let mut stream = Stream::new(set, recipe(), 1, 0, 20, 1);
        let images = stream.next_batch().unwrap().images;
        assert!(images.iter().any(|image| image != &images[0]));
    }

    #[test]
    fn data_that_are_mostly_broken_end_the_run() {
        let (_folder, set) = set(4, &[0, 1, 3]);
        let mut stream = Stream::new(set, recipe(), 1, 0, 30, 2);
        let message = loop {
            if let Err(error) = stream.next_batch() {
                break error.to_string();
            }
        };
        assert!(message.contains("51 of "), "{message}");
        assert!(message.contains(".ppm"), "{message}");
    }

    #[test]
    fn small_pictures_are_counted_or_refused_by_name() {
        let (_folder, set) = set(3, &[]);
        let small = Recipe {
            size: 7,
            ..recipe()
        };
        let mut stream = Stream::new(set.clone(), small.clone(), 1, 0, 4, 1);
        assert_eq!(stream.next_batch().unwrap().enlarged, 4);

        let strict = Recipe {
            smaller: Smaller::Refuse,
            ..small
        };
        let error = Stream::new(set, strict, 1, 0, 4, 1)
            .next_batch()
            .unwrap_err();
        let message = error.to_string();
        assert!(message.contains(".ppm has 8 x 6 pixels"), "{message}");
        assert!(message.contains("crop of 7 x 7"), "{message}");
    }

    #[test]
    fn a_batch_is_a_tensor_between_black_and_white() {
        let (_folder, set) = set(2, &[]);
        let batch = Stream::new(set, recipe(), 1, 0, 2, 1).next_batch().unwrap();
        let tensor = batch.to_tensor(&Device::default());
        assert_eq!(tensor.dims(), [2, 3, 4, 4]);
        let values: Vec<f32> = tensor.to_data().try_to_vec().unwrap();
        let level = f32::from(batch.images[0].get_pixel(0, 0).0[0]);
        assert!((values[0] - (level / 127.5 - 1.0)).abs() < 1e-6);
    }
}
