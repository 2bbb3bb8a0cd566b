//! The index of a cache.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use svg_model::FileEntry;
use svg_store::{Checked, below, outside, read_if_there, versioned_json, write_json};

use super::error::CacheError;
use super::plan::CachePlan;

/// The version of the folder that this program writes. It also reads the one before, whose shards have no checksums
/// of their features.
pub(super) const FORMAT: u32 = 2;

/// `cache.json`: what a cache is, and every file of it. It is written when all shards are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheIndex {
    /// Version of the folder.
    pub format: u32,
    /// What the cache holds.
    pub plan: CachePlan,
    /// The shards, in order.
    pub shards: Vec<ShardEntry>,
}

/// One shard of a cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardEntry {
    /// Pictures in it: those of its range but the broken ones.
    pub pictures: u64,
    /// Its size and hash.
    pub file: FileEntry,
    /// SHA-256 of all of it but the features, which have checksums of their own. Not in a cache of format 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
}

impl CacheIndex {
    /// Pictures that could be encoded.
    pub fn pictures(&self) -> u64 {
        self.shards.iter().map(|shard| shard.pictures).sum()
    }

    /// Reads the index of a folder.
    ///
    /// # Errors
    ///
    /// [`CacheError::NotACache`] if there is none, [`CacheError::Index`] if it is of another version, has
    /// missing or unknown fields, or contradicts itself.
    pub fn read(folder: &Path) -> Result<Self, CacheError> {
        let path = Self::path(folder);
        let text = read_if_there(&path).map_err(CacheError::system(&path))?;
        let text = text.ok_or_else(|| CacheError::NotACache {
            path: folder.to_path_buf(),
        })?;
        let refuse = |reason: String| CacheError::Index {
            path: path.clone(),
            reason,
        };
        let index: Self = versioned_json(&text, FORMAT - 1..=FORMAT).map_err(refuse)?;
        let plan = &index.plan;
        let shards = index.shards.iter();
        let pictures = shards.map(|shard| shard.pictures).max().unwrap_or(0);
        let most = plan.shard_size as u64;
        let problem = below("plan", plan.problem());
        if let Some(problem) = problem.or_else(|| outside("pictures", pictures, 0..=most)) {
            return Err(refuse(format!("{problem}; make the cache anew")));
        }
        if !plan.is_addressable() {
            let reason = "its sizes are beyond any memory; make the cache anew";
            return Err(refuse(reason.to_string()));
        }
        let (listed, needed) = (index.shards.len(), plan.shards());
        if listed != needed {
            return Err(refuse(format!(
                "it lists {listed} shards where {} pictures in shards of {} make {needed}; make the cache anew",
                plan.pictures(),
                plan.shard_size
            )));
        }
        Ok(index)
    }

    /// Whether its features have checksums.
    pub(super) fn is_checked(&self) -> bool {
        self.format == FORMAT
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), CacheError> {
        Ok(write_json(Self::path(folder), self)?)
    }

    pub(super) fn path(folder: &Path) -> PathBuf {
        folder.join("cache.json")
    }
}

/// Where a shard of a folder is.
pub(super) fn shard_path(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("shard-{number:05}.safetensors"))
}
