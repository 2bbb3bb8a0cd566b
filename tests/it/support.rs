//! Runs as a user starts, kills and compares them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

pub fn svg() -> Command {
    Command::new(env!("CARGO_BIN_EXE_svg"))
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// SIGKILL: the process learns nothing of its end.
pub fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Sends a signal, such as `TERM`.
pub fn signal(child: &Child, name: &str) {
    let words = [format!("-{name}"), child.id().to_string()];
    assert!(Command::new("kill").args(words).status().unwrap().success());
}

/// Whether this process ignores SIGHUP, as under `nohup`, and with it all that it starts.
pub fn ignores_hangups() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

/// The folder of a run.
pub struct Run(pub PathBuf);

impl Run {
    /// The newest checkpoint, by its step.
    pub fn newest(&self) -> Option<u64> {
        let names = fs::read_dir(self.0.join("checkpoints")).ok()?;
        let step = |name: &str| name.strip_prefix("step-")?.parse().ok();
        names
            .filter_map(|entry| step(entry.ok()?.file_name().to_str()?))
            .max()
    }

    /// The last step in the table.
    pub fn last_row(&self) -> u64 {
        let table = fs::read_to_string(self.0.join("steps.csv")).unwrap_or_default();
        let last = table.lines().last().and_then(|line| line.split(',').next());
        last.and_then(|step| step.parse().ok()).unwrap_or(0)
    }

    pub fn wait_for_row(&self, row: u64) {
        let start = Instant::now();
        while self.last_row() < row {
            assert!(start.elapsed() < Duration::from_secs(60), "no step {row}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What came of them, the checkpoints of a step and the tables are the same files with the same bytes.
    pub fn assert_same(&self, other: &Self, step: u64) {
        let folder = |run: &Self| run.0.join(format!("checkpoints/step-{step:08}"));
        let here = |run: &Self| run.0.display().to_string();
        let pairs = [
            (files(&folder(self)), files(&folder(other))),
            (self.results(), other.results()),
        ];
        for (one, two) in pairs {
            let names =
                |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&one), names(&two));
            for (name, bytes) in &one {
                let (here, there) = (here(self), here(other));
                assert!(*bytes == two[name], "{name} differs: {here}, {there}");
            }
        }
        let table = |run: &Self| fs::read_to_string(run.0.join("steps.csv")).unwrap();
        assert_eq!(table(self), table(other));
    }

    /// The files of the bundle, or the encoder.
    fn results(&self) -> BTreeMap<String, Vec<u8>> {
        let (bundle, encoder) = (self.0.join("bundle"), "encoder.safetensors");
        match bundle.is_dir() {
            true => files(&bundle),
            false => [(encoder.to_string(), fs::read(self.0.join(encoder)).unwrap())].into(),
        }
    }
}

/// Files by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let read = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    };
    entries.map(read).collect()
}
