//! The record of a run: a row for each step.

use std::fs::{File, OpenOptions};
use std::io;
use std::iter;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, Writer, WriterBuilder};
use svg_store::write_file;

use super::error::LogError;
use super::scalars::Scalars;

/// Name of the first column.
const STEP: &str = "step";

/// A CSV file with the column `step` and one for each number.
///
/// Each row is on the disk's side of the program before [`write`](Self::write) returns. The first
/// row names the columns. A number that first appears later gets a column of its own, empty above;
/// one that is missing leaves its place empty.
#[derive(Debug)]
pub(crate) struct CsvLog {
    path: PathBuf,
    /// Names of the columns, `step` first; none before the first row.
    header: StringRecord,
    writer: Writer<File>,
}

impl CsvLog {
    /// Opens a log to go on after step `resume_at`, or begins one.
    ///
    /// Rows of later steps, which a run had written between its last checkpoint and its end, are
    /// dropped: those steps will be made again. So is a row that was cut off. A run that starts
    /// anew, at 0, thus empties an older log.
    pub fn open(path: impl Into<PathBuf>, resume_at: u64) -> Result<Self, LogError> {
        let path = path.into();
        let mut header = StringRecord::new();
        if path.exists() {
            let mut records = read(&path)?;
            // The header has no number.
            let kept = |record: &StringRecord| record[0].parse().map(|step: u64| step <= resume_at);
            records.retain(|record| kept(record).unwrap_or(true));
            replace(&path, &records)?;
            header = records.into_iter().next().unwrap_or_default();
        }
        let writer = append(&path)?;
        Ok(Self {
            path,
            header,
            writer,
        })
    }

    /// Where the log is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a row; none for a step without numbers.
    pub fn write(&mut self, step: u64, scalars: &Scalars) -> Result<(), LogError> {
        if scalars.is_empty() {
            return Ok(());
        }
        let names = scalars.iter().map(|(name, _)| name);
        let is_new = |name: &&str| self.header.iter().all(|known| known != *name);
        let news: Vec<_> = names.filter(is_new).collect();
        if !news.is_empty() {
            self.widen(&news)?;
        }
        let values = self.header.iter().skip(1).map(|name| {
            // `{:?}` is the shortest text that reads as the same number.
            let value = scalars.get(name);
            value.map_or(String::new(), |value| format!("{value:?}"))
        });
        self.writer
            .write_record(iter::once(step.to_string()).chain(values))
            .map_err(io::Error::from)
            .and_then(|()| self.writer.flush())
            .map_err(LogError::file(&self.path))
    }

    /// Adds columns, empty so far.
    fn widen(&mut self, news: &[&str]) -> Result<(), LogError> {
        let mut records = read(&self.path)?;
        if records.is_empty() {
            records.push(StringRecord::from(vec![STEP]));
        }
        for name in news {
            let fields = iter::once(*name).chain(iter::repeat(""));
            for (record, field) in records.iter_mut().zip(fields) {
                record.push_field(field);
            }
        }
        replace(&self.path, &records)?;
        self.header = records.swap_remove(0);
        self.writer = append(&self.path)?;
        Ok(())
    }
}

fn append(path: &Path) -> Result<Writer<File>, LogError> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    let file = file.map_err(LogError::file(path))?;
    Ok(WriterBuilder::new().has_headers(false).from_writer(file))
}

/// The header and the whole rows of a log; nothing if it is empty.
fn read(path: &Path) -> Result<Vec<StringRecord>, LogError> {
    let foreign = |reason: String| LogError::Foreign {
        path: path.into(),
        reason,
    };
    let file = svg_store::open_file(path).map_err(LogError::file(path))?;
    let reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(file);
    let records: Result<Vec<_>, _> = reader.into_records().collect();
    let mut records = records.map_err(|cause| foreign(cause.to_string()))?;
    let Some(header) = records.first() else {
        return Ok(records);
    };
    if &header[0] != STEP {
        return Err(foreign(format!("its first column is not {STEP:?}")));
    }
    let columns = header.len();
    // Others were cut off.
    records.retain(|record| record.len() == columns);
    let mut steps = records[1..].iter().map(|record| &record[0]);
    match steps.find(|step| step.parse::<u64>().is_err()) {
        Some(other) => Err(foreign(format!("{other:?} is no step"))),
        None => Ok(records),
    }
}

/// Replaces the file.
fn replace(path: &Path, records: &[StringRecord]) -> Result<(), LogError> {
    write_file(path, |file| {
        let mut writer = Writer::from_writer(file);
        for record in records {
            writer.write_record(record)?;
        }
        writer.flush()
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("steps.csv");
        (folder, path)
    }

    fn loss(value: f64) -> Scalars {
        Scalars::new().with("loss", value)
    }

    fn text(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_resumed_log_is_that_of_an_unbroken_run() {
        let (_folder, path) = place();
        let write = |resume_at, steps: std::ops::RangeInclusive<u64>| {
            let mut log = CsvLog::open(&path, resume_at).unwrap();
            for step in steps {
                log.write(step, &loss(1.0 / step as f64)).unwrap();
            }
        };
        write(0, 1..=9);
        let unbroken = text(&path);
        write(0, 1..=7);
        write(4, 5..=9);
        assert_eq!(text(&path), unbroken);
        assert!(unbroken.starts_with("step,loss\n1,1.0\n2,0.5\n3,0.3333333333333333\n"));
    }

    #[test]
    fn each_row_is_written_at_once() {
        let (_folder, path) = place();
        let mut log = CsvLog::open(&path, 0).unwrap();
        log.write(0, &Scalars::new()).unwrap();
        log.write(1, &loss(f64::NAN)).unwrap();
        assert_eq!(text(&path), "step,loss\n1,NaN\n");
        log.write(2, &loss(1e-9)).unwrap();
        assert_eq!(text(&path), "step,loss\n1,NaN\n2,1e-9\n");
    }

    #[test]
    fn numbers_that_come_late_or_not_at_all_leave_empty_places() {
        let (_folder, path) = place();
        let mut log = CsvLog::open(&path, 0).unwrap();
        log.write(1, &loss(3.0)).unwrap();
        log.write(2, &Scalars::new().with("psnr, dB", 20.0).with("loss", 2.0))
            .unwrap();
        log.write(3, &loss(1.0)).unwrap();
        let want = "step,loss,\"psnr, dB\"\n1,3.0,\n2,2.0,20.0\n3,1.0,\n";
        assert_eq!(text(&path), want);
    }

    #[test]
    fn a_row_that_was_cut_off_is_dropped() {
        let (_folder, path) = place();
        std::fs::write(&path, "step,loss\n1,0.5\n2,0.25\n3").unwrap();
        CsvLog::open(&path, 9)
            .unwrap()
            .write(3, &loss(0.125))
            .unwrap();
        assert_eq!(text(&path), "step,loss\n1,0.5\n2,0.25\n3,0.125\n");
    }

    #[test]
    fn another_file_is_not_overwritten() {
        let (_folder, path) = place();
        for foreign in ["name,age\nTom,3\n", "step,loss\none,1.0\n"] {
            std::fs::write(&path, foreign).unwrap();
            let message = CsvLog::open(&path, 1).unwrap_err().to_string();
            assert!(message.contains("is no log of steps"), "{message}");
            assert_eq!(text(&path), foreign);
        }
        let none = path.with_file_name("none").join("steps.csv");
        assert!(matches!(CsvLog::open(none, 0), Err(LogError::File { .. })));
    }
}
