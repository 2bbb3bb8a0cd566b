//! `svg demo`: the whole method in one command.

mod compose;
mod curves;
mod data;
mod features;
mod folder;
mod measure;
mod next;
mod pace;
mod plan;
mod samples;
mod stages;
mod timings;
mod views;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use burn::prelude::*;
use clap::Args;
use svg_model::Bundle;
use svg_store::FolderLock;

use self::data::Data;
use self::measure::Measurements;
use self::plan::{Asked, Plan, Scale};
use self::stages::{Run, Setup, finished, publish};
use self::timings::Timings;
use crate::commands::print;
use crate::commands::train::watch::Watch;
use crate::device::DeviceOptions;
use crate::encoder::EncoderFile;
use crate::interrupt::{Interrupt, Interrupted};

/// How long a demonstration of one's own data or encoder takes, if nothing is said.
const MINUTES: f64 = 8.0;

/// Do the whole job: data, autoencoder, flow, samples, measurements, and a report
///
/// Without arguments: ten procedural figures, and an encoder that this program carries. OUT gets a bundle
/// that every other command accepts, both training runs with their tables and TensorBoard events, samples by
/// the number of steps, measurements, and report.html, one page to read in a browser. Ctrl-C keeps what is
/// there, and the same command goes on. Its files are the same bytes whatever interrupted it, on a CPU;
/// timings.json and the report's section of timings differ.
///
/// Pictures of one's own lie in a folder for each class. If there are folders named train and test (or val),
/// those are used; otherwise every tenth picture of a class is held out to judge by.
#[derive(Args)]
#[command(after_help = "\
Examples:
  svg demo
  svg demo --out demo2 --seed 1 --minutes 4
  svg demo --data photos/ --out photos-demo --minutes 60
  svg demo --data imagenette/ --encoder dinov3_vits16plus_pretrain_lvd1689m-4057cbaa.pth --out big --minutes 600")]
pub struct Demo {
    /// The folder to write
    #[arg(long, value_name = "FOLDER", default_value = "demo")]
    out: PathBuf,
    /// Pictures of one's own, in a folder for each class [default: ten procedural figures]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// An encoder of one's own, any file that `svg info` reads [default: the embedded one]
    #[arg(long, value_name = "FILE")]
    encoder: Option<PathBuf>,
    /// About how long it is to take [default: a fixed number of steps; 8 for data or an encoder of one's own]
    #[arg(long, value_name = "N", value_parser = minutes)]
    minutes: Option<f64>,
    /// Side of the pictures in pixels [default: 32 for the embedded encoder; 8 patches of one's own, 16 if they are of 14 pixels or more]
    #[arg(long, value_name = "PIXELS")]
    size: Option<u32>,
    /// Of pictures, weights and noise
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// How much is done
    #[arg(long, value_enum, default_value_t, hide = true)]
    plan: Scale,
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minutes) if minutes.is_finite() && minutes > 0.0 => Ok(minutes),
        _ => Err("write a number of minutes above 0".to_string()),
    }
}

impl Demo {
    pub fn run(self, device: &DeviceOptions) -> Result<ExitCode> {
        let interrupt = Interrupt::listen()?;
        let device = device.open_f32()?;
        let again = next::again(&self.asked(), &self.out);
        match self.go(&device, interrupt) {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) if error.is::<Interrupted>() => {
                eprintln!("interrupted; what is done is kept, and this goes on: {again}");
                Ok(ExitCode::from(130))
            }
            Err(error) => Err(error),
        }
    }

    fn asked(&self) -> Asked {
        Asked {
            data: self.data.clone(),
            encoder: self.encoder.clone(),
            minutes: self.minutes,
            size: self.size,
            seed: self.seed,
            scale: self.plan,
        }
    }

    fn go(&self, device: &Device, interrupt: Interrupt) -> Result<()> {
        let out = self.out.as_path();
        let asked = self.asked();
        std::fs::create_dir_all(out)
            .with_context(|| format!("--out {} cannot be made", out.display()))?;
        let _lock = FolderLock::acquire(out, "trains in")?;
        let earlier = Plan::read(out, &asked)?;
        if earlier.is_none() {
            folder::claim(out)?;
        }
        folder::sweep(out)?;
        let mut timings = Timings::open(out);
        let begun = Instant::now();
        let (setup, plan) = timings.phase("data", || {
            announce("1/6 data", self.data.as_deref());
            let setup = self.setup(&asked, earlier.as_ref(), device, interrupt)?;
            let plan = match earlier {
                Some(plan) => plan,
                None => self.plan(asked, &setup, begun)?,
            };
            check(&plan, &setup, out)?;
            Ok((setup, plan))
        })?;
        let demonstration = Demonstration { out, plan, setup };
        let bundle = demonstration.train(&mut timings)?;
        demonstration.judge(&bundle, &mut timings)?;
        let complete = demonstration.setup.data.complete;
        print(&next::lines(out, &demonstration.plan, complete, &timings))
    }

    /// Data and encoder.
    fn setup(
        &self,
        asked: &Asked,
        earlier: Option<&Plan>,
        device: &Device,
        interrupt: Interrupt,
    ) -> Result<Setup> {
        let path = match &self.encoder {
            Some(path) => path.clone(),
            None => self.out.join("encoder.safetensors"),
        };
        if self.encoder.is_none() && (earlier.is_none() || !path.exists()) {
            crate::nano::write(&path)?;
        }
        let encoder = EncoderFile::open(&path, None, device)?;
        let size = plan::size(asked, encoder.spec().patch_size)?;
        let data = Data::prepare(&self.out, asked, size, earlier.is_some())?;
        let [train, test] = data.counts;
        let classes = data.classes.len();
        eprintln!("{train} pictures to train on, {test} to judge by, of {classes} classes");
        interrupt.check()?;
        Ok(Setup {
            data,
            encoder,
            device: device.clone(),
            interrupt,
        })
    }

    /// The plan of a first start, written down.
    fn plan(&self, asked: Asked, setup: &Setup, begun: Instant) -> Result<Plan> {
        let ours = asked.data.is_none() && asked.encoder.is_none();
        let tiny = asked.scale == Scale::Tiny;
        let minutes = asked.minutes.or((!ours && !tiny).then_some(MINUTES));
        let classes = setup.data.classes.clone();
        let fingerprint = setup.encoder.fingerprint().to_string();
        let mut plan = Plan::new(asked, &setup.encoder.spec(), fingerprint, classes)?;
        if let Some(minutes) = minutes {
            let spent = begun.elapsed().as_secs_f64();
            plan = pace::fill(plan, setup, &self.out, minutes, spent)?;
        }
        plan.write(&self.out)?;
        Ok(plan)
    }
}

/// Whether what is there is what the plan was made for.
fn check(plan: &Plan, setup: &Setup, out: &Path) -> Result<()> {
    let out = out.display();
    let found = setup.encoder.fingerprint();
    if found != plan.encoder {
        bail!(
            "{} is not the encoder that {out} was begun with (fingerprint {}..., expected {}...); put that \
             file back, or name another folder with --out",
            setup.encoder.path().display(),
            found.get(..12).unwrap_or(found),
            plan.encoder.get(..12).unwrap_or(&plan.encoder)
        );
    }
    if setup.data.classes != plan.classes {
        bail!(
            "the pictures are of the classes {}, and {out} was begun with {}; put them back, or name another \
             folder with --out",
            setup.data.classes.join(", "),
            plan.classes.join(", ")
        );
    }
    Ok(())
}

fn announce(title: &str, what: Option<&Path>) {
    match what {
        Some(what) => eprintln!("{title}: {}", what.display()),
        None => eprintln!("{title}"),
    }
}

/// A plan, what it works with, and where.
struct Demonstration<'a> {
    out: &'a Path,
    plan: Plan,
    setup: Setup,
}

impl Demonstration<'_> {
    /// Both stages and the statistics between them; what is whole is kept.
    fn train(&self, timings: &mut Timings) -> Result<Bundle> {
        let (plan, setup) = (&self.plan, &self.setup);
        let run = self.out.join("autoencoder");
        let steps = plan.autoencoder.steps;
        let mut bundle = match finished(&run, steps) {
            Some(bundle) => there("2/6 autoencoder", bundle),
            None => timings.phase("autoencoder", || {
                let images = plan.autoencoder.images_per_step();
                let mut watch = begin("2/6 autoencoder", steps, images)?;
                let config = plan.autoencoder.clone();
                let bundle = setup.autoencoder(config, goes(&run, &mut watch));
                watch.finish();
                bundle
            })?,
        };
        match bundle.latent_statistics()? {
            Some(_) => there("3/6 statistics", ()),
            None => timings.phase("statistics", || {
                setup.interrupt.check()?;
                setup.statistics(&mut bundle, plan.statistics, "3/6 statistics")
            })?,
        }
        let run = self.out.join("flow");
        let steps = plan.flow.steps;
        let bundle = match finished(&run, steps) {
            Some(bundle) => there("4/6 flow", bundle),
            None => timings.phase("flow", || {
                setup.interrupt.check()?;
                let images = plan.flow.images_per_step();
                let mut watch = begin("4/6 flow", steps, images)?;
                let bundle = setup.flow(plan.flow.clone(), bundle, goes(&run, &mut watch));
                watch.finish();
                bundle
            })?,
        };
        publish(&bundle, &self.out.join("bundle"))
    }

    /// Samples, measurements and the report.
    fn judge(&self, bundle: &Bundle, timings: &mut Timings) -> Result<()> {
        let (out, plan, setup) = (self.out, &self.plan, &self.setup);
        timings.phase("samples", || {
            setup.interrupt.check()?;
            samples::make(plan, setup, bundle, out, "5/6 samples")
        })?;
        let measurements = timings.phase("measurements", || {
            let title = "6/6 measurements";
            setup.interrupt.check()?;
            let space = setup.space(bundle)?;
            if !features::path(out).exists() {
                features::draw(setup, &space, out, &format!("{title}, features"))?;
            }
            match Measurements::read(out) {
                Some(measurements) if measure::pairs(out).exists() => {
                    Ok(there(title, measurements))
                }
                _ => Measurements::make(plan, setup, &space, out, title),
            }
        })?;
        compose::write(out, plan, setup, bundle, &measurements, timings)
    }
}

fn there<T>(title: &str, what: T) -> T {
    eprintln!("{title}: there already");
    what
}

fn begin(title: &str, steps: u64, images: u64) -> Result<Watch> {
    eprintln!("{title}: {steps} steps of {images} pictures");
    Ok(Watch::new()?.with_title(title))
}

fn goes<'a>(out: &'a Path, watch: &'a mut Watch) -> Run<'a> {
    Run {
        out,
        max_steps: None,
        observer: watch,
    }
}
