//! Pictures of a run, from any place of their order.

use std::sync::Arc;

use svg_image::{ImageSet, Loader, RgbImage};

use super::batches::{Batches, Broken, PictureBatch};
use super::error::DataError;
use super::recipe::Recipe;
use super::stream::{Batch, Stream};

/// The pictures of a set at these places, cut as for evaluation. Broken ones are left out; if all are, what is
/// wrong with the last is the error.
pub(crate) fn evaluated(
    set: &Arc<ImageSet>,
    places: Vec<usize>,
    recipe: &Recipe,
) -> Result<PictureBatch, DataError> {
    let recipe = recipe.clone();
    let prepare = move |image: RgbImage| recipe.evaluate(&image);
    let loader = Loader::in_order(set.clone(), places, prepare, 0);
    Batches::new(loader, 1, Broken::Skip).all()
}

/// Batches of a set from any place of any of its orders. Going on where the last batch ended is cheap;
/// another place costs a new start of threads.
#[derive(Debug)]
pub(crate) struct Pictures {
    set: Arc<ImageSet>,
    recipe: Recipe,
    workers: usize,
    /// What is being decoded: seed, size of batches and cursor.
    stream: Option<([u64; 3], Stream)>,
    /// Whether it was reported that pictures are smaller than the crop.
    smaller_reported: bool,
}

impl Pictures {
    pub fn new(set: Arc<ImageSet>, recipe: Recipe, workers: usize) -> Self {
        Self {
            set,
            recipe,
            workers,
            stream: None,
            smaller_reported: false,
        }
    }

    /// The batch of `size` pictures at `cursor` in the order of `seed`, and remarks for people; what is
    /// wrong with pictures is remarked once.
    pub fn batch(
        &mut self,
        seed: u64,
        cursor: u64,
        size: usize,
    ) -> Result<(Batch, Vec<String>), DataError> {
        let place = |cursor| [seed, size as u64, cursor];
        let mut stream = match self.stream.take() {
            Some((at, stream)) if at == place(cursor) => stream,
            _ => {
                let (set, recipe) = (self.set.clone(), self.recipe.clone());
                Stream::new(set, recipe, seed, cursor, size, self.workers)
            }
        };
        let batch = stream.next_batch()?;
        self.stream = Some((place(batch.cursor_after), stream));
        let skipped = batch.errors.iter().map(|error| format!("skipped: {error}"));
        let mut remarks: Vec<_> = skipped.collect();
        if batch.enlarged > 0 && !self.smaller_reported {
            self.smaller_reported = true;
            remarks.push(self.recipe.enlarging());
        }
        Ok((batch, remarks))
    }
}
