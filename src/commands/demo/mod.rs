//! `svg demo`: the whole method in one command.

mod compose;
pub mod data;
mod features;
pub mod folder;
mod measure;
mod next;
mod pace;
pub mod plan;
mod samples;
pub mod stages;
pub mod timings;
pub mod views;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail};
use burn::prelude::*;
use clap::Args;
use svg_model::Bundle;
use svg_store::{FolderLock, list_differences, write_bytes};
use svg_train::run::{RunOptions, Training};

use self::data::Data;
use self::measure::Measurements;
use self::plan::{Asked, Plan, Scale};
use self::stages::{Setup, finished, publish, run_in};
use self::timings::Timings;
use crate::commands::outputs::{Outputs, make_folder};
use crate::commands::print;
use crate::commands::train::watch::{Watch, watch};
use crate::device::DeviceOptions;
use crate::encoder::{EncoderFile, Hints};
use crate::interrupt::{Interrupt, Interrupted};
use crate::nano;
use crate::progress::status;

/// How long a demonstration of one's own data or encoder takes, if nothing is said.
const MINUTES: f64 = 8.0;

/// Do the whole job: data, autoencoder, flow, samples, measurements, and a report
///
/// Without arguments: ten procedural figures, and an encoder that this program carries. OUT gets a bundle
/// that every other command accepts, both training runs with their tables and TensorBoard events, samples by
/// the number of steps, measurements, and report.html, one page to read in a browser. Ctrl-C and SIGTERM
/// keep what is there, and the same command goes on. Its files are the same bytes whatever interrupted it, on a CPU;
/// timings.json and the report's section of timings differ.
///
/// Pictures of one's own lie in a folder for each class. If there are folders named train and test (or val),
/// those are used; otherwise every tenth picture of a class is held out to judge by.
#[derive(Args)]
#[command(after_help = "Examples:
  svg demo
  svg demo --out demo2 --seed 1 --minutes 4
  svg demo --data photos/ --out photos-demo --minutes 60
  svg demo --data imagenette/ --encoder dinov3_vits16plus_pretrain_lvd1689m-4057cbaa.pth --out big --minutes 600")]
pub struct Demo {
    /// The folder to write
    #[arg(long, value_name = "FOLDER", default_value = "demo")]
    out: PathBuf,
    #[command(flatten)]
    asked: Asked,
}

impl Demo {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let interrupt = Interrupt::listen()?;
        let device = device.open_f32()?;
        let again = next::again(&self.asked, &self.out);
        let done = self.go(&device, interrupt);
        if done.as_ref().is_err_and(|error| error.is::<Interrupted>()) {
            status!("interrupted; what is done is kept, and this goes on: {again}");
        }
        done
    }

    fn go(&self, device: &Device, interrupt: Interrupt) -> Result<()> {
        let out = self.out.as_path();
        self.check_places()?;
        make_folder(out, "--out")?;
        let _lock = FolderLock::acquire(out, "trains in")?;
        let earlier = Plan::read(out, &self.asked)?;
        if earlier.is_none() {
            folder::claim(out)?;
        }
        folder::sweep(out)?;
        let mut timings = Timings::open(out);
        let begun = Instant::now();
        let (setup, plan) = timings.phase("data", || {
            let own = self.asked.data.as_ref();
            let own = own.map(|folder| format!(": {}", folder.display()));
            status!("1/6 data{}", own.unwrap_or_default());
            let setup = self.setup(earlier.is_some(), device, interrupt)?;
            let plan = match earlier {
                Some(plan) => plan,
                None => self.plan(&setup, begun)?,
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

    /// Whether nothing of one's own is in the way of what is written.
    fn check_places(&self) -> Result<()> {
        let asked = &self.asked;
        let parts = asked.data.iter().flat_map(|data| match data::split(data) {
            Some(parts) => parts.to_vec(),
            None => vec![data.clone()],
        });
        let outputs = Outputs::default().folder("--out", [&self.out]);
        let outputs = outputs.exchanged("--out", [self.out.join("bundle")]);
        let outputs = outputs.searched("--data", parts);
        outputs.reads("--encoder", &asked.encoder).check()
    }

    /// Data and encoder; `planned` if an earlier start made a plan.
    fn setup(&self, planned: bool, device: &Device, interrupt: Interrupt) -> Result<Setup> {
        let asked = &self.asked;
        let embedded = self.out.join("encoder.safetensors");
        if asked.encoder.is_none() && !(planned && embedded.exists()) {
            write_bytes(&embedded, nano::WEIGHTS)?;
        }
        let path = asked.encoder.as_ref().unwrap_or(&embedded);
        let hints = Hints {
            key: asked.weights_key.as_deref(),
            ..Hints::default()
        };
        let encoder = EncoderFile::open(path, hints, device)?;
        let size = plan::size(asked, encoder.encoder.spec().patch_size)?;
        let data = Data::prepare(&self.out, asked, size, planned)?;
        let [train, test] = data.counts;
        let classes = data.classes.len();
        status!("{train} pictures to train on, {test} to judge by, of {classes} classes");
        interrupt.check()?;
        Ok(Setup {
            data,
            encoder,
            device: device.clone(),
            interrupt,
        })
    }

    /// The plan of a first start, written down.
    fn plan(&self, setup: &Setup, begun: Instant) -> Result<Plan> {
        let asked = self.asked.clone();
        let ours = asked.data.is_none() && asked.encoder.is_none();
        let tiny = asked.scale == Scale::Tiny;
        let minutes = asked.minutes.or((!ours && !tiny).then_some(MINUTES));
        let classes = setup.data.classes.clone();
        let fingerprint = setup.encoder.part.fingerprint.clone();
        let mut plan = Plan::new(asked, &setup.encoder.encoder.spec(), fingerprint, classes)?;
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
    let found = &setup.encoder.part.fingerprint;
    if *found != plan.encoder {
        bail!(
            "{} is not the encoder that {out} was begun with (fingerprint {}..., expected {}...); put that \
             file back, or name another folder with --out",
            setup.encoder.path().display(),
            found.get(..12).unwrap_or(found),
            plan.encoder.get(..12).unwrap_or(&plan.encoder)
        );
    }
    let (there, now) = (&plan.classes, &setup.data.classes);
    if let Some(differences) = list_differences(there, "there", now, "in the pictures") {
        bail!(
            "the pictures are of other classes than those that {out} was begun with ({differences}); put them \
             back, or name another folder with --out"
        );
    }
    Ok(())
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
        let config = plan.autoencoder.clone();
        let length = [config.steps, config.images_per_step()];
        let mut bundle = self.stage(timings, "2/6", "autoencoder", length, |run, watch| {
            setup.autoencoder(config, run, watch)
        })?;
        match bundle.latent_statistics()? {
            Some(_) => there("3/6 statistics", ()),
            None => timings.phase("statistics", || {
                setup.interrupt.check()?;
                setup.statistics(&mut bundle, plan.statistics, "3/6 statistics")
            })?,
        }
        let config = plan.flow.clone();
        let length = [config.steps, config.images_per_step()];
        let bundle = self.stage(timings, "4/6", "flow", length, |run, watch| {
            setup.flow(config, bundle, run, watch)
        })?;
        publish(&bundle, &self.out.join("bundle"))
    }

    /// What a training of so many steps and pictures a step has made in the folder of its name, or makes now.
    fn stage(
        &self,
        timings: &mut Timings,
        number: &str,
        name: &str,
        [steps, images]: [u64; 2],
        train: impl FnOnce(RunOptions, &mut Watch) -> Result<Bundle>,
    ) -> Result<Bundle> {
        let (folder, title) = (self.out.join(name), format!("{number} {name}"));
        if let Some(bundle) = finished(&folder, steps) {
            return Ok(there(&title, bundle));
        }
        timings.phase(name, || {
            self.setup.interrupt.check()?;
            status!("{title}: {steps} steps of {images} pictures");
            let prefix = format!("{title}: ");
            watch(&prefix, None, |watch| train(run_in(&folder, None), watch))?
        })
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
            match Measurements::read(out, plan) {
                Some(measurements) if measure::pairs(out).exists() => {
                    Ok(there(title, measurements))
                }
                _ => Measurements::make(self, &space, title),
            }
        })?;
        compose::write(self, bundle, &measurements, timings)
    }
}

fn there<T>(title: &str, what: T) -> T {
    status!("{title}: there already");
    what
}
