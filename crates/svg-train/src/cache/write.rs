//! Making a cache.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use burn::prelude::*;
use svg_image::{ImageSet, Loader, RgbImage};
use svg_model::FileEntry;
use svg_roles::{Draw, LatentSpace};
use svg_store::{FolderLock, remove_unfinished, sha256_file};

use super::error::CacheError;
use super::index::{CacheIndex, FORMAT, ShardEntry, shard_path};
use super::number::CacheType;
use super::plan::CachePlan;
use super::shard::{Contents, Shard, Unfit};
use super::variants::Variants;
use crate::TrainError;
use crate::data::{Batches, Broken, Classes, Judge, PictureBatch, to_tensor};

/// What a cache is made of.
pub struct CacheInputs<'a> {
    /// The folder; complete shards in it are kept.
    pub out: &'a Path,
    /// What it is to hold.
    pub plan: &'a CachePlan,
    /// The pictures of the plan.
    pub data: Arc<ImageSet>,
    /// The space of the plan's features, not normalised. The features of a picture must not
    /// [depend on its batch](LatentSpace::depends_on_batch).
    pub space: &'a dyn LatentSpace,
    /// Squares that are encoded at once, at least.
    pub batch: usize,
    /// Threads that decode; 0 for as many as the machine runs at once.
    pub workers: usize,
}

/// What happens while a cache is made.
#[derive(Debug)]
pub enum CacheEvent {
    /// So many pictures were there already.
    Kept(usize),
    /// So many pictures are encoded or found to be broken.
    Done(usize),
    /// A message for the user.
    Remark(String),
}

/// Encodes every picture and writes the cache. `None` if `watch` broke off; complete shards are kept then, and
/// the next call goes on with them.
///
/// A finished cache is checked: shards whose hash differs are written again.
///
/// # Errors
///
/// [`CacheError`] if the folder holds another cache or cannot be written, and
/// [`DataError`](crate::data::DataError) if most pictures are broken.
///
/// # Panics
///
/// If the features are not of the plan's grid, and as the space.
pub fn write_cache(
    inputs: CacheInputs<'_>,
    device: &Device,
    watch: &mut dyn FnMut(CacheEvent) -> ControlFlow<()>,
) -> Result<Option<CacheIndex>, TrainError> {
    let (out, plan) = (inputs.out, inputs.plan);
    let labels = Classes::of(&inputs.data)?.labels;
    std::fs::create_dir_all(out).map_err(CacheError::system(out))?;
    let _lock = FolderLock::acquire(out, "writes")?;
    remove_unfinished(out).map_err(CacheError::system(out))?;
    let finished = match CacheIndex::read(out) {
        Ok(index) => Some(index),
        Err(CacheError::NotACache { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(index) = &finished
        && let Some(difference) = index.plan.difference(plan)
    {
        return Err(other(out, difference).into());
    }
    let mut writer = Writer {
        inputs,
        labels,
        device,
        watch,
        broken: Broken::Judge(Judge::new()),
        told: false,
    };
    let mut shards = Vec::with_capacity(plan.shards());
    for number in 0..plan.shards() {
        let known = finished.as_ref().map(|index| &index.shards[number]);
        let entry = match writer.kept(number, known)? {
            Some(entry) => {
                let event = CacheEvent::Kept(plan.range(number).len());
                (writer.watch)(event).is_continue().then_some(entry)
            }
            None => writer.made(number)?,
        };
        match entry {
            Some(entry) => shards.push(entry),
            None => return Ok(None),
        }
    }
    let index = CacheIndex {
        format: FORMAT,
        plan: plan.clone(),
        shards,
    };
    if index.pictures() == 0 {
        let path = out.to_path_buf();
        return Err(CacheError::Empty { path }.into());
    }
    index.write(out)?;
    still_there(out, &index)?;
    Ok(Some(index))
}

/// An error if somebody has removed shards of a cache while others were made.
fn still_there(out: &Path, index: &CacheIndex) -> Result<(), CacheError> {
    for (number, entry) in index.shards.iter().enumerate() {
        let path = shard_path(out, number);
        let found = std::fs::metadata(&path).map(|found| found.len());
        if found.ok() != Some(entry.file.bytes) {
            let reason = "it was removed or changed while the cache was made".to_string();
            return Err(CacheError::Shard { path, reason });
        }
    }
    Ok(())
}

struct Writer<'a, 'w> {
    inputs: CacheInputs<'a>,
    labels: Vec<usize>,
    device: &'a Device,
    watch: &'w mut dyn FnMut(CacheEvent) -> ControlFlow<()>,
    /// What was broken in all shards so far.
    broken: Broken,
    /// Whether it was reported that pictures are smaller than the crop.
    told: bool,
}

impl Writer<'_, '_> {
    /// The shard that is there, if it is whole.
    fn kept(
        &mut self,
        number: usize,
        known: Option<&ShardEntry>,
    ) -> Result<Option<ShardEntry>, CacheError> {
        let (out, plan) = (self.inputs.out, self.inputs.plan);
        let path = shard_path(out, number);
        let shard = match Shard::open(&path, plan, number) {
            Ok(shard) => shard,
            Err(Unfit::Missing) => return Ok(None),
            Err(Unfit::Other(difference)) => return Err(other(out, difference)),
            Err(Unfit::Damaged(reason)) => {
                self.remark(format!("{}: {reason}; it is made anew", path.display()));
                return Ok(None);
            }
        };
        let damage = match shard.is_checked() {
            true => shard.check(plan).err(),
            false => Some("it is of an earlier version, without checksums".to_string()),
        };
        let entry = entry(&path, &shard)?;
        let changed = known.is_some_and(|known| *known != entry);
        let damage = damage.or(changed.then(|| "it is not what was written".to_string()));
        match damage {
            None => Ok(Some(entry)),
            Some(reason) => {
                self.remark(format!("{}: {reason}; it is made anew", path.display()));
                Ok(None)
            }
        }
    }

    /// The shard, encoded; `None` if the watcher broke off.
    fn made(&mut self, number: usize) -> Result<Option<ShardEntry>, TrainError> {
        let plan = self.inputs.plan;
        let (size, variants) = (plan.size, plan.variants);
        let jobs = plan.range(number).map(|index| (index, index as u64));
        let prepare = move |image, index| variants.strip(image, size, index);
        let (data, workers) = (self.inputs.data.clone(), self.inputs.workers);
        let loader = Loader::augmented(data, jobs, prepare, workers);
        let size = self.inputs.batch.div_ceil(plan.variants.count()).max(1);
        let batches = Batches::new(loader, size, self.broken);
        let mut batches = batches.with_recipe(plan.variants.recipe(plan.size));
        let mut contents = Contents::default();
        let mut last = 0;
        for batch in batches.by_ref() {
            let batch = batch?;
            self.report(&batch);
            let tried = batch.tried();
            let is_full = batch.images.len() == size;
            self.encode(batch, &mut contents)?;
            match is_full {
                true if (self.watch)(CacheEvent::Done(tried)).is_break() => return Ok(None),
                true => {}
                false => last = tried,
            }
        }
        self.broken = batches.broken();
        let path = shard_path(self.inputs.out, number);
        contents
            .save(&path, plan, number)
            .map_err(CacheError::from)?;
        let shard = Shard::open(&path, plan, number).map_err(|unfit| CacheError::Shard {
            reason: match unfit {
                Unfit::Missing => "it has vanished".to_string(),
                Unfit::Damaged(reason) | Unfit::Other(reason) => reason,
            },
            path: path.clone(),
        })?;
        let entry = entry(&path, &shard)?;
        let goes_on = (self.watch)(CacheEvent::Done(last)).is_continue();
        Ok(goes_on.then_some(entry))
    }

    fn encode(&self, batch: PictureBatch, contents: &mut Contents) -> Result<(), CacheError> {
        if batch.images.is_empty() {
            return Ok(());
        }
        let labels = batch.indices.iter().map(|&index| self.labels[index] as i64);
        contents.labels.extend(labels);
        let pictures = batch.indices.iter().map(|&index| index as i64);
        contents.pictures.extend(pictures);
        let plan = self.inputs.plan;
        let [rows, columns, channels] = plan.grid;
        let strips = batch.images.into_iter();
        let squares: Vec<RgbImage> = strips.flat_map(Variants::squares).collect();
        let images = to_tensor(&squares, self.device);
        let encoded = self.inputs.space.encode(images, Draw::Mode);
        assert_eq!(
            encoded.dims(),
            [squares.len(), rows * columns, channels],
            "features of another grid than the plan's"
        );
        let data = encoded.into_data().convert::<f32>();
        let values = data.try_to_vec::<f32>().expect("converted to f32");
        let one = rows * columns * channels * plan.variants.count();
        for (values, name) in values.chunks_exact(one).zip(&batch.names) {
            let refuse = |value: f32| CacheError::Value {
                name: name.clone(),
                value,
                dtype: plan.dtype.to_string(),
                advice: match plan.dtype {
                    CacheType::F16 if value.is_finite() => "keep the features in f32".to_string(),
                    _ => "the encoder's weights or the alignment statistics are broken".to_string(),
                },
            };
            let features = &mut contents.features;
            plan.dtype.pack(values, features).map_err(refuse)?;
        }
        Ok(())
    }

    fn report(&mut self, batch: &PictureBatch) {
        for (_, error) in &batch.broken {
            self.remark(format!("left out: {error}"));
        }
        if !self.told && batch.enlarged > 0 {
            self.told = true;
            let size = self.inputs.plan.size;
            self.remark(format!(
                "some pictures are smaller than the crop of {size} x {size} and are enlarged"
            ));
        }
    }

    fn remark(&mut self, text: String) {
        // A break is taken up with the next pictures.
        let _ = (self.watch)(CacheEvent::Remark(text));
    }
}

fn entry(path: &Path, shard: &Shard) -> Result<ShardEntry, CacheError> {
    Ok(ShardEntry {
        pictures: shard.pictures.len() as u64,
        file: FileEntry {
            bytes: shard.bytes(),
            sha256: sha256_file(path).map_err(CacheError::system(path))?,
        },
        head: Some(shard.head()),
    })
}

fn other(folder: &Path, difference: String) -> CacheError {
    CacheError::Other {
        path: folder.to_path_buf(),
        difference,
    }
}
