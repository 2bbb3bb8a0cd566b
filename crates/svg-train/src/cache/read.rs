//! Reading a cache.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use burn::tensor::TensorData;
use svg_model::StoredLatentStatistics;
use svg_roles::Geometry;
use svg_store::sha256_file;

use super::error::CacheError;
use super::index::{CacheIndex, shard_path};
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
    /// Opens a finished cache, and checks the header and the size of every shard. Hashes are left to
    /// [`verify`](Self::verify), because they cost reading everything.
    ///
    /// # Errors
    ///
    /// [`CacheError::NotACache`], [`CacheError::Index`], and [`CacheError::Shard`] for one that is missing, cut
    /// off, of other features, numbers or another grid than the index says.
    pub fn open(folder: &Path) -> Result<Self, CacheError> {
        let index = CacheIndex::read(folder)?;
        let plan = &index.plan;
        let mut places = vec![None; plan.pictures()];
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
            for (row, picture) in shard.pictures.iter().enumerate() {
                places[*picture] = Some(Place {
                    shard: number as u32,
                    row: row as u32,
                    label: shard.labels[row] as u32,
                });
            }
            shards.push(shard);
        }
        if places.iter().all(Option::is_none) {
            let path = folder.to_path_buf();
            return Err(CacheError::Empty { path });
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            index,
            shards,
            places,
        })
    }

    /// Compares the hash of every shard with the index.
    ///
    /// # Errors
    ///
    /// [`CacheError::Shard`] for the first that differs.
    pub fn verify(&self) -> Result<(), CacheError> {
        for (number, entry) in self.index.shards.iter().enumerate() {
            let path = shard_path(&self.folder, number);
            let found = sha256_file(&path).map_err(CacheError::system(&path))?;
            let expected = &entry.file.sha256;
            if found != *expected {
                let reason = format!("its SHA-256 is {found} where the index says {expected}");
                return Err(CacheError::Shard { path, reason });
            }
        }
        Ok(())
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
    /// # Panics
    ///
    /// If a picture or variant is out of range or was broken.
    pub fn features(&self, items: &[Item], device: &Device) -> Tensor<3> {
        let plan = self.plan();
        let [rows, columns, channels] = plan.grid;
        let mut values = Vec::with_capacity(items.len() * rows * columns * channels);
        for item in items {
            let place = self.places[item.picture].expect("a picture that was broken");
            let (count, variant) = (plan.variants.count(), item.variant);
            assert!(variant < count, "variant {variant} of a cache of {count}");
            let bytes =
                self.shards[place.shard as usize].variant(plan, place.row as usize, variant);
            plan.dtype.unpack(bytes, &mut values);
        }
        let shape = [items.len(), rows * columns, channels];
        Tensor::from_data(TensorData::new(values, shape), device)
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
