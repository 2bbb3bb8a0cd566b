//! How whole bundles appear: aside first, and under their names when every file is in its place.

use std::path::Path;

use svg_store::NewFolder;

use crate::manifest::Manifest;
use crate::{Bundle, FlowContents, ModelError};

impl Bundle {
    /// A copy of the bundle in another folder. A bundle that is there is replaced.
    ///
    /// # Errors
    ///
    /// [`ModelError::Taken`] if something else is there, [`ModelError::System`] if a file cannot be written.
    pub fn copy_to(&self, folder: &Path) -> Result<Self, ModelError> {
        appear(folder, true, |aside| self.copy_files(aside))?;
        Self::open(folder)
    }

    /// A copy of the bundle with another flow in it. At no time is there one without it.
    ///
    /// # Errors
    ///
    /// As [`copy_to`](Self::copy_to) and [`set_flow`](Self::set_flow).
    pub fn copy_with_flow(&self, folder: &Path, flow: FlowContents) -> Result<Self, ModelError> {
        appear(folder, true, |aside| {
            self.copy_files(aside)?;
            Self::open(aside)?.set_flow(flow)
        })?;
        Self::open(folder)
    }

    fn copy_files(&self, folder: &Path) -> Result<(), ModelError> {
        for name in self.manifest.files.keys() {
            let from = self.folder.join(name);
            std::fs::copy(&from, folder.join(name)).map_err(ModelError::system(&from))?;
        }
        self.manifest.write(folder)
    }
}

/// Fills a folder under another name beside it, and then gives it its own. A bundle that was there goes
/// last, if it may be replaced; anything else that was there is [`ModelError::Taken`].
pub(crate) fn appear(
    folder: &Path,
    replace: bool,
    fill: impl FnOnce(&Path) -> Result<(), ModelError>,
) -> Result<(), ModelError> {
    let occupied = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if occupied && !(replace && Manifest::path(folder).is_file()) {
        let path = folder.to_path_buf();
        return Err(ModelError::Taken { path });
    }
    let new = NewFolder::beside(folder).map_err(ModelError::system(folder))?;
    fill(new.path())?;
    new.replace().map_err(ModelError::system(folder))
}
