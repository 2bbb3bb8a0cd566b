//! What Burn's database of kernels says, which it says to a log that nobody reads.

use std::sync::OnceLock;

use burn::cubecl::environment;
use log::{Level, LevelFilter, Log, Metadata, Record};

use super::VARIABLE;
use crate::progress::status;

/// The first trouble. One sentence is enough: what cannot be written once cannot be written a thousand times.
static TROUBLE: OnceLock<String> = OnceLock::new();

/// Listens from now on.
pub fn listen() {
    // Another logger would say everything itself.
    if log::set_logger(&Ear).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

/// Whether something went wrong.
pub fn is_trouble() -> bool {
    TROUBLE.get().is_some()
}

/// Says what is wrong with the database, once.
pub fn trouble(reason: &str) {
    if TROUBLE.set(reason.to_string()).is_ok() {
        status!("{}", sentence(&environment::path().display(), reason));
    }
}

struct Ear;

impl Log for Ear {
    fn enabled(&self, of: &Metadata) -> bool {
        of.level() <= Level::Warn && of.target().starts_with("cubecl_environment::persistence")
    }

    fn log(&self, record: &Record) {
        if self.enabled(record.metadata())
            && let Some(reason) = reason(&record.args().to_string())
        {
            trouble(&reason);
        }
    }

    fn flush(&self) {}
}

/// Why nothing is kept, if a warning says so.
fn reason(warning: &str) -> Option<String> {
    let begins = ["Unable to ", "cubecl cache: database schema"];
    let is_harmless = [
        // Another process is writing; it has the same to say.
        "database is locked",
        "Database is busy",
        // Of another version, and begun anew.
        "discarding cached entries",
    ];
    let is_heard = begins.iter().any(|begin| warning.starts_with(begin));
    let is_harmless = is_harmless.iter().any(|word| warning.contains(word));
    if !is_heard || is_harmless {
        return None;
    }
    let (_, reason) = warning.split_once(": ").unwrap_or(("", warning));
    Some(reason.lines().next().unwrap_or_default().to_string())
}

fn sentence(file: &dyn std::fmt::Display, reason: &str) -> String {
    format!(
        "{file}: what this start finds out about the card is not kept, so that the next one compiles and tunes its \
         kernels again ({reason}). Remove the file if it is damaged, or let {VARIABLE} name a folder that can be written"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_of_the_database_are_said_with_their_reason() {
        let full = "Unable to open Turso cache for 'autotune/0.11.3/wgpu', using memory: I/O error (creating the cache \
                    directory): entity already exists";
        let why = reason(full).unwrap();
        assert!(why.starts_with("I/O error"), "{why}");
        let said = sentence(&"/c/default.db", &why);
        assert!(
            said.contains("SVG_CACHE") && said.contains("not kept"),
            "{said}"
        );
        let read_only = "Unable to write Turso /c/default.db (cuda/0.11.3/ptx): attempt to write a readonly database";
        assert!(reason(read_only).is_some());
    }

    #[test]
    fn what_costs_one_result_or_nothing_is_not_said() {
        for warning in [
            "Unable to write Turso /c/default.db (cuda/0.11.3/ptx): database is locked",
            "cubecl cache: database schema 2 is not 3, discarding cached entries",
            "Corrupted cache entry, ignoring it: EOF",
        ] {
            assert_eq!(reason(warning), None, "{warning}");
        }
    }
}
