//! The bundle that a run leaves.

use std::path::{Path, PathBuf};

use svg_model::{Bundle, FlowContents, Manifest};

use crate::TrainError;

/// A copy of `bundle` at `folder` with another flow. It appears under its name when it is whole.
pub(super) fn with_flow(
    bundle: &Bundle,
    folder: &Path,
    flow: FlowContents,
) -> Result<PathBuf, TrainError> {
    let parent = folder.parent().unwrap_or(Path::new("."));
    // Removes itself if anything below fails.
    let aside = tempfile::Builder::new()
        .prefix(".writing-")
        .tempdir_in(parent)
        .map_err(TrainError::system(parent))?;
    let manifest = Manifest::path(bundle.folder());
    let named = bundle.manifest().files.keys();
    for from in named
        .map(|name| bundle.folder().join(name))
        .chain([manifest])
    {
        let to = aside.path().join(from.file_name().unwrap_or_default());
        std::fs::copy(&from, &to).map_err(TrainError::system(&from))?;
    }
    Bundle::open(aside.path())?.set_flow(flow)?;
    readable(aside.path()).map_err(TrainError::system(aside.path()))?;
    let old = parent.join(format!(".replaced-{}", std::process::id()));
    if folder.exists() {
        std::fs::rename(folder, &old).map_err(TrainError::system(folder))?;
    }
    std::fs::rename(aside.keep(), folder).map_err(TrainError::system(folder))?;
    let _ = std::fs::remove_dir_all(old);
    Ok(folder.to_path_buf())
}

/// Temporary folders are private; a bundle is an ordinary folder.
fn readable(folder: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    }
    std::fs::File::open(folder)?.sync_all()
}
