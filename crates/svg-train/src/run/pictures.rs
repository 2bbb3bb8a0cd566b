//! The pictures of a run, in the order of their cursor.

use std::sync::Arc;

use svg_image::ImageSet;

use crate::TrainError;
use crate::data::{Batch, Recipe, Stream};
use crate::run::Observer;

/// Batches of a set from any place of its order. What goes on where the last batch ended is cheap; another place
/// costs a new start of threads.
pub(crate) struct Pictures {
    set: Arc<ImageSet>,
    recipe: Recipe,
    seed: u64,
    batch: usize,
    workers: usize,
    /// Where the order is being decoded, and the place it has come to.
    stream: Option<(u64, Stream)>,
    /// Whether it was said that pictures are smaller than the crop.
    smaller_said: bool,
}

impl Pictures {
    pub fn new(
        set: Arc<ImageSet>,
        recipe: Recipe,
        seed: u64,
        batch: usize,
        workers: usize,
    ) -> Self {
        Self {
            set,
            recipe,
            seed,
            batch,
            workers,
            stream: None,
            smaller_said: false,
        }
    }

    /// The batch at `cursor`. What is wrong with pictures is remarked once.
    pub fn batch(&mut self, cursor: u64, observer: &mut dyn Observer) -> Result<Batch, TrainError> {
        let mut stream = match self.stream.take() {
            Some((place, stream)) if place == cursor => stream,
            _ => self.start(cursor),
        };
        let batch = stream.next_batch()?;
        self.stream = Some((batch.cursor_after, stream));
        for error in &batch.errors {
            observer.remark(&format!("skipped: {error}"));
        }
        if batch.enlarged > 0 && !self.smaller_said {
            self.smaller_said = true;
            observer.remark(&self.recipe.enlarging());
        }
        Ok(batch)
    }

    fn start(&self, cursor: u64) -> Stream {
        let (set, recipe) = (self.set.clone(), self.recipe.clone());
        Stream::new(set, recipe, self.seed, cursor, self.batch, self.workers)
    }
}
