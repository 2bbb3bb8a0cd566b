//! The loop of a run, from its first step to its last, with resume.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use burn::module::Module;
use svg_image::save_png;
use svg_model::ModelError;
use svg_nn::is_host;
use svg_store::{FolderLock, LockError, free_memory, write_bytes};

use super::memory::is_of_memory;
use super::resume::{DOCUMENT, agreed, unedited};
use crate::TrainError;
use crate::log::{CsvLog, TensorBoard};
use crate::run::{
    Ahead, Begun, CheckpointFound, Checkpoints, Course, Ended, Files, Needs, Observer, Pace,
    RunOptions, Stage, Standing, StepReport, UnreadReport, Writing,
};

/// Time between two attempts to make the model while another process changes it.
const WAIT: Duration = Duration::from_millis(500);
/// Steps whose numbers are read together on a graphics card.
const TOGETHER: usize = 10;
/// After so many returns to one checkpoint, training gives up.
const MOST_ROLLBACKS: u64 = 8;

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
    let begun = begin()?;
    let less_memory = begun.less_memory.join(", or ");
    let run = Run::begin(options, begun, observer)?;
    // What has panicked is not used any more.
    catch_unwind(AssertUnwindSafe(|| run.go(observer))).unwrap_or_else(|panic| {
        if is_of_memory(&*panic) {
            observer.remark(&format!(
                "a step of this training needs more memory than the device has. Begin another run with {less_memory}; \
                 `svg cost --config` estimates what a flow needs"
            ));
        }
        resume_unwind(panic)
    })
}

type Batches<C> = Vec<<<C as Course>::Stage as Stage>::Batch>;

struct Run<C: Course> {
    options: RunOptions,
    pace: Pace,
    /// The step after which this process stops.
    end: u64,
    checkpoints: Checkpoints,
    writing: Writing,
    /// Bytes of a copy of what a checkpoint holds.
    copy: u64,
    course: C,
    ahead: Ahead<C::Source>,
    stage: C::Stage,
    document: String,
    state: Standing<C::Identity>,
    /// The state that the newest checkpoint goes on from in this process.
    anchor: Standing<C::Identity>,
    /// Steps that were learned from before their numbers were read, with their learning rates.
    unread: Vec<(f64, UnreadReport)>,
    /// Steps whose numbers are read together.
    together: usize,
    /// Until this step, numbers are read before anything is learned from them.
    careful_until: u64,
    /// Time in which a step waited for its data.
    waited: Duration,
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
            source,
            mut stage,
            pace,
            document,
            beginning: now,
            ..
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
                let save = |folder: &Path| save_in(&stage, &document, folder);
                checkpoints.write(0, &now, save)?;
                now
            }
            (_, false) => return Err(TrainError::Occupied { path: options.out }),
        };
        let on_host = is_host(&stage.replicas().devices()[0]);
        let together = options
            .read_every
            .unwrap_or(if on_host { 1 } else { TOGETHER });
        let end = pace.steps.min(options.max_steps.unwrap_or(u64::MAX));
        Ok(Self {
            csv: CsvLog::open(options.out.join("steps.csv"), state.step)?,
            events: TensorBoard::create(options.out.join("tensorboard"), SystemTime::now())?,
            // Weights, two moments of each, and an average.
            copy: 16 * Module::num_params(&stage.networks()) as u64,
            ahead: Ahead::begin(source, needs(&pace, &state, end)),
            writing: Writing::default(),
            anchor: state.clone(),
            unread: Vec::new(),
            careful_until: 0,
            waited: Duration::ZERO,
            together,
            end,
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
        observer.begins(self.state.step, self.end, self.pace.images_per_step());
        let (begun, first) = (Instant::now(), self.state.step);
        while self.state.step < self.end {
            self.writing.check()?;
            if observer.wants_to_stop() {
                return self.interrupted(observer);
            }
            let Some(batches) = self.batches(observer)? else {
                return self.interrupted(observer);
            };
            match self.together > 1 && self.state.step >= self.careful_until {
                true => self.learn_unread(batches, observer)?,
                false => self.learn(batches, observer)?,
            }
        }
        if self.state.step > first {
            let (all, waited) = (begun.elapsed().as_secs_f64(), self.waited.as_secs_f64());
            let share = 100.0 * waited / all.max(1e-9);
            observer.remark(&format!(
                "the steps took {all:.1} s, of which {waited:.1} s ({share:.0} %) they waited for data"
            ));
        }
        self.checkpoint()?;
        self.writing.wait()?;
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

    fn interrupted(mut self, observer: &mut dyn Observer) -> Result<Ended, TrainError> {
        self.read(observer)?;
        self.checkpoint()?;
        self.writing.wait()?;
        Ok(Ended::Interrupted(self.state.step))
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

    /// The micro-batches of a step; `None` if an end was asked for before they were all there.
    fn batches(&mut self, observer: &mut dyn Observer) -> Result<Option<Batches<C>>, TrainError> {
        let mut cursor = self.state.cursor;
        let mut batches = Vec::new();
        for _ in 0..self.pace.accumulation {
            let asked = Instant::now();
            let prepared = self.ahead.next()?;
            self.waited += asked.elapsed();
            prepared
                .remarks
                .iter()
                .for_each(|text| observer.remark(text));
            batches.push(prepared.data);
            cursor = prepared.cursor_after;
            if observer.wants_to_stop() {
                return Ok(None);
            }
        }
        self.state.cursor = cursor;
        Ok(Some(batches))
    }

    /// Learns from a step if its numbers are finite, and logs it.
    fn learn(
        &mut self,
        batches: Batches<C>,
        observer: &mut dyn Observer,
    ) -> Result<(), TrainError> {
        let rate = self.learning_rate();
        let report = self.stage.step(self.state.step, rate, batches);
        self.state.step += 1;
        self.note(self.state.step, report, rate, observer)?;
        match self.state.dropped_in_a_row >= self.pace.patience {
            true => self.roll_back(observer),
            false => self.checkpoint_if_due(),
        }
    }

    /// Learns from a step before its numbers have been read, and reads those of several when they are needed.
    fn learn_unread(
        &mut self,
        batches: Batches<C>,
        observer: &mut dyn Observer,
    ) -> Result<(), TrainError> {
        let rate = self.learning_rate();
        let report = self.stage.step_unread(self.state.step, rate, batches);
        self.unread.push((rate, report));
        self.state.step += 1;
        let (step, pace) = (self.state.step, self.pace);
        let due = self.unread.len() >= self.together
            || step == self.end
            || self.is_shown(step)
            || step.is_multiple_of(pace.checkpoint_every);
        match due && self.read(observer)? {
            true => self.checkpoint_if_due(),
            false => Ok(()),
        }
    }

    /// Reads and logs the numbers of the steps that were learned from without them. If one of those steps should have
    /// been dropped, what was learned since is spoilt: then the run goes back to its newest checkpoint, takes the same
    /// steps again, and reads each before it learns from it. Whether it goes on as it was.
    fn read(&mut self, observer: &mut dyn Observer) -> Result<bool, TrainError> {
        let (rates, unread): (Vec<_>, Vec<_>) = self.unread.drain(..).unzip();
        let first = self.state.step - unread.len() as u64;
        let reports = UnreadReport::read_all(unread);
        for (step, (report, rate)) in (first + 1..).zip(reports.into_iter().zip(rates)) {
            if report.dropped {
                self.take_again(step, observer)?;
                return Ok(false);
            }
            self.note(step, report, rate, observer)?;
        }
        Ok(true)
    }

    /// Goes back to the newest checkpoint because `step` should have been dropped.
    fn take_again(&mut self, step: u64, observer: &mut dyn Observer) -> Result<(), TrainError> {
        let Some(found) = self.newest()? else {
            return Err(TrainError::Gone(self.options.out.join("checkpoints")));
        };
        self.stage.restore(&found.folder)?;
        self.state = match found.state.step == self.anchor.step {
            true => self.anchor.clone(),
            false => Standing {
                halvings: self.anchor.halvings,
                ..found.state
            },
        };
        let every = self.pace.checkpoint_every;
        self.careful_until = step.div_ceil(every).saturating_mul(every);
        observer.remark(&format!(
            "the loss or gradient of step {step} is not finite; the steps after {} are taken again to drop it",
            self.state.step
        ));
        self.go_on()
    }

    /// Data and table from the present step on.
    fn go_on(&mut self) -> Result<(), TrainError> {
        self.anchor = self.state.clone();
        self.ahead.restart(needs(&self.pace, &self.state, self.end));
        self.csv = CsvLog::open(self.options.out.join("steps.csv"), self.state.step)?;
        Ok(())
    }

    fn newest(&mut self) -> Result<Option<CheckpointFound<Standing<C::Identity>>>, TrainError> {
        self.writing.wait()?;
        self.checkpoints.newest()
    }

    fn is_shown(&self, step: u64) -> bool {
        step.is_multiple_of(self.pace.samples_every) || step == self.pace.steps
    }

    fn learning_rate(&self) -> f64 {
        self.course.learning_rate(self.state.step) * 0.5f64.powi(self.state.halvings as i32)
    }

    /// Counts a step, logs it, and shows samples when it is their turn. The checkpoint before it is whole by then, so
    /// that nothing is in the logs that is further from a checkpoint than the next one.
    fn note(
        &mut self,
        step: u64,
        report: StepReport,
        learning_rate: f64,
        observer: &mut dyn Observer,
    ) -> Result<(), TrainError> {
        self.writing.wait()?;
        let mut scalars = report.scalars;
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
        if self.is_shown(step)
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

    fn checkpoint_if_due(&mut self) -> Result<(), TrainError> {
        if self.state.step.is_multiple_of(self.pace.checkpoint_every) {
            self.checkpoint()?;
            if self.state.dropped_in_a_row == 0 {
                self.rollbacks = 0;
            }
        }
        Ok(())
    }

    /// Writes a checkpoint: from a copy while training goes on, if half of the memory that is free is enough for one,
    /// and else before it goes on.
    fn checkpoint(&mut self) -> Result<(), TrainError> {
        self.writing.wait()?;
        let step = self.state.step;
        if self.checkpoints.has(step) {
            return Ok(());
        }
        let fits = free_memory().is_some_and(|free| self.copy <= free / 2);
        if !fits {
            let save = |folder: &Path| save_in(&self.stage, &self.document, folder);
            self.checkpoints.write(step, &self.state, save)?;
        } else {
            let copies = Files::copied(|files| save(&self.stage, &self.document, files))?;
            let (checkpoints, state) = (self.checkpoints.clone(), self.state.clone());
            self.writing.begin(move || {
                let written = checkpoints.write(step, &state, |folder| copies.write(folder));
                written.map(drop)
            })?;
        }
        self.anchor = self.state.clone();
        Ok(())
    }

    /// Goes back to the newest checkpoint with half the learning rate. The order of pictures goes on, so that
    /// other pictures follow.
    fn roll_back(&mut self, observer: &mut dyn Observer) -> Result<(), TrainError> {
        self.rollbacks += 1;
        let found = self.newest()?;
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
        self.go_on()
    }
}

/// The micro-batches that a run needs from a state on.
fn needs<I>(pace: &Pace, state: &Standing<I>, end: u64) -> Needs {
    Needs {
        step: state.step,
        cursor: state.cursor,
        end,
        accumulation: pace.accumulation as u64,
    }
}

/// Saves a stage and the configuration.
fn save(stage: &impl Stage, document: &str, files: &mut Files<'_>) -> Result<(), TrainError> {
    let document = document.to_string();
    files.write(move |folder| Ok(write_bytes(folder.join(DOCUMENT), &document)?))?;
    stage.save(files)
}

/// The same into the folder of a checkpoint.
fn save_in(stage: &impl Stage, document: &str, folder: &Path) -> Result<(), TrainError> {
    save(stage, document, &mut Files::in_folder(folder))
}
