//! Files, hashes and random numbers: what every other crate of the workspace stands on.
//!
//! The crate knows no tensor library and no network. It holds one of each thing that must not exist
//! twice: one atomic writer for files and one for folders, one folder lock, one SHA-256, one strict
//! reader of JSON, one reader and writer of safetensors, and one generator of random numbers.
//!
//! The one design decision: **a name never shows half a file.** Everything is written to a temporary
//! file or folder beside its place, synchronised, and renamed, and the folder that holds it is
//! synchronised too. A process that is killed at any moment leaves the old contents or the new ones.
//! What is written has the permissions of an ordinary file, not those of a temporary one.
//!
//! ```
//! use svg_store::{Random, read_if_there, sha256, sha256_file, strict_json, write_bytes};
//!
//! let place = std::env::temp_dir().join(format!("steps-{}.json", std::process::id()));
//! write_bytes(&place, "[100, 200]").unwrap();
//! assert_eq!(sha256_file(&place).unwrap(), sha256("[100, 200]"));
//! let text = read_if_there(&place).unwrap().unwrap();
//! assert_eq!(strict_json::<Vec<u32>>(&text).unwrap(), [100, 200]);
//! std::fs::remove_file(place).unwrap();
//!
//! // The same key gives the same numbers, on every machine.
//! let (mut one, mut other) = (Random::keyed([1, 2, 3, 4]), Random::keyed([1, 2, 3, 4]));
//! assert_eq!(one.below(1000), other.below(1000));
//! ```
//!
//! - [`write_file`], [`write_bytes`], [`write_json`], [`rename`]: files that are whole or absent;
//!   [`nameless_file`]: for what is too large for memory
//! - [`NewFolder`], [`remove_folder`], [`remove_unfinished`]: folders that are whole or absent
//! - [`FolderLock`]: one process at a time in a folder
//! - [`Sha256`], [`sha256`], [`sha256_file`]: hashes in hexadecimal
//! - [`strict_json`], [`json_format`], [`versioned_json`], [`read_if_there`]: documents without
//!   unknown fields
//! - [`Safetensors`], [`write_safetensors`]: tensors as ranges of bytes
//! - [`Random`]: ChaCha8, keyed by words

mod file;
mod folder;
mod hash;
mod json;
mod lock;
mod random;
mod tensors;

pub use ::safetensors::Dtype;
pub use file::{
    UNFINISHED, WriteError, nameless_file, read_if_there, rename, write_bytes, write_file,
    write_json,
};
pub use folder::{NewFolder, remove_folder, remove_unfinished};
pub use hash::{Sha256, sha256, sha256_file};
pub use json::{json_format, strict_json, versioned_json};
pub use lock::{FolderLock, LockError};
pub use random::Random;
pub use tensors::{OpenError, Safetensors, TensorEntry, TensorHeader, write_safetensors};
