//! Files of NumPy: `.npy`, an array behind a header, and `.npz`, a zip archive of such files.
//!
//! Nothing in a file is executed and no size in it is believed: the shape in an array's header must fill exactly the bytes
//! that the archive states, those must lie in the file, and memory is asked for after that alone. The header is a dictionary
//! in Python's syntax, which is read here by a parser without recursion: general readers of such files descend into
//! brackets as deep as a file says, until the stack is full. Checksums are compared wherever an array is read to its end.
//!
//! Formats: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

mod archive;
mod array;
mod contents;
mod error;
mod header;
mod kind;
mod literal;
mod rows;
mod source;
mod write;

pub use archive::Npz;
pub use array::NpyArray;
pub use error::{NpyError, NpyProblem};
pub use kind::NpyType;
pub use rows::NpyRows;
pub use source::ReadAt;
pub use write::{NpyElement, NpzWriter};

/// The first bytes of a `.npy` file.
const MAGIC: &[u8; 6] = b"\x93NUMPY";
