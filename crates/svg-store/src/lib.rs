//! Atomic files, hashes and random numbers, shared by all crates of the workspace.
//!
//! The crate depends on no tensor library. It has an atomic writer for files and one for folders, a folder
//! lock, SHA-256, a strict JSON reader, readers and writers of safetensors and of NumPy's archives, a reader of
//! PyTorch's files, and a random number generator.
//!
//! The main design decision: **writes are atomic.** Everything is written to a temporary file or folder
//! beside its final path, synchronised and renamed, and then the parent folder is synchronised. A process
//! that is killed at any moment leaves the old contents or the new ones. What it leaves under temporary names
//! is removed by the next one that writes there: they are locked while a process lives. Written files have the
//! default permissions of the process, not those of temporary files.
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
//! // The same key gives the same numbers on every machine.
//! let (mut one, mut other) = (Random::keyed([1, 2, 3, 4]), Random::keyed([1, 2, 3, 4]));
//! assert_eq!(one.below(1000), other.below(1000));
//! ```
//!
//! - [`write_file`], [`write_bytes`], [`write_json`], [`rename`]: atomic writes of files;
//!   [`nameless_file`]: for what is too large for memory
//! - [`open_file`], [`read_file`], [`read_text`]: regular files and nothing else, so that no pipe or device is
//!   waited for; [`check_writable`], [`check_takes_files`], [`FileId`]: what a file would take the place of
//! - [`NewFolder`], [`remove_folder`], [`remove_unfinished`]: atomic creation and removal of folders
//! - [`FolderLock`]: exclusive access to a folder
//! - [`PathError`]: an error of the operating system and where it occurred
//! - [`Sha256`], [`sha256`], [`sha256_file`], [`sha256_open`]: hashes in hexadecimal
//! - [`strict_json`], [`json_format`], [`versioned_json`], [`read_if_there`]: JSON documents without
//!   unknown fields; [`plain_json`]: others; [`sealed_json`], [`unsealed_json`]: those with a hash of themselves
//! - [`Checked`], [`checked_json`], [`outside`]: numbers in their ranges; [`beyond_memory`]: what the machine holds;
//!   [`extremes`]: documents for tests of readers
//! - [`json_differences`], [`list_differences`], [`listed`]: values and names in messages; [`printable`],
//!   [`printable_lines`], [`printable_path`]: without characters that control a terminal
//! - [`Safetensors`], [`write_safetensors`]: files of tensors; [`RowFile`], [`RowReader`]: those that are
//!   larger than memory, row by row
//! - [`TorchFile`]: files of `torch.save`, read without executing anything
//! - [`Npz`], [`NpzWriter`]: archives of NumPy's arrays, read and written piece by piece
//! - [`Random`]: ChaCha8 with a key of four words

mod extremes;
mod file;
mod folder;
mod hash;
mod identity;
mod json;
mod lock;
mod memory;
mod npy;
mod numbers;
mod path_error;
mod pickle;
mod printable;
mod random;
mod regular;
mod row_file;
mod row_reader;
mod sealed;
mod tensors;
mod torch;
mod unfinished;
mod words;

pub use ::safetensors::Dtype;
pub use extremes::extremes;
pub use file::{
    WriteError, nameless_file, read_if_there, rename, write_bytes, write_file, write_json,
};
pub use folder::{NewFolder, remove_folder};
pub use hash::{Sha256, sha256, sha256_file, sha256_open};
pub use identity::FileId;
pub use json::{json_format, plain_json, strict_json, versioned_json};
pub use lock::{FolderLock, LockError};
pub use memory::{beyond_memory, free_memory, machine_memory};
pub use npy::{
    NpyArray, NpyElement, NpyError, NpyProblem, NpyRows, NpyType, Npz, NpzWriter, ReadAt,
};
pub use numbers::{Checked, below, checked, checked_json, first, outside};
pub use path_error::PathError;
pub use printable::{printable, printable_lines, printable_path};
pub use random::Random;
pub use regular::{check_takes_files, check_writable, open_file, read_file, read_text};
pub use row_file::{RowFile, RowFileError, RowTensor};
pub use row_reader::RowReader;
pub use sealed::{sealed_json, unsealed_json};
pub use tensors::{OpenError, Safetensors, TensorEntry, TensorHeader, write_safetensors};
pub use torch::{LeftTensor, TorchError, TorchFile, TorchTensor};
pub use unfinished::{UNFINISHED, remove_unfinished};
pub use words::{json_differences, list_differences, listed};
