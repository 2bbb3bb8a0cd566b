//! The database in which Burn keeps what it knows of cards.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::Once;

use anyhow::{Context as _, Result, anyhow, ensure};
use burn::cubecl::bundle::{self, BundleFormat, EmbeddedBundle, ExportOptions};
use burn::cubecl::config::autotune::AutotuneLevel;
use burn::cubecl::config::cache::CacheConfig;
use burn::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig as _};
use burn::cubecl::environment;
use burn::cubecl::records::RecordLevel;
use burn::tensor::Bytes;
use svg_store::{read_file, sha256, write_bytes};

use super::{Known, folder, heard};

/// What the file of [`export`] begins with, before the hash of the rest in hexadecimal and a line feed. A kernel that was
/// changed on the way would compute something else.
const HEADER: &str = "svg tune 1 ";
const HASH: usize = 64;

/// Chooses the folder and how much is tuned. Comes before the first device; later calls do nothing.
///
/// A `cubecl.toml` or `burn.toml` in the present folder or above it is obeyed, as are the environment variables of
/// `cubecl`; the folder is then chosen only where they name none.
pub fn prepare() {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| {
        let here = std::env::current_dir().unwrap_or_default();
        let config = match is_configured(&here) {
            true => CubeClRuntimeConfig::from_current_dir(),
            false => ours(),
        };
        let mut config = config.override_from_env();
        if matches!(config.environment.path, CacheConfig::Target) {
            config.environment.path = CacheConfig::Directory(folder());
        }
        heard::listen();
        CubeClRuntimeConfig::try_set(config);
        open();
    });
}

/// Whether a file says how Burn compiles and tunes here.
fn is_configured(here: &Path) -> bool {
    here.ancestors().any(|folder| {
        let mut files = CubeClRuntimeConfig::file_names().iter();
        let mut sections = CubeClRuntimeConfig::section_file_names().iter();
        files.any(|name| CubeClRuntimeConfig::from_file_path(folder.join(name)).is_ok())
            || sections.any(|(name, section)| {
                CubeClRuntimeConfig::from_section_file_path(folder.join(name), section).is_ok()
            })
    })
}

/// What holds where nobody says otherwise.
fn ours() -> CubeClRuntimeConfig {
    let mut config = CubeClRuntimeConfig::default();
    // Burn's default keeps what was tuned and compiles again.
    config.compilation.cache = true;
    config.autotune.level = AutotuneLevel::Balanced;
    // A diary of every start, which only grows.
    config.environment.records.level = RecordLevel::Off;
    config
}

/// Opens the database, whose engine panics at some damage. Where it cannot be opened, results are kept in memory.
fn open() {
    if !opens() {
        heard::trouble("it is damaged");
    }
    if heard::is_trouble() {
        // There are no folders below a file.
        environment::set_root(environment::path().join("none"));
    }
}

/// Whether the database is opened without a panic.
fn opens() -> bool {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let opened = catch_unwind(environment::namespaces);
    std::panic::set_hook(hook);
    opened.is_ok()
}

/// An error where nothing can be kept; there is none.
pub fn check() -> Result<()> {
    Ok(())
}

/// The file of the database.
pub fn file() -> PathBuf {
    environment::path()
}

/// What the database holds.
pub fn known() -> Known {
    let mut known = Known::default();
    for of in environment::namespaces() {
        match of.namespace.split('/').next().unwrap_or_default() {
            "autotune" => known.tuned += of.entries,
            "throughput" | "records" => {}
            // Other names of kernels that are kept already.
            second if second.ends_with("-second-line") => {}
            _ => known.compiled += of.entries,
        }
    }
    known
}

/// Writes all results into one file, which [`import`] takes on another machine with the same card and program.
pub fn export(file: &Path) -> Result<()> {
    let failed = || format!("{} cannot be written", file.display());
    let options = ExportOptions {
        name: "svg".to_string(),
        excluded_namespaces: vec!["records".to_string()],
        format: BundleFormat::Flat,
        ..ExportOptions::default()
    };
    let database = environment::path();
    ensure!(
        database.exists(),
        "{} is not there: nothing was compiled or tuned yet",
        database.display()
    );
    let rough = std::env::temp_dir().join(format!("svg-tune-{}.bundle", std::process::id()));
    let saved = bundle::export(&[&database], &rough, &options);
    let bytes = saved
        .map_err(|error| anyhow!("{error}"))
        .and_then(|_| Ok(read_file(&rough)?));
    // A missing one is what is wanted.
    let _ = std::fs::remove_file(&rough);
    let bytes = bytes.with_context(failed)?;
    let header = format!("{HEADER}{}\n", sha256(&bytes));
    write_bytes(file, [header.as_bytes(), &bytes].concat()).with_context(failed)
}

/// Takes the results of a file that [`export`] has written, and says how many were new.
pub fn import(file: &Path) -> Result<usize> {
    let name = file.display();
    let bytes = read_file(file).with_context(|| name.to_string())?;
    let bytes = unsealed(&bytes).with_context(|| {
        format!(
            "{name} is no whole file of `svg tune --export`; make it anew on a machine with such a card"
        )
    })?;
    let opened = EmbeddedBundle::open(Bytes::from_bytes_vec(bytes.to_vec()));
    let opened = opened.map_err(|error| anyhow!("{name}: {error}"))?;
    let report = bundle::import(&opened);
    ensure!(
        report.failed == 0 && environment::path().exists(),
        "results of {name} cannot be written to {}; is the disk full, or the folder another user's?",
        environment::path().display()
    );
    Ok(report.imported)
}

/// The bytes behind the header, if they are those that it is of.
fn unsealed(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(HEADER.as_bytes())?;
    let (hash, rest) = rest.split_at_checked(HASH)?;
    let bytes = rest.strip_prefix(b"\n")?;
    (sha256(bytes).as_bytes() == hash).then_some(bytes)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
