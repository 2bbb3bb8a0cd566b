//! What can be wrong with a file of NumPy.

use std::io;

use crate::printable::printable;

/// Error of reading a file of NumPy.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", printable(place))]
pub struct NpyError {
    /// The file, or the array in it as `FILE/NAME`.
    pub place: String,
    /// What is wrong with it.
    pub problem: NpyProblem,
}

/// What is wrong with a file of NumPy, or with an array in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NpyProblem {
    /// The file cannot be read.
    #[error("{0}; check the path and its permissions")]
    Read(#[from] io::Error),

    /// The file is neither a zip archive nor an array.
    #[error("it is no file of NumPy (.npz or .npy): {0}; write one with np.savez or np.save")]
    NotNumpy(String),

    /// The archive ends too early or contradicts itself.
    #[error("the archive is damaged: {0}; fetch it again or write it anew with np.savez")]
    Archive(String),

    /// An entry of the archive needs a password.
    #[error(
        "it is encrypted; unpack the archive with its password and write it anew with np.savez"
    )]
    Encrypted,

    /// An entry is compressed in another way than NumPy does it.
    #[error(
        "it is compressed by {0}, which NumPy does not write; write the archive anew with np.savez_compressed"
    )]
    Compression(String),

    /// Two entries have the same name.
    #[error("the archive holds it twice; write the archive anew with np.savez")]
    Twice,

    /// There is no array of that name.
    #[error("the archive holds no array {}; there are {there}", printable(array))]
    Missing {
        /// The name.
        array: String,
        /// The names of those that are there.
        there: String,
    },

    /// An entry is no `.npy` file.
    #[error(
        "it is no array of NumPy: it does not begin with \\x93NUMPY; write it with np.save or np.savez"
    )]
    NotAnArray,

    /// The format has a version that is not known.
    #[error(
        "its format has version {0}.{1}, and 1.0, 2.0 and 3.0 are read; write it anew with np.save"
    )]
    Version(u8, u8),

    /// The header is not what NumPy writes.
    #[error("its header is damaged: {0}; fetch it again or write it anew with np.save")]
    Header(String),

    /// The array holds objects of Python.
    #[error(
        "it was saved with pickle: it holds objects of Python (dtype object), which are never loaded here; save it again \
         with allow_pickle=False, as numbers: np.save(FILE, np.stack(list(array)))"
    )]
    Pickled,

    /// The array holds records.
    #[error(
        "it holds records of several fields (a structured dtype), which are not read; save its fields as arrays of their \
         own: np.savez(FILE, a=array[\"a\"], b=array[\"b\"])"
    )]
    Records,

    /// The elements are of a type that is not read.
    #[error(
        "its elements are {0}, which are not read; save it as integers or float64: array.astype(\"f8\")"
    )]
    Elements(String),

    /// An axis has an impossible size.
    #[error("its shape is impossible: {0}; fetch it again or write it anew with np.save")]
    Shape(String),

    /// The shape does not fill the bytes that are there.
    #[error(
        "its header promises {promised} bytes ({what}), and {there} are there; the file is cut off or damaged: fetch it \
         again"
    )]
    Size {
        /// Type and shape.
        what: String,
        /// Bytes that they need.
        promised: u64,
        /// Bytes of the entry or file behind the header.
        there: u64,
    },

    /// The bytes are not those of the archive's checksum.
    #[error("its bytes are not those that were written ({0}); fetch the file again")]
    Changed(String),

    /// The elements are of another type than was asked for.
    #[error(
        "its elements are {found}, where {wanted} is needed; convert it: array.astype(\"{wanted}\")"
    )]
    OtherType {
        /// What they are.
        found: String,
        /// What was asked for.
        wanted: &'static str,
    },

    /// The axes are stored in Fortran's order, which is no order of rows.
    #[error(
        "it is stored in Fortran's order, in which its rows cannot be read one by one; save it again: \
         np.ascontiguousarray(array)"
    )]
    Fortran,

    /// The array is larger than is read at once.
    #[error("it has {found} {what}, and at most {most} are read at once; save a smaller array")]
    TooLarge {
        /// Elements, or bytes of a row.
        what: &'static str,
        /// How many there are.
        found: u64,
        /// How many are read.
        most: u64,
    },
}

impl NpyProblem {
    /// The error of a file or array.
    pub(super) fn at(self, place: &str) -> NpyError {
        NpyError {
            place: place.to_string(),
            problem: self,
        }
    }
}
