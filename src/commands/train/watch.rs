//! A run as seen on a terminal.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use svg_train::log::Scalars;
use svg_train::run::{Ended, Headline, Observer};

/// Where nobody watches, a line so often.
const QUIET: Duration = Duration::from_secs(30);

/// A progress bar with losses, images per second and what is left; lines where there is no terminal.
pub struct Watch {
    bar: ProgressBar,
    stop: Arc<AtomicBool>,
    headlines: &'static [Headline],
    images_per_step: u64,
    began: (u64, Instant),
    printed: Instant,
}

impl Watch {
    /// Listens for Ctrl-C from now on.
    pub fn new() -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = stop.clone();
        ctrlc::set_handler(move || {
            if asked.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
            eprintln!("\nfinishing the step and writing a checkpoint; Ctrl-C again exits at once");
        })
        .context("cannot listen for Ctrl-C")?;
        Ok(Self {
            bar: ProgressBar::hidden(),
            stop,
            headlines: &[],
            images_per_step: 1,
            began: (0, Instant::now()),
            printed: Instant::now(),
        })
    }

    pub fn finish(&self) {
        self.bar.abandon();
    }

    fn images_per_second(&self, step: u64) -> f64 {
        let (began, at) = self.began;
        let images = (step - began.min(step)) * self.images_per_step;
        images as f64 / at.elapsed().as_secs_f64().max(1e-9)
    }
}

impl Observer for Watch {
    fn watches(&mut self, headlines: &'static [Headline]) {
        self.headlines = headlines;
    }

    fn begins(&mut self, step: u64, steps: u64, images_per_step: u64) {
        self.images_per_step = images_per_step;
        self.began = (step, Instant::now());
        let style = ProgressStyle::with_template("step {pos}/{len} [{wide_bar}] {msg}, {eta} left");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar = ProgressBar::new(steps).with_style(style.progress_chars("=> "));
        // The time that is left follows from the steps of this process, not of those before it.
        self.bar.set_position(step);
        self.bar.reset_eta();
        if step > 0 {
            self.remark(&format!("going on after step {step}"));
        }
    }

    fn stepped(&mut self, step: u64, scalars: &Scalars) {
        let figure = |headline: &Headline| {
            let value = scalars.get(headline.scalar)?;
            let digits = headline.digits;
            Some(format!("{} {value:.digits$}", headline.label))
        };
        let mut figures: Vec<_> = self.headlines.iter().filter_map(figure).collect();
        figures.push(format!("{:.1} images/s", self.images_per_second(step)));
        let message = figures.join(", ");
        if self.bar.is_hidden() && self.printed.elapsed() >= QUIET {
            self.printed = Instant::now();
            eprintln!("step {step}: {message}");
        }
        self.bar.set_message(message);
        self.bar.set_position(step);
    }

    fn remark(&mut self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    fn wants_to_stop(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

/// Says how a run ended.
pub fn report(ended: Ended) -> Result<ExitCode> {
    match ended {
        Ended::Finished(folder) => {
            println!("{}: the trained model", folder.display());
            Ok(ExitCode::SUCCESS)
        }
        Ended::Interrupted(step) => {
            eprintln!(
                "interrupted; a checkpoint of step {step} was written, --resume goes on from it"
            );
            Ok(ExitCode::from(130))
        }
    }
}
