//! Reading a cache.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use burn::tensor::TensorData;
use rayon::prelude::*;
use svg_model::StoredLatentStatistics;
use svg_roles::Geometry;
use svg_store::sha256_file;

use super::error::CacheError;
use super::index::{CacheIndex, ShardEntry, shard_path};
use super::plan::{CachePlan, in_words, sizes};
use super::shard::{Shard, Unfit};
use super::source::CachedLatents;

/// One variant of one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// The picture's number in its set.
    pub picture: usize,
    /// The variant.
    pub variant: usize,
}

/// Features on disk, mapped into memory and read on demand.
///
/// The files must not be changed while this is alive. [`write_cache`](super::write_cache) never does: it
/// replaces damaged files by new ones.
#[derive(Debug)]
pub struct LatentCache {
    folder: PathBuf,
    index: CacheIndex,
    shards: Vec<Shard>,
    /// The row of each picture in its shard, and its class; `None` for broken ones.
    places: Vec<Option<Place>>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    shard: u32,
    row: u32,
    label: u32,
}

impl LatentCache {
    /// Opens a finished cache, and checks the size of every shard and all that is not features. Features are checked
    /// when they are read; a cache of format 1 has no checksums of them, so that its hashes are compared here, which
    /// costs reading everything.
    ///
    /// # Errors
    ///
    /// [`CacheError::NotACache`], [`CacheError::Index`], and [`CacheError::Shard`] for one that is missing, cut
    /// off, damaged, of other features, numbers or another grid than the index says.
    pub fn open(folder: &Path) -> Result<Self, CacheError> {
        let index = CacheIndex::read(folder)?;
        let plan = &index.plan;
        let mut shards = Vec::with_capacity(index.shards.len());
        for (number, entry) in index.shards.iter().enumerate() {
            let path = shard_path(folder, number);
            let refuse = |reason: String| CacheError::Shard {
                path: path.clone(),
                reason,
            };
            let shard = Shard::open(&path, plan, number).map_err(|unfit| match unfit {
                Unfit::Missing => refuse("it is missing".to_string()),
                Unfit::Damaged(reason) => refuse(reason),
                Unfit::Other(difference) => {
                    refuse(format!("it is of another cache: {difference} by the index"))
                }
            })?;
            for (what, found, expected) in [
                ("bytes", shard.bytes(), entry.file.bytes),
                ("pictures", shard.pictures.len() as u64, entry.pictures),
            ] {
                if found != expected {
                    return Err(refuse(format!(
                        "it has {found} {what} where the index says {expected}"
                    )));
                }
            }
            if index.is_checked() && entry.head.as_ref() != Some(&shard.head()) {
                let parts = "its header, labels or checksums";
                return Err(refuse(format!("{parts} are not what was written")));
            }
            if index.is_checked() && !shard.is_checked() {
                return Err(refuse("it has no checksums of its features".to_string()));
            }
            shards.push(shard);
        }
        let mut places = vec![None; plan.pictures()];
        for (number, shard) in shards.iter().enumerate() {
            for (row, picture) in shard.pictures.iter().enumerate() {
                places[*picture] = Some(Place {
                    shard: number as u32,
                    row: row as u32,
                    label: shard.labels[row] as u32,
                });
            }
        }
        if places.iter().all(Option::is_none) {
            let path = folder.to_path_buf();
            return Err(CacheError::Empty { path });
        }
        let cache = Self {
            folder: folder.to_path_buf(),
            index,
            shards,
            places,
        };
        if !cache.index.is_checked() {
            cache.verify()?;
        }
        Ok(cache)
    }

    /// Compares the hash of every shard with the index.
    ///
    /// # Errors
    ///
    /// [`CacheError::Shard`] for the first that differs.
    pub fn verify(&self) -> Result<(), CacheError> {
        let shards = self.index.shards.par_iter().enumerate();
        let damage =
            shards.find_map_first(|(number, entry)| self.verify_shard(number, entry).err());
        damage.map_or(Ok(()), Err)
    }

    fn verify_shard(&self, number: usize, entry: &ShardEntry) -> Result<(), CacheError> {
        let path = shard_path(&self.folder, number);
        let found = sha256_file(&path).map_err(CacheError::system(&path))?;
        let expected = &entry.file.sha256;
        match found == *expected {
            true => Ok(()),
            false => Err(CacheError::Shard {
                path,
                reason: format!("its SHA-256 is {found} where the index says {expected}"),
            }),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the cache holds.
    pub fn plan(&self) -> &CachePlan {
        &self.index.plan
    }

    /// Pictures of the set, with those that were broken.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no picture, which no cache that opens is.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The class of a picture; `None` if it was broken.
    ///
    /// # Panics
    ///
    /// If `picture` is not below [`len`](Self::len).
    pub fn label(&self, picture: usize) -> Option<usize> {
        self.places[picture].map(|place| place.label as usize)
    }

    /// Features as the encoder made them, up to the rounding of the cache's type.
    ///
    /// # Shapes
    ///
    /// - output: `[items, tokens, channels]`
    ///
    /// # Errors
    ///
    /// [`CacheError::Shard`] if features are not what was written, or not finite.
    ///
    /// # Panics
    ///
    /// If a picture or variant is out of range or was broken.
    pub fn features(&self, items: &[Item], device: &Device) -> Result<Tensor<3>, CacheError> {
        let [rows, columns, channels] = self.plan().grid;
        let one = rows * columns * channels;
        let mut values = vec![0.0; items.len() * one];
        let places = values.par_chunks_exact_mut(one).zip(items);
        places.try_for_each(|(values, item)| self.read(*item, values))?;
        let shape = [items.len(), rows * columns, channels];
        Ok(Tensor::from_data(TensorData::new(values, shape), device))
    }

    fn read(&self, Item { picture, variant }: Item, values: &mut [f32]) -> Result<(), CacheError> {
        let plan = self.plan();
        let place = self.places[picture].expect("a picture that was broken");
        let count = plan.variants.count();
        assert!(variant < count, "variant {variant} of a cache of {count}");
        let shard = place.shard as usize;
        let refuse = |reason: String| CacheError::Shard {
            path: shard_path(&self.folder, shard),
            reason,
        };
        let bytes = self.shards[shard].variant(plan, place.row as usize, variant);
        match plan.dtype.unpack(bytes.map_err(refuse)?, values) {
            true => Ok(()),
            false => Err(refuse(format!(
                "a feature of picture {picture} is infinite or no number"
            ))),
        }
    }

    /// Whether these are the features of a bundle.
    ///
    /// # Errors
    ///
    /// [`CacheError::OtherFeatures`] if not, with both fingerprints.
    pub fn check_features(&self, fingerprint: &str) -> Result<(), CacheError> {
        let cache = &self.plan().features;
        match cache == fingerprint {
            true => Ok(()),
            false => Err(CacheError::OtherFeatures {
                path: self.folder.clone(),
                cache: cache.clone(),
                asked: fingerprint.to_string(),
            }),
        }
    }

    /// Whether the tokens lie as in this geometry.
    ///
    /// # Errors
    ///
    /// [`CacheError::OtherGrid`] if not, with both grids.
    pub fn check_geometry(&self, geometry: Geometry) -> Result<(), CacheError> {
        let (cache, asked) = (self.plan().grid, sizes(geometry));
        match cache == asked {
            true => Ok(()),
            false => Err(CacheError::OtherGrid {
                path: self.folder.clone(),
                cache: in_words(cache),
                asked: in_words(asked),
            }),
        }
    }

    /// The cache as normalised latents on a device.
    ///
    /// # Errors
    ///
    /// [`CacheError::OtherFeatures`] if the statistics are of other features.
    pub fn latents(
        self,
        statistics: StoredLatentStatistics,
        device: &Device,
    ) -> Result<CachedLatents, CacheError> {
        self.check_features(&statistics.features)?;
        Ok(CachedLatents::new(self, statistics.statistics, device))
    }
}
