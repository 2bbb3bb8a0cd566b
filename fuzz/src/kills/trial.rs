//! One command, killed and started again until it ends.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use svg_store::Random;

use super::contents::{Contents, contents, differences, without_extra};
use super::writer::Writer;
use crate::input::copy;
use crate::world::World;

/// The first word of the keys of all moments.
const PURPOSE: u64 = u64::from_le_bytes(*b"kills at");
/// Kills of a trial, at most.
const KILLS: u64 = 3;
/// Longest time of a command, and from SIGTERM to its end.
const LONGEST: Duration = Duration::from_secs(300);
/// Starts after which a command must have ended.
const STARTS: usize = 3;

/// What a command leaves that nobody kills.
pub struct Reference {
    pub contents: Contents,
    pub took: Duration,
}

/// What a trial has shown.
pub struct Shown {
    pub kills: u64,
    /// Whether one of them was SIGTERM.
    pub asked: u64,
    /// What is wrong, if something is.
    pub fault: Option<String>,
}

/// A folder in which a command is started.
struct Place<'a> {
    folder: PathBuf,
    writer: &'a Writer,
    world: &'a World,
}

/// Runs a command in folders of its own, twice: it must leave the same.
pub fn reference(writer: &Writer, world: &World, scratch: &Path) -> Result<Reference> {
    let run = |name: &str| {
        let place = Place::new(writer, world, &scratch.join(name))?;
        let start = Instant::now();
        let name = writer.name;
        let whole = place
            .whole()?
            .with_context(|| format!("{name} does not end"))?;
        let (status, said) = whole;
        ensure!(status.success(), "{name} ends with {status}: {said}");
        Ok((contents(&place.folder)?, start.elapsed()))
    };
    let ((first, _), (second, took)) = (run("first")?, run("second")?);
    let differences = differences(&second, &first);
    let name = writer.name;
    ensure!(
        differences.is_none(),
        "{name} does not leave the same twice: {}",
        differences.unwrap_or_default()
    );
    Ok(Reference {
        contents: first,
        took,
    })
}

/// Kills a command at moments that depend on the number.
pub fn trial(
    writer: &Writer,
    reference: &Reference,
    world: &World,
    folder: &Path,
    [seed, number]: [u64; 2],
) -> Result<Shown> {
    let mut random = Random::keyed([PURPOSE, seed, number, 0]);
    let place = Place::new(writer, world, folder)?;
    let mut shown = Shown {
        kills: 0,
        asked: 0,
        fault: None,
    };
    let mut asked = BTreeSet::new();
    for _ in 0..1 + random.below(KILLS) {
        let moment = reference.took.mul_f64(random.fraction());
        let ask = writer.run.is_some() && random.below(3) == 0;
        let begun = SystemTime::now();
        let child = place.start()?;
        std::thread::sleep(moment);
        let ended = match ask {
            true => place.terminate(child, begun)?,
            false => kill(child)?,
        };
        match ended {
            Ended::Killed => shown.kills += 1,
            Ended::Before => {}
            Ended::Asked(fault) => {
                shown.asked += 1;
                if fault.is_some() {
                    shown.fault = fault;
                    return Ok(shown);
                }
                asked.extend(place.newest());
            }
        }
    }
    shown.fault = place.end(reference, &asked)?;
    Ok(shown)
}

enum Ended {
    /// The command had ended.
    Before,
    Killed,
    /// By SIGTERM, and what was wrong about it.
    Asked(Option<String>),
}

fn kill(mut child: Child) -> Result<Ended> {
    if child.try_wait()?.is_some() {
        return Ok(Ended::Before);
    }
    child.kill()?;
    child.wait()?;
    Ok(Ended::Killed)
}

impl<'a> Place<'a> {
    /// A new folder with what the command needs.
    fn new(writer: &'a Writer, world: &'a World, folder: &Path) -> Result<Self> {
        let folder = folder.join("project");
        fs::create_dir_all(&folder)?;
        for name in writer.needs {
            copy(&world.path(name), &folder.join(name))?;
        }
        Ok(Self {
            folder,
            writer,
            world,
        })
    }

    /// Where standard error goes: beside the folder, so that it is no part of its contents.
    fn errors(&self) -> PathBuf {
        self.folder.with_file_name("standard-error")
    }

    fn start(&self) -> Result<Child> {
        let mut command = self.world.program(&self.folder);
        command.args(self.writer.words(self.newest().is_some()));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(self.errors())?);
        command.spawn().context("the program")
    }

    /// Runs the command to its end, and what it said last; `None` if it does not end.
    fn whole(&self) -> Result<Option<(ExitStatus, String)>> {
        let status = ended(&mut self.start()?)?;
        let said = fs::read(self.errors()).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).trim().to_string();
        let last = said.lines().next_back().unwrap_or_default();
        Ok(status.map(|status| (status, last.to_string())))
    }

    /// Starts the command until its files are those that it leaves if nobody kills it; what is wrong, if something
    /// is. A start may be refused where they are whole already. A run keeps its newest checkpoints, and those of the
    /// steps at which it was `asked` to end may be among them.
    fn end(&self, reference: &Reference, asked: &BTreeSet<u64>) -> Result<Option<String>> {
        let mut fault = None;
        for _ in 0..STARTS {
            let Some((status, said)) = self.whole()? else {
                return Ok(Some("it does not end".to_string()));
            };
            let mut found = contents(&self.folder)?;
            let mut expected = reference.contents.clone();
            without_extra(&mut found, &mut expected, asked);
            let differences = differences(&found, &expected);
            match differences {
                None => return Ok(None),
                Some(differences) if status.success() => return Ok(Some(differences)),
                Some(differences) => {
                    fault = Some(format!("{status}: {said}; {differences}"));
                }
            }
        }
        Ok(fault)
    }

    /// The step of the newest checkpoint of a training.
    fn newest(&self) -> Option<u64> {
        let run = self.folder.join(self.writer.run?);
        let entries = fs::read_dir(run.join("checkpoints")).ok()?;
        let step = |entry: std::io::Result<fs::DirEntry>| {
            let name = entry.ok()?.file_name();
            name.to_str()?.strip_prefix("step-")?.parse().ok()
        };
        entries.filter_map(step).max()
    }

    /// The table of a training.
    fn table(&self) -> Option<PathBuf> {
        Some(self.folder.join(self.writer.run?).join("steps.csv"))
    }

    /// The last step in the table.
    fn last_row(&self) -> Option<u64> {
        let table = fs::read_to_string(self.table()?).ok()?;
        table.lines().next_back()?.split(',').next()?.parse().ok()
    }

    /// Whether the table was written to since a moment: then the training is in its steps.
    fn is_stepping(&self, since: SystemTime) -> bool {
        let written = self
            .table()
            .and_then(|table| fs::metadata(table).ok()?.modified().ok());
        self.last_row().is_some() && written.is_some_and(|written| written > since)
    }

    /// Asks a training to end by SIGTERM. If it was in its steps, it must leave a checkpoint of the one that it was in.
    fn terminate(&self, mut child: Child, begun: SystemTime) -> Result<Ended> {
        if child.try_wait()?.is_some() {
            return Ok(Ended::Before);
        }
        let stepping = self.is_stepping(begun);
        let id = child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        ensure!(sent.context("kill")?.success(), "kill -TERM {id}");
        let Some(status) = ended(&mut child)? else {
            return Ok(Ended::Asked(Some("SIGTERM does not end it".to_string())));
        };
        let (newest, last) = (self.newest(), self.last_row());
        let fault = match status.code() {
            _ if !stepping => None,
            None => Some(format!("SIGTERM ends it at once, {status}")),
            Some(_) if newest == last => None,
            Some(_) => Some(format!(
                "after SIGTERM the newest checkpoint is {newest:?} and the last step {last:?}"
            )),
        };
        Ok(Ended::Asked(fault))
    }
}

/// Waits for the end of a process; `None` if it was killed after the longest time.
fn ended(child: &mut Child) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    while start.elapsed() < LONGEST {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}
