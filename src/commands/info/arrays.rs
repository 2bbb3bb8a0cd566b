//! Files of NumPy's arrays.

use std::path::Path;

use anyhow::Result;
use svg_store::{Npz, printable};

use super::Look;

/// Whether a file begins as an array, or is named like one or an archive of them.
pub fn are_arrays(path: &Path, start: &[u8]) -> bool {
    let ending = path.extension().unwrap_or_default();
    let named = ["npz", "npy"]
        .iter()
        .any(|known| ending.eq_ignore_ascii_case(known));
    named || start.starts_with(b"\x93NUMPY")
}

/// Type and shape of every array. Each is read to its end, unless headers are enough.
pub fn describe(path: &Path, look: &mut Look) -> Result<()> {
    let file = Npz::open(path)?;
    look.row("holds", "arrays of NumPy")?;
    for name in file.names() {
        let array = file.array(name)?;
        let what = format!("{} {:?}", array.dtype(), array.shape());
        look.row(&printable(name), what)?;
        if !look.brief {
            array.check()?;
        }
    }
    let problems = match look.brief {
        true => "none in the headers",
        false => "none; every array was read to its end",
    };
    look.row("problems", problems)
}
