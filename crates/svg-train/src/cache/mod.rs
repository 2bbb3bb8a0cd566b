//! Features of a data set on disk, so that training encodes no picture twice.
//!
//! The encoder is frozen, so a picture's features are the same in every epoch and only its crop differs. The
//! published crop has two outcomes, the centre and its mirror image; a cache holds both, and a run on it is
//! the run on pictures: the same order, the same choices, the same classes. *Features* are stored, before
//! normalisation, so that new latent statistics need no new cache.
//!
//! The one design decision: **a shard is a function of the plan and its number.** The plan says which
//! features, pictures, cuts and numbers; each shard carries it. So writing can be interrupted and
//! resumed, a damaged shard is written again alone, and a cache of another encoder is an error that names
//! both.
//!
//! A cache is a folder: `cache.json`, written last, and `shard-00000.safetensors` and so on, each with
//! `features` `[pictures, variants, tokens, channels]`, `labels` and `pictures` (i64), the classes and the
//! numbers of the pictures in their set, and `sums` `[pictures, variants]` (i64), the CRC-32C of each variant's
//! features. They are compared whenever features are read, so that a changed bit is an error and not another
//! model; the index has the SHA-256 of each shard and of all that is not features. At 256 pixels a picture takes 200,704 bytes for each variant in f16,
//! ImageNet's training set thus 514 GB with both.
//!
//! - [`CachePlan`], [`CacheType`], [`Variants`]: what a cache holds
//! - [`write_cache`], [`CacheInputs`], [`CacheEvent`]: making one
//! - [`LatentCache`], [`CacheIndex`]: opening one
//! - [`CachedLatents`]: a cache as the latents of a flow
//! - [`CacheError`]: errors, with advice

mod error;
mod index;
mod number;
mod plan;
mod read;
mod shard;
mod source;
mod variants;
mod write;

pub use error::CacheError;
pub use index::{CacheIndex, ShardEntry};
pub use number::CacheType;
pub use plan::CachePlan;
pub use read::{Item, LatentCache};
pub use source::CachedLatents;
pub use variants::Variants;
pub use write::{CacheEvent, CacheInputs, write_cache};
