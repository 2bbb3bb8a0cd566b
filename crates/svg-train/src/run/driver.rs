//! The loop of a run, from its first step to its last, with resume.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use svg_image::save_png;
use svg_model::ModelError;
use svg_store::{Checked as _, FolderLock, LockError, read_if_there, write_bytes};

use super::document::differences;
use crate::TrainError;
use crate::log::{CsvLog, TensorBoard};
use crate::run::{
    Begun, Checkpoints, Course, Ended, Identity, Observer, Pace, Place, Stage, Standing, StepReport,
};

/// The configuration, in the folder of a run and in each of its checkpoints.
const DOCUMENT: &str = "config.json";
/// Time between two attempts to make the model while another process changes it.
const WAIT: Duration = Duration::from_millis(500);
/// After so many returns to one checkpoint, training gives up.
const MOST_ROLLBACKS: u64 = 8;

/// Where a run is, and how it is to go on.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The folder of the run.
    pub out: PathBuf,
    /// Whether to go on from the newest checkpoint.
    pub resume: bool,
    /// Whether to go on although the pictures have changed.
    pub force_data: bool,
    /// Steps to stop after, before those of the configuration.
    pub max_steps: Option<u64>,
}

impl RunOptions {
    /// A new run in this folder, to its last step.
    pub fn new(out: impl Into<PathBuf>) -> Self {
        Self {
            out: out.into(),
            resume: false,
            force_data: false,
            max_steps: None,
        }
    }
}

/// Trains a course, or goes on training it.
///
/// `begin` makes the course; it is called when this process has locked the folder. Whatever error this ends
/// with, the newest checkpoint is whole.
pub(crate) fn run<C: Course>(
    options: RunOptions,
    begin: impl FnOnce() -> Result<Begun<C>, TrainError>,
    observer: &mut dyn Observer,
) -> Result<Ended, TrainError> {
    std::fs::create_dir_all(&options.out).map_err(TrainError::system(&options.out))?;
    let _lock = FolderLock::acquire(&options.out, "trains in")?;
    observer.watches(C::HEADLINES);
    Run::begin(options, begin()?, observer)?.go(observer)
}

struct Run<C: Course> {
    options: RunOptions,
    pace: Pace,
    checkpoints: Checkpoints,
    course: C,
    stage: C::Stage,
    document: String,
    state: Standing<C::Identity>,
    csv: CsvLog,
    events: TensorBoard,
    rollbacks: u64,
}

impl<C: Course> Run<C> {
    fn begin(
        options: RunOptions,
        begun: Begun<C>,
        observer: &mut dyn Observer,
    ) -> Result<Self, TrainError> {
        let Begun {
            mut course,
            mut stage,
            pace,
            document,
            beginning: now,
        } = begun;
        let checkpoints =
            Checkpoints::open(&options.out.join("checkpoints"), pace.checkpoints_kept)?;
        let found = checkpoints.newest::<Standing<C::Identity>>()?;
        let state = match (found, options.resume) {
            (Some(found), true) => {
                for reason in &found.passed_over {
                    observer.remark(&format!("passed over a damaged checkpoint, {reason}"));
                }
                unedited(&options.out, &found.folder, &document)?;
                checkpoints.set_aside_after(found.state.step)?;
                let state = agreed(found.state, now, options.force_data, observer)?;
                course.keep(&options.out)?;
                stage.restore(&found.folder)?;
                state
            }
            (None, true) => return Err(TrainError::NothingToResume { path: options.out }),
            (None, false) if checkpoints.is_empty()? => {
                course.keep(&options.out)?;
                write_bytes(options.out.join(DOCUMENT), &document)?;
                checkpoints.write(0, &now, |folder| save(&stage, &document, folder))?;
                now
            }
            (_, false) => return Err(TrainError::Occupied { path: options.out }),
        };
        Ok(Self {
            csv: CsvLog::open(options.out.join("steps.csv"), state.step)?,
            events: TensorBoard::create(options.out.join("tensorboard"), SystemTime::now())?,
            checkpoints,
            course,
            stage,
            document,
            state,
            pace,
            options,
            rollbacks: 0,
        })
    }

    fn go(mut self, observer: &mut dyn Observer) -> Result<Ended, TrainError> {
        let most = self.options.max_steps.unwrap_or(u64::MAX);
        let steps = self.pace.steps.min(most);
        observer.begins(self.state.step, steps, self.pace.images_per_step());
        while self.state.step < steps {
            if observer.wants_to_stop() {
                self.checkpoint()?;
                return Ok(Ended::Interrupted(self.state.step));
            }
            let learning_rate = self.learning_rate();
            let Some(report) = self.step(learning_rate, observer)? else {
                continue;
            };
            self.note(report, learning_rate, observer)?;
            if self.state.dropped_in_a_row >= self.pace.patience {
                self = self.roll_back(observer)?;
                continue;
            }
            if self.state.step.is_multiple_of(self.pace.checkpoint_every) {
                self.checkpoint()?;
                if self.state.dropped_in_a_row == 0 {
                    self.rollbacks = 0;
                }
            }
        }
        self.checkpoint()?;
        let Some(folder) = self.finish(observer)? else {
            return Ok(Ended::Interrupted(self.state.step));
        };
        // Parts of a folder that was being removed may be there again, written since.
        for path in [self.csv.path(), &folder] {
            if !path.exists() {
                return Err(TrainError::Gone(path.to_path_buf()));
            }
        }
        Ok(Ended::Finished(folder))
    }

    /// Makes the model. A process that changes the one of an earlier end is waited for; `None` if an end was asked
    /// for meanwhile.
    fn finish(&self, observer: &mut dyn Observer) -> Result<Option<PathBuf>, TrainError> {
        let mut is_told = false;
        loop {
            let (course, step) = (&self.course, self.state.step);
            let made = course.finish(&self.stage, &self.options.out, step);
            let held = match made {
                Err(TrainError::Model(ModelError::Locked(held @ LockError::Held { .. }))) => held,
                made => return made.map(Some),
            };
            if !is_told {
                observer.remark(&format!("{held}: it is waited for"));
                is_told = true;
            }
            if observer.wants_to_stop() {
                return Ok(None);
            }
            std::thread::sleep(WAIT);
        }
    }

    /// Takes a step; `None` if an end was asked for before its data were read and encoded.
    fn step(
        &mut self,
        learning_rate: f64,
        observer: &mut dyn Observer,
    ) -> Result<Option<StepReport>, TrainError> {
        let (step, mut cursor) = (self.state.step, self.state.cursor);
        let mut batches = Vec::new();
        for batch in 0..self.pace.accumulation as u64 {
            let place = Place { step, batch };
            let (data, after) = self.course.batch(place, cursor, observer)?;
            batches.push(data);
            cursor = after;
            if observer.wants_to_stop() {
                return Ok(None);
            }
        }
        let report = self.stage.step(step, learning_rate, batches);
        self.state.cursor = cursor;
        self.state.step += 1;
        Ok(Some(report))
    }

    fn learning_rate(&self) -> f64 {
        self.course.learning_rate(self.state.step) * 0.5f64.powi(self.state.halvings as i32)
    }

    /// Counts a step, logs it, and shows samples when it is their turn.
    fn note(
        &mut self,
        report: StepReport,
        learning_rate: f64,
        observer: &mut dyn Observer,
    ) -> Result<(), TrainError> {
        let (step, mut scalars) = (self.state.step, report.scalars);
        match report.dropped {
            false => self.state.dropped_in_a_row = 0,
            true => {
                self.state.dropped += 1;
                self.state.dropped_in_a_row += 1;
                observer.remark(&format!(
                    "step {step} was dropped, its loss or gradient is not finite ({} in a row, {} in all)",
                    self.state.dropped_in_a_row, self.state.dropped
                ));
            }
        }
        scalars.push("learning_rate", learning_rate);
        scalars.push("dropped", self.state.dropped as f64);
        if (step.is_multiple_of(self.pace.samples_every) || step == self.pace.steps)
            && let Some(shown) = self.course.show(&self.stage)?
        {
            let folder = self.options.out.join("samples");
            std::fs::create_dir_all(&folder).map_err(TrainError::system(&folder))?;
            let path = folder.join(format!("step-{step:08}.png"));
            let notes = format!("step {step}, {}", shown.caption);
            save_png(&shown.image, path, &[("Comment", &notes)])?;
            self.events.image(step, "samples", &shown.image)?;
            observer.remark(&format!("step {step}: {}", shown.summary));
            scalars.append(shown.scalars);
        }
        self.csv.write(step, &scalars)?;
        self.events.scalars(step, &scalars)?;
        observer.stepped(step, &scalars);
        Ok(())
    }

    fn checkpoint(&self) -> Result<(), TrainError> {
        let fill = |folder: &Path| save(&self.stage, &self.document, folder);
        self.checkpoints.write(self.state.step, &self.state, fill)?;
        Ok(())
    }

    /// Goes back to the newest checkpoint with half the learning rate. The order of pictures goes on, so that
    /// other pictures follow.
    fn roll_back(mut self, observer: &mut dyn Observer) -> Result<Self, TrainError> {
        self.rollbacks += 1;
        let found = self.checkpoints.newest::<Standing<C::Identity>>()?;
        let (Some(found), true) = (found, self.rollbacks <= MOST_ROLLBACKS) else {
            return Err(TrainError::Diverged {
                patience: self.pace.patience,
                rollbacks: self.rollbacks - 1,
            });
        };
        self.stage.restore(&found.folder)?;
        self.state = Standing {
            halvings: self.state.halvings + 1,
            cursor: self.state.cursor,
            dropped: self.state.dropped,
            dropped_in_a_row: 0,
            ..found.state
        };
        observer.remark(&format!(
            "{} steps in a row were dropped: back to step {} with the learning rate {:e}",
            self.pace.patience,
            self.state.step,
            self.learning_rate()
        ));
        self.csv = CsvLog::open(self.options.out.join("steps.csv"), self.state.step)?;
        Ok(self)
    }
}

/// Puts a stage and the configuration into the folder of a checkpoint.
fn save(stage: &impl Stage, document: &str, folder: &Path) -> Result<(), TrainError> {
    write_bytes(folder.join(DOCUMENT), document)?;
    stage.save(folder)
}

/// Refuses a configuration, the one asked for or the one in the folder of the run, that is not the one that the
/// checkpoint was written with. Checkpoints of earlier versions do not hold it.
fn unedited(run: &Path, checkpoint: &Path, document: &str) -> Result<(), TrainError> {
    let read = |folder: &Path| {
        let path = folder.join(DOCUMENT);
        read_if_there(&path).map_err(TrainError::system(&path))
    };
    let begun = read(checkpoint)?.unwrap_or_else(|| document.to_string());
    for now in [Some(document.to_string()), read(run)?].iter().flatten() {
        let differing = differences(&begun, now);
        if !differing.is_empty() {
            return Err(TrainError::OtherRun {
                reason: format!(
                    "{DOCUMENT} is not what the run began with: {}; put that back, or begin another run with \
                     the new one by --config",
                    differing.join(", ")
                ),
            });
        }
    }
    Ok(())
}

/// The stored state, if the run that is asked for is the one that was stored.
fn agreed<I: Identity>(
    stored: Standing<I>,
    now: Standing<I>,
    force_data: bool,
    observer: &mut dyn Observer,
) -> Result<Standing<I>, TrainError> {
    if let Some(problem) = stored.problem() {
        let reason = format!(
            "the newest checkpoint cannot be gone on with: {problem}; remove its folder to go on from the one before"
        );
        return Err(TrainError::OtherRun { reason });
    }
    if let Some(reason) = stored.identity.differs(&now.identity) {
        return Err(TrainError::OtherRun { reason });
    }
    match stored.data.compare(&now.data) {
        Ok(()) => Ok(stored),
        Err(error) if force_data => {
            observer.remark(&format!("going on with other data, as forced: {error}"));
            // The cursor of the old order has no meaning in the new one, but keeps epochs distinct.
            Ok(Standing {
                data: now.data,
                ..stored
            })
        }
        Err(error) => Err(error.into()),
    }
}
