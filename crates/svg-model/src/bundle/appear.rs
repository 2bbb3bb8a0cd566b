//! How whole bundles appear: aside first, and under their names when every file is in its place.

use std::fs::File;
use std::path::Path;

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
        let path = folder.to_path_buf();
        return Err(ModelError::Taken { path });
    }
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).map_err(ModelError::system(parent))?;
    // Removes itself if anything below fails.
    let aside = tempfile::Builder::new()
        .prefix(".writing-")
        .tempdir_in(parent)
        .map_err(ModelError::system(parent))?;
    fill(aside.path())?;
    readable(aside.path()).map_err(ModelError::system(aside.path()))?;
    let old = parent.join(format!(".replaced-{}", std::process::id()));
    let replaces = folder.exists();
    if replaces {
        // A killed process of the same number may have left its own.
        let _ = std::fs::remove_dir_all(&old);
        std::fs::rename(folder, &old).map_err(ModelError::system(folder))?;
    }
    if let Err(error) = std::fs::rename(aside.path(), folder) {
        if replaces {
            let _ = std::fs::rename(&old, folder);
        }
        return Err(ModelError::system(folder)(error));
    }
    // It is there under its own name, so that there is nothing to remove.
    let _ = aside.keep();
    let _ = std::fs::remove_dir_all(old);
    sync(parent);
    Ok(())
}

/// Temporary folders are private; a bundle is an ordinary folder.
fn readable(folder: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    }
    File::open(folder)?.sync_all()
}

/// A rename is durable when its folder is; where folders cannot be synchronised, it is left to the system.
fn sync(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}
