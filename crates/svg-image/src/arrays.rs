//! Pictures in arrays of NumPy, as ADM's samples are: uint8 `[n, height, width, 3]`, or `[n, height, width]` of grey.

use std::path::Path;
use std::sync::Arc;

use svg_store::{NpyArray, NpyType, Npz, listed};

use crate::error::ImageError;
use crate::label::label;
use crate::list::wrong;
use crate::place::{Pixels, Place, Spool, Window};
use crate::table::{Row, Table};

/// The names that `np.savez` gives to the first array, the pictures, and the second, their labels.
const PICTURES: &str = "arr_0";
const LABELS: &str = "arr_1";

/// Most pictures of an array: their names and places are held in memory, and a file may say that a picture is one byte.
const MOST: usize = 1 << 24;

/// Whether a file is named like an archive of arrays.
pub(crate) fn is_npz_name(name: &Path) -> bool {
    let ending = name.extension().unwrap_or_default();
    ending.eq_ignore_ascii_case("npz")
}

/// The pictures in an archive of arrays, or in one array. What is compressed is unpacked; what is not is compared with
/// its checksum now, since pictures are read in any order later.
pub(crate) fn read_arrays(
    file: &Path,
    window: &Window,
    spool: &mut Spool,
) -> Result<Table, ImageError> {
    let shown = file.display().to_string();
    let reader = window.reader().map_err(ImageError::read(&shown))?;
    let npz = Npz::of(Arc::new(reader), &shown)?;
    let array = pictures(file, &npz)?;
    let (count, frame) = frames(file, &array)?;
    let stored = match array.stored_at() {
        Some(start) => {
            array.check()?;
            let ended = || wrong(file, "it is cut off; fetch it again");
            window.part(start, array.size()).ok_or_else(ended)?
        }
        None => {
            spool.unpacked.extend(window.path().map(Path::to_path_buf));
            let mut copied = Ok(());
            let unpacked = spool.append(|out| {
                copied = array.copy_to(out);
                Ok(())
            });
            copied?;
            unpacked.map_err(ImageError::read(&shown))?
        }
    };
    let labels = labels(file, &npz, &array, count)?;
    let bytes = frame.bytes();
    let row = |(number, label): (usize, Option<String>)| {
        let window = stored.part(number as u64 * bytes, bytes);
        Some(Row {
            name: format!("{number:08}"),
            label,
            place: Place::Pixels(Pixels::new(window?, frame)),
        })
    };
    let rows: Option<Vec<Row>> = labels.into_iter().enumerate().map(row).collect();
    Ok(Table {
        rows: rows.ok_or_else(|| wrong(file, "it is cut off; fetch it again"))?,
        names: None,
    })
}

/// `arr_0`, or the only array that there is.
fn pictures(file: &Path, npz: &Npz) -> Result<NpyArray, ImageError> {
    let names = npz.names();
    let name = match names[..] {
        _ if names.contains(&PICTURES) => PICTURES,
        [only] => only,
        // The error that says so.
        [] => PICTURES,
        _ if names.contains(&"mu") && names.contains(&"sigma") => {
            let reason = "it holds statistics of pictures (mu, sigma) and no pictures; `svg evaluate` takes such a file \
                          as --reference";
            return Err(wrong(file, reason));
        }
        _ => {
            let reason = format!(
                "it holds no array arr_0 of pictures, but {}; write it with np.savez(FILE, pictures), pictures being \
                 uint8 [n, height, width, 3]",
                listed(&names)
            );
            return Err(wrong(file, &reason));
        }
    };
    Ok(npz.array(name)?)
}

/// The sizes of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub width: u32,
    pub height: u32,
    pub is_grey: bool,
}

impl Frame {
    /// Bytes of its pixels.
    pub fn bytes(&self) -> u64 {
        let channels = if self.is_grey { 1 } else { 3 };
        u64::from(self.width) * u64::from(self.height) * channels
    }
}

/// Number and sizes of the pictures.
fn frames(file: &Path, array: &NpyArray) -> Result<(usize, Frame), ImageError> {
    let (dtype, shape) = (array.dtype(), array.shape());
    let refused = |advice: &str| {
        let name = array.name();
        let reason = format!(
            "its array {name} is {dtype} {shape:?}, and pictures are uint8 [n, height, width, 3]; {advice}"
        );
        Err(wrong(file, &reason))
    };
    if dtype != NpyType::UINT8 {
        return refused(
            "convert it, for values from 0 to 1 by (255 * array).round().astype(\"u1\")",
        );
    }
    let (count, height, width, is_grey) = match *shape {
        [count, height, width] | [count, height, width, 1] => (count, height, width, true),
        [count, height, width, 3] => (count, height, width, false),
        [_, 1 | 3, _, _] => return refused("move its channels: array.transpose(0, 2, 3, 1)"),
        [_, _, _, 4] => return refused("leave its transparency out: array[..., :3]"),
        _ => return refused("write one picture as array[None]"),
    };
    if array.is_fortran() {
        return refused("it is stored in Fortran's order: save np.ascontiguousarray(array)");
    }
    let (Ok(width), Ok(height)) = (u32::try_from(width), u32::try_from(height)) else {
        return refused("its pictures are too large");
    };
    if count > MOST {
        return refused(&format!(
            "at most {MOST} pictures are read of one file: split it"
        ));
    }
    let frame = Frame {
        width,
        height,
        is_grey,
    };
    match count > 0 && frame.bytes() == 0 {
        true => refused("its pictures have no pixels"),
        false => Ok((count, frame)),
    }
}

/// The label of each picture, if integers are beside `arr_0`.
fn labels(
    file: &Path,
    npz: &Npz,
    pictures: &NpyArray,
    count: usize,
) -> Result<Vec<Option<String>>, ImageError> {
    if pictures.name() != PICTURES || !npz.names().contains(&LABELS) {
        return Ok(vec![None; count]);
    }
    let array = npz.array(LABELS)?;
    if !array.dtype().is_integer() {
        return Ok(vec![None; count]);
    }
    if array.shape() != [count] {
        let reason = format!(
            "its array arr_1 is {} {:?}, and labels of {count} pictures are integers [{count}]; leave it out, or save \
             array.argmax(1) if it is one-hot",
            array.dtype(),
            array.shape()
        );
        return Err(wrong(file, &reason));
    }
    let numbers = array.read_i64()?.into_iter();
    Ok(numbers.map(|number| label(&number.to_string())).collect())
}
