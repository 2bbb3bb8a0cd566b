//! What differs between equal runs: how long they took, and how much memory.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use svg_store::write_json;

use crate::memory::peak_bytes;

/// The document `timings.json`, added to by every start.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Timings {
    /// Seconds of each phase, in the order of the phases. What a killed process had begun is missing.
    pub phases: Vec<Phase>,
    /// The largest memory of a process, where the system tells.
    pub peak_bytes: Option<u64>,
    /// Threads that the machine runs at once.
    pub threads: usize,
    pub starts: u64,
    #[serde(skip)]
    path: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Phase {
    pub name: String,
    pub seconds: f64,
}

impl Timings {
    /// Those of earlier starts and one start more. A damaged file is begun anew: it is nobody's result.
    pub fn open(out: &Path) -> Self {
        let mut timings = Self::read(out);
        timings.threads = std::thread::available_parallelism().map_or(1, Into::into);
        timings.starts = timings.starts.saturating_add(1);
        timings
    }

    /// Those of earlier starts.
    pub fn read(out: &Path) -> Self {
        let path = out.join("timings.json");
        let text = svg_store::read_file(&path).unwrap_or_default();
        let timings: Self = serde_json::from_slice(&text).unwrap_or_default();
        Self { path, ..timings }
    }

    /// Does the work of a phase and adds its time, whether or not it succeeds.
    pub fn phase<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let begun = Instant::now();
        let done = work();
        self.add(name, begun.elapsed().as_secs_f64());
        self.write()?;
        done
    }

    /// Seconds of a phase; 0 if it was never begun.
    pub fn seconds(&self, name: &str) -> f64 {
        let phase = self.phases.iter().find(|phase| phase.name == name);
        phase.map_or(0.0, |phase| phase.seconds)
    }

    pub fn total(&self) -> f64 {
        self.phases.iter().map(|phase| phase.seconds).sum()
    }

    fn add(&mut self, name: &str, seconds: f64) {
        self.peak_bytes = self.peak_bytes.max(peak_bytes());
        match self.phases.iter_mut().find(|phase| phase.name == name) {
            Some(phase) => phase.seconds += seconds,
            None => self.phases.push(Phase {
                name: name.to_string(),
                seconds,
            }),
        }
    }

    fn write(&self) -> Result<()> {
        Ok(write_json(&self.path, self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_of_several_starts_are_added() {
        let place = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let mut timings = Timings::open(place.path());
            timings.phase("flow", || Ok(())).unwrap();
            timings.add("flow", 2.0);
            timings.write().unwrap();
        }
        let timings = Timings::open(place.path());
        assert_eq!((timings.phases.len(), timings.starts), (1, 3));
        assert!(timings.total() >= 4.0);
    }
}
