//! The files of a checkpoint, on their way to disk.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::Path;

use burn::optim::ModuleOptimizer;
use burn::store::RecordError;
use burn::store::burn_pack::{Reader, Writer};
use svg_nn::{StoredTensor, save_tensors};

use crate::TrainError;

/// What writes one file into the folder that it is given.
type Write = Box<dyn FnOnce(&Path) -> Result<(), TrainError> + Send>;

/// The files of a checkpoint: written into a folder at once, or copied into memory, so that what was saved may
/// change while they are written by another thread.
#[derive(Debug)]
pub struct Files<'a>(To<'a>);

enum To<'a> {
    Folder(&'a Path),
    Memory(Copies),
}

/// Copies of files that are still to be written.
#[derive(Default)]
pub(crate) struct Copies(Vec<Write>);

impl<'a> Files<'a> {
    /// Written into this folder at once, reading one tensor after the other from its device.
    pub fn in_folder(folder: &'a Path) -> Self {
        Self(To::Folder(folder))
    }

    /// What `save` saves, copied into memory.
    pub(crate) fn copied(
        save: impl FnOnce(&mut Self) -> Result<(), TrainError>,
    ) -> Result<Copies, TrainError> {
        let mut files = Self(To::Memory(Copies::default()));
        save(&mut files)?;
        match files.0 {
            To::Memory(copies) => Ok(copies),
            To::Folder(_) => unreachable!("made above"),
        }
    }

    /// Adds a file of tensors.
    ///
    /// # Errors
    ///
    /// [`TrainError::Load`] or [`TrainError::System`] if it cannot be written or read from its device.
    pub fn tensors(
        &mut self,
        name: &'static str,
        mut tensors: Vec<StoredTensor>,
    ) -> Result<(), TrainError> {
        if let To::Memory(_) = &self.0 {
            for tensor in &mut tensors {
                let bytes = tensor.to_bytes();
                let bytes = bytes.map_err(unreadable(Path::new(name)))?;
                let (named, shape) = (tensor.name.clone(), tensor.shape.clone());
                *tensor = StoredTensor::new(named, tensor.dtype, shape, tensor.param_id, bytes);
            }
        }
        self.write(move |folder| Ok(save_tensors(&folder.join(name), &tensors, HashMap::new())?))
    }

    /// Adds the record of an optimiser, with its tensors in the order of their names, so that equal states are equal
    /// bytes: Burn keeps them in a hash table, whose order is another in each process.
    ///
    /// # Errors
    ///
    /// [`TrainError::System`] if it cannot be written.
    pub fn optimizer(
        &mut self,
        name: &'static str,
        optimizer: &ModuleOptimizer,
    ) -> Result<(), TrainError> {
        // On the host already.
        let record = optimizer.to_record();
        self.write(move |folder| {
            let path = folder.join(name);
            // Burn's own file: a record as bytes in memory would be another copy of all moments.
            let unordered = path.with_extension("unordered");
            let saved = record.save(&unordered);
            let saved = saved.and_then(|()| put_in_order(&unordered, &path));
            saved.map_err(unreadable(&path))?;
            std::fs::remove_file(&unordered).map_err(TrainError::system(&unordered))
        })
    }

    /// Adds a file that `write` writes into the folder that it is given; what it needs must be in memory.
    ///
    /// # Errors
    ///
    /// What `write` ends with.
    pub fn write(
        &mut self,
        write: impl FnOnce(&Path) -> Result<(), TrainError> + Send + 'static,
    ) -> Result<(), TrainError> {
        match &mut self.0 {
            To::Folder(folder) => write(folder),
            To::Memory(copies) => {
                copies.0.push(Box::new(write));
                Ok(())
            }
        }
    }
}

impl Copies {
    /// Writes them, and drops each when it is written.
    pub fn write(self, folder: &Path) -> Result<(), TrainError> {
        self.0.into_iter().try_for_each(|write| write(folder))
    }
}

impl fmt::Debug for To<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "in {}", folder.display()),
            Self::Memory(copies) => write!(f, "{} copies", copies.0.len()),
        }
    }
}

fn put_in_order(unordered: &Path, path: &Path) -> Result<(), RecordError> {
    let reader = Reader::from_file_exact(unordered)?;
    let (scalars, paths) = (reader.scalars().clone(), reader.metadata().clone());
    // The reader has sorted them.
    let mut writer = Writer::new(reader.into_tensors()?);
    for (name, value) in &scalars {
        writer = writer.with_scalar(name, *value);
    }
    for (parameter, path) in &paths {
        writer = writer.with_metadata(parameter, path);
    }
    // The folder of a checkpoint is synchronised as a whole.
    Ok(writer.write_to_file_in_place(path)?)
}

/// The error of a file that Burn reads or writes.
pub(super) fn unreadable<E: fmt::Display>(path: &Path) -> impl FnOnce(E) -> TrainError {
    let path = path.to_path_buf();
    move |error| TrainError::system(&path)(io::Error::other(error.to_string()))
}
