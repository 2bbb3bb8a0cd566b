//! A file that is written row by row, as a killed process leaves it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;
use svg_store::{Dtype, RowFile, RowFileError, RowTensor, Safetensors};

const NAME: &str = "rows.safetensors";
const ITEMS: usize = 6;

/// Begins a file of six items in a new folder: three rows, and one item without a row.
pub fn killed(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let mut file = open(folder)?;
    for broken in [false, true, false, false] {
        append(&mut file, broken)?;
    }
    Ok(file.commit()?)
}

/// Goes on with the file to its end, and reads it.
pub fn go_on(folder: &Path) -> Result<()> {
    let mut file = open(folder)?;
    while file.done() < ITEMS {
        append(&mut file, false)?;
        file.commit()?;
    }
    file.finish(&BTreeMap::new())?;
    Safetensors::open(&folder.join(NAME))?;
    Ok(())
}

fn open(folder: &Path) -> Result<RowFile, RowFileError> {
    let tensor = |name: &str, row: &[usize]| RowTensor {
        name: name.to_string(),
        dtype: Dtype::F32,
        row: row.to_vec(),
    };
    let tensors = [tensor("tokens", &[3, 2]), tensor("cls", &[2])];
    let what = BTreeMap::from([("pictures".to_string(), "six".to_string())]);
    let (path, none) = (folder.join(NAME), BTreeMap::new());
    RowFile::open(&path, &what, &tensors, ITEMS, &none, |_, _| ())
}

fn append(file: &mut RowFile, broken: bool) -> Result<(), RowFileError> {
    let done = file.done();
    match broken {
        true => file.append(&[&[][..], &[][..]], 1, &[done]),
        false => file.append(&[&[1; 24][..], &[2; 8][..]], 1, &[]),
    }
}
