//! A run as seen on a terminal.

use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::ProgressBar;
use svg_train::TrainError;
use svg_train::log::Scalars;
use svg_train::run::{Ended, Headline, Observer};

use crate::commands::print;
use crate::interrupt::{Interrupt, Interrupted};
use crate::progress::{bar, status};
use crate::waiting::{FIRST_STEP, Waiting};

/// Where nobody watches, a line so often.
const QUIET: Duration = Duration::from_secs(30);

/// A progress bar with losses, images per second and what is left; lines where there is no terminal.
pub struct Watch {
    title: String,
    bar: ProgressBar,
    interrupt: Interrupt,
    headlines: &'static [Headline],
    images_per_step: u64,
    began: (u64, Instant),
    printed: Instant,
    /// Until the first step is done.
    first: Option<Waiting>,
}

impl Observer for Watch {
    fn watches(&mut self, headlines: &'static [Headline]) {
        self.headlines = headlines;
    }

    fn begins(&mut self, step: u64, steps: u64, images_per_step: u64) {
        self.images_per_step = images_per_step;
        self.began = (step, Instant::now());
        let template = "{prefix}step {pos}/{len} [{wide_bar}] {msg}, {eta} left";
        self.bar = bar(steps, "", template).with_prefix(self.title.clone());
        // The time that is left follows from the steps of this process, not of those before it.
        self.bar.set_position(step);
        self.bar.reset_eta();
        let what = format!("{}{FIRST_STEP}", self.title);
        self.first = (step < steps).then(|| Waiting::to(&what, &self.bar));
        if step > 0 {
            self.remark(&format!("going on after step {step}"));
        }
    }

    fn stepped(&mut self, step: u64, scalars: &Scalars) {
        self.first = None;
        let figure = |headline: &Headline| {
            let value = scalars.get(headline.scalar)?;
            let digits = headline.digits;
            Some(format!("{} {value:.digits$}", headline.label))
        };
        let mut figures: Vec<_> = self.headlines.iter().filter_map(figure).collect();
        let (began, at) = self.began;
        let images = (step - began.min(step)) * self.images_per_step;
        let rate = images as f64 / at.elapsed().as_secs_f64().max(1e-9);
        figures.push(format!("{rate:.1} images/s"));
        let message = figures.join(", ");
        if self.bar.is_hidden() && self.printed.elapsed() >= QUIET {
            self.printed = Instant::now();
            status!("{}step {step}: {message}", self.title);
        }
        self.bar.set_message(message);
        self.bar.set_position(step);
    }

    fn remark(&mut self, text: &str) {
        self.bar.suspend(|| status!("{text}"));
    }

    fn wants_to_stop(&self) -> bool {
        self.interrupt.is_asked()
    }
}

/// Trains under a watch, whose lines begin with the title: which part of a longer work this is. A process that was
/// asked to end may take as long as `grace`.
pub fn watch<T>(
    title: &str,
    grace: Option<Duration>,
    train: impl FnOnce(&mut Watch) -> T,
) -> Result<T> {
    let mut watch = Watch {
        title: title.to_string(),
        bar: ProgressBar::hidden(),
        interrupt: Interrupt::listen_with_grace(grace)?,
        headlines: &[],
        images_per_step: 1,
        began: (0, Instant::now()),
        printed: Instant::now(),
        first: None,
    };
    let trained = train(&mut watch);
    watch.bar.abandon();
    Ok(trained)
}

/// Trains under a watch, and says how the run ended.
pub fn watched(
    grace: Option<Duration>,
    train: impl FnOnce(&mut Watch) -> Result<Ended, TrainError>,
) -> Result<()> {
    match watch("", grace, train)?? {
        Ended::Finished(folder) => print(&format!("{}: the trained model\n", folder.display())),
        Ended::Interrupted(step) => {
            status!(
                "interrupted; a checkpoint of step {step} was written, --resume goes on from it"
            );
            Err(Interrupted.into())
        }
    }
}
