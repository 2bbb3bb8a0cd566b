//! Making a cache.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use burn::prelude::*;
use svg_image::{DecodeOptions, ImageError, ImageSet, Loader, RgbImage};
use svg_model::{FeatureEncoder, FileEntry, SvgEncoder};
use svg_roles::{Images, Signed};
use svg_store::{FolderLock, remove_unfinished, sha256_file};

use super::error::CacheError;
use super::index::{CacheIndex, ShardEntry, shard_path};
use super::number::CacheType;
use super::plan::CachePlan;
use super::shard::{Contents, Shard, Unfit};
use super::variants::Variants;
use crate::TrainError;
use crate::data::{Classes, DataError};

/// If so many pictures are broken, and they are most, something is wrong with all of them.
const MANY: u64 = 50;

/// What a cache is made of.
pub struct CacheInputs<'a, E: FeatureEncoder> {
    /// The folder; what is whole in it is kept.
    pub out: &'a Path,
    /// What it is to hold.
    pub plan: &'a CachePlan,
    /// The pictures of the plan.
    pub data: Arc<ImageSet>,
    /// The encoder of the plan's features. Alignment by the batch would make a picture's features those of its
    /// neighbours too.
    pub encoder: &'a SvgEncoder<E>,
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
    /// Something that people should read.
    Remark(String),
}

/// Encodes every picture and writes the cache. `None` if `watch` broke off; what is whole then stays, and the
/// next call goes on with it.
///
/// A finished cache is checked: shards whose hash is another are made anew.
///
/// # Errors
///
/// [`CacheError`] if the folder holds another cache or cannot be written, [`DataError`] if most pictures are
/// broken.
///
/// # Panics
///
/// If the encoder is not ready, or its features are not of the plan's grid.
pub fn write_cache<E: FeatureEncoder>(
    inputs: CacheInputs<'_, E>,
    device: &Device,
    watch: &mut dyn FnMut(CacheEvent) -> ControlFlow<()>,
) -> Result<Option<CacheIndex>, TrainError> {
    let (out, plan) = (inputs.out, inputs.plan);
    let labels = Classes::of(&inputs.data)?.labels;
    std::fs::create_dir_all(out).map_err(CacheError::system(out))?;
    let _lock = FolderLock::acquire(out).map_err(CacheError::from)?;
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
        tried: 0,
        broken: 0,
        told: false,
    };
    let mut shards = Vec::with_capacity(plan.shards());
    for number in 0..plan.shards() {
        let known = finished.as_ref().map(|index| &index.shards[number]);
        let entry = match writer.kept(number, known)? {
            Some(entry) => {
                let event = CacheEvent::Kept(plan.range(number).len());
                if (writer.watch)(event).is_break() {
                    return Ok(None);
                }
                entry
            }
            None => match writer.made(number)? {
                Some(entry) => entry,
                None => return Ok(None),
            },
        };
        shards.push(entry);
    }
    let index = CacheIndex::new(plan.clone(), shards);
    if index.pictures() == 0 {
        let path = out.to_path_buf();
        return Err(CacheError::Empty { path }.into());
    }
    index.write(out)?;
    Ok(Some(index))
}

struct Writer<'a, 'w, E: FeatureEncoder> {
    inputs: CacheInputs<'a, E>,
    labels: Vec<usize>,
    device: &'a Device,
    watch: &'w mut dyn FnMut(CacheEvent) -> ControlFlow<()>,
    tried: u64,
    broken: u64,
    /// Whether small pictures have been spoken of.
    told: bool,
}

impl<E: FeatureEncoder> Writer<'_, '_, E> {
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
        let entry = entry(&path, &shard)?;
        if known.is_some_and(|known| *known != entry) {
            let path = path.display();
            self.remark(format!("{path} is not what was written; it is made anew"));
            return Ok(None);
        }
        Ok(Some(entry))
    }

    /// The shard, encoded; `None` if the watcher broke off.
    fn made(&mut self, number: usize) -> Result<Option<ShardEntry>, TrainError> {
        let plan = self.inputs.plan;
        let (size, variants) = (plan.size, plan.variants);
        let jobs = plan.range(number).map(|index| (index, index as u64));
        let prepare = move |image, index| variants.strip(image, size, index);
        let (data, workers) = (self.inputs.data.clone(), self.inputs.workers);
        let loader = Loader::augmented(data, jobs, DecodeOptions::default(), prepare, workers);
        let mut contents = Contents::default();
        let (mut squares, mut names) = (Vec::new(), Vec::new());
        let mut broken = 0;
        for loaded in loader {
            self.tried += 1;
            match loaded.image {
                Ok(strip) => {
                    if let Some(decoded) = loaded.decoded {
                        self.tell_if_small(decoded);
                    }
                    squares.extend(Variants::squares(strip));
                    names.push(loaded.name);
                    contents.labels.push(self.labels[loaded.index] as i64);
                    contents.pictures.push(loaded.index as i64);
                }
                Err(error) => {
                    broken += 1;
                    self.count_broken(error)?;
                }
            }
            if squares.len() >= self.inputs.batch {
                self.encode(&mut squares, &names, &mut contents.features)?;
                let done = names.len() + std::mem::take(&mut broken);
                names.clear();
                if (self.watch)(CacheEvent::Done(done)).is_break() {
                    return Ok(None);
                }
            }
        }
        if !squares.is_empty() {
            self.encode(&mut squares, &names, &mut contents.features)?;
        }
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
        match (self.watch)(CacheEvent::Done(names.len() + broken)).is_break() {
            true => Ok(None),
            false => Ok(Some(entry)),
        }
    }

    fn encode(
        &self,
        squares: &mut Vec<RgbImage>,
        names: &[String],
        features: &mut Vec<u8>,
    ) -> Result<(), CacheError> {
        let plan = self.inputs.plan;
        let [rows, columns, channels] = plan.grid;
        let squares = std::mem::take(squares);
        let images = Images::<Signed>::from_rgb(&squares, self.device).into_tensor();
        let encoded = self.inputs.encoder.features(images);
        assert_eq!(
            encoded.dims(),
            [squares.len(), rows * columns, channels],
            "features of another grid than the plan's"
        );
        let data = encoded.into_data().convert::<f32>();
        let values = data.try_to_vec::<f32>().expect("converted to f32");
        let one = rows * columns * channels * plan.variants.count();
        for (values, name) in values.chunks_exact(one).zip(names) {
            let refuse = |value: f32| CacheError::Value {
                name: name.clone(),
                value,
                dtype: plan.dtype.to_string(),
                advice: match plan.dtype {
                    CacheType::F16 if value.is_finite() => "keep the features in f32".to_string(),
                    _ => "the encoder's weights or the alignment statistics are broken".to_string(),
                },
            };
            plan.dtype.pack(values, features).map_err(refuse)?;
        }
        Ok(())
    }

    fn count_broken(&mut self, error: ImageError) -> Result<(), DataError> {
        self.broken += 1;
        self.remark(format!("left out: {error}"));
        match self.broken > MANY && self.broken * 2 > self.tried {
            true => Err(DataError::Broken {
                broken: self.broken,
                read: self.tried,
                last: error,
            }),
            false => Ok(()),
        }
    }

    fn tell_if_small(&mut self, decoded: (u32, u32)) {
        let recipe = self.inputs.plan.variants.recipe(self.inputs.plan.size);
        if !self.told && recipe.is_smaller(decoded) {
            self.told = true;
            let size = recipe.size;
            self.remark(format!(
                "some pictures are smaller than the crop of {size} x {size} and are enlarged"
            ));
        }
    }

    fn remark(&mut self, text: String) {
        // A wish to break off comes again with the next pictures.
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
    })
}

fn other(folder: &Path, difference: String) -> CacheError {
    CacheError::Other {
        path: folder.to_path_buf(),
        difference,
    }
}
