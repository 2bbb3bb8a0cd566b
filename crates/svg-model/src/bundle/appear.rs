//! How whole bundles appear: aside first, and under their names when every file is in its place.

use std::path::Path;

use svg_store::{NewFolder, PathError};

use super::manifest::Manifest;
use crate::ModelError;

/// Fills a folder under another name beside it, and then gives it its own. A bundle that was there goes
/// last, if it may be replaced; anything else that was there is [`ModelError::Taken`].
pub(super) fn appear(
    folder: &Path,
    replace: bool,
    fill: impl FnOnce(&Path) -> Result<(), ModelError>,
) -> Result<(), ModelError> {
    let occupied = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if occupied && !(replace && Manifest::path(folder).is_file()) {
        return Err(ModelError::Taken(folder.to_path_buf()));
    }
    let new = NewFolder::beside(folder).map_err(PathError::at(folder))?;
    fill(new.path())?;
    Ok(new.replace().map_err(PathError::at(folder))?)
}
