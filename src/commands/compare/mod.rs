//! `svg compare`: several latent spaces under one velocity network, one data set and one budget.

mod page;
mod paths;
pub mod plan;
mod row;
pub mod variant;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use burn::prelude::*;
use clap::Args;
use svg_image::Orientation;
use svg_model::{Bundle, LATENTS, SPACE, Sampling};
use svg_roles::LatentSpace as _;
use svg_store::{FolderLock, write_bytes};
use svg_train::run::RunOptions;

use self::plan::Plan;
use self::row::{Files, Measuring, Row};
use self::variant::{Space, Variant};
use crate::commands::demo::data::{self, Data};
use crate::commands::demo::folder;
use crate::commands::demo::plan::{Asked, Scale, size};
use crate::commands::demo::stages::{Setup, finished, run_in};
use crate::commands::demo::timings::Timings;
use crate::commands::outputs::{Outputs, make_folder};
use crate::commands::print;
use crate::commands::train::watch::{Watch, watch};
use crate::device::DeviceOptions;
use crate::encoder::{EncoderFile, Hints};
use crate::evaluation::parts::{PARTS, remove_parts};
use crate::interrupt::{Interrupt, Interrupted};
use crate::nano;
use crate::progress::status;
use crate::ranges::{PIXELS, within};

/// Phases of a space.
const FIRST: &str = "first stage";
const SECOND: &str = "second stage";
const MEASURING: &str = "measuring";

/// Train several latent spaces with one velocity network on one data set, and compare them
///
/// The spaces: svg, frozen features and an aligned residual; unaligned, the same without alignment; encoder, the features
/// alone; pixels, patches of pixels. Each gets the same steps of both stages, the same batches and the same velocity
/// network; of pixels the first stage is left out. OUT gets a folder for each space and seed with both trainings, a bundle
/// and cards that `svg verify` computes again, and report.html: distance by steps with intervals, reconstruction, probes,
/// how velocities of a class agree, how straight paths are, and t-SNE planes. Ctrl-C and SIGTERM keep what is there, and
/// the same command goes on; with more spaces or seeds it adds to what is there.
///
/// All are judged in class tokens of the encoder on which the spaces other than pixels are built.
#[derive(Args)]
#[command(after_help = "Examples:
  svg compare
  svg compare --spaces svg,unaligned,encoder --seeds 3 --out ablation
  svg compare --data photos/ --flow-steps 10000 --autoencoder-steps 2000 --out photos-compared")]
pub struct Compare {
    /// The folder to write
    #[arg(long, value_name = "FOLDER", default_value = "compare")]
    out: PathBuf,
    /// What is compared: svg, unaligned, encoder, pixels
    #[arg(
        long,
        value_name = "NAME,..",
        value_delimiter = ',', default_values_t = Variant::all()
    )]
    pub spaces: Vec<Variant>,
    /// Repetitions of all of it, from --seed upwards
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = within(1..=100_u64))]
    pub seeds: u64,
    /// The first seed, of pictures, weights and noise
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Pictures of one's own, in a folder for each class [default: ten procedural figures]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// An encoder of one's own [default: the embedded one]
    #[arg(long, value_name = "FILE")]
    encoder: Option<PathBuf>,
    /// Which network of that file, where it holds several
    #[arg(long, value_name = "KEY", requires = "encoder")]
    weights_key: Option<String>,
    /// Side of the pictures in pixels [default: as of `svg demo`]
    #[arg(long, value_name = "PIXELS", value_parser = within(PIXELS))]
    size: Option<u32>,
    /// Steps of the first stage
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = within(1..=100_000_000_u64))]
    pub autoencoder_steps: u64,
    /// Steps of the second stage
    #[arg(long, value_name = "N", default_value_t = 1200, value_parser = within(1..=100_000_000_u64))]
    pub flow_steps: u64,
    /// Numbers of Euler steps of the samples
    #[arg(long, value_name = "N,..", value_delimiter = ',', value_parser = within(Sampling::STEPS), default_value = "1,2,5,10,25,50,250")]
    pub steps: Vec<usize>,
    /// Samples of each
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = within(4..=10_000_000_usize))]
    pub count: usize,
    /// Scale of guidance
    #[arg(long, value_name = "SCALE", default_value_t = 3.0, value_parser = within(0.0..=100.0))]
    pub guidance: f64,
    /// Shift of the times of sampling
    #[arg(long, value_name = "SHIFT", default_value_t = 0.4, value_parser = within(0.001..=1000.0))]
    pub shift: f64,
    /// How much is done
    #[arg(long = "plan", value_enum, default_value_t, hide = true)]
    scale: Scale,
}

impl Compare {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let interrupt = Interrupt::listen()?;
        let device = device.open_f32()?;
        let done = self.go(&device, interrupt);
        if done.as_ref().is_err_and(|error| error.is::<Interrupted>()) {
            status!("interrupted; what is done is kept, and the same command goes on");
        }
        done
    }

    fn go(&self, device: &Device, interrupt: Interrupt) -> Result<()> {
        let out = self.out.as_path();
        ensure!(
            !self.spaces.is_empty(),
            "name at least one space with --spaces"
        );
        let searched = self.data.iter().flat_map(|data| match data::split(data) {
            Some(parts) => parts.to_vec(),
            None => vec![data.clone()],
        });
        let outputs = Outputs::default().folder("--out", [&self.out]);
        let outputs = outputs.searched("--data", searched);
        outputs.reads("--encoder", &self.encoder).check()?;
        make_folder(out, "--out")?;
        let _lock = FolderLock::acquire(out, "trains in")?;
        let earlier = Plan::read(out)?;
        if earlier.is_none() {
            claim(out)?;
        }
        folder::sweep(out)?;
        let (setup, plan) = self.setup(earlier.as_ref(), device, interrupt)?;
        let measuring = Measuring {
            plan: &plan,
            setup: &setup,
            parts: out.join(PARTS),
        };
        let mut rows: Vec<(Row, Files)> = Vec::new();
        let whole = plan.seeds.len() * plan.spaces.len();
        for &seed in &plan.seeds {
            for &variant in &plan.spaces {
                interrupt.check()?;
                let files = Files {
                    folder: plan.folder(out, variant, seed),
                };
                status!("{} of {whole}: {variant}, seed {seed}", rows.len() + 1);
                make_folder(&files.folder, "--out")?;
                let mut timings = Timings::open(&files.folder);
                let bundle = train(&measuring, variant, seed, &files.folder, &mut timings)?;
                let row =
                    timings.phase(MEASURING, || measuring.row(variant, seed, &bundle, &files))?;
                rows.push((row, files));
                // So that there is something to look at while the rest is on its way.
                page::write(&plan, &rows, &out.join("report.html"))?;
            }
        }
        remove_parts(&out.join(PARTS));
        print(&page::table(&plan, &rows)?)?;
        status!("{} shows it", out.join("report.html").display());
        Ok(())
    }

    /// Data and encoder, and the plan, which the first start writes.
    fn setup(
        &self,
        earlier: Option<&Plan>,
        device: &Device,
        interrupt: Interrupt,
    ) -> Result<(Setup, Plan)> {
        let (out, asked) = (self.out.as_path(), self.asked());
        let embedded = out.join("encoder.safetensors");
        if self.encoder.is_none() && !(earlier.is_some() && embedded.exists()) {
            write_bytes(&embedded, nano::WEIGHTS)?;
        }
        let hints = Hints {
            key: self.weights_key.as_deref(),
            ..Hints::default()
        };
        let path = self.encoder.as_ref().unwrap_or(&embedded);
        let encoder = EncoderFile::open(path, hints, device)?;
        let spec = encoder.encoder.spec();
        let data = Data::prepare(
            out,
            &asked,
            size(&asked, spec.patch_size)?,
            earlier.is_some(),
        )?;
        let (fingerprint, classes) = (encoder.part.fingerprint.clone(), data.classes.clone());
        let plan = Plan::new(self, &spec, fingerprint, classes)?;
        match earlier {
            Some(earlier) => earlier.check(&plan, out)?,
            None => plan.write(out)?,
        }
        let setup = Setup {
            data,
            encoder,
            device: device.clone(),
            interrupt,
        };
        Ok((setup, plan))
    }

    /// What was said of data and encoder, as of a demonstration.
    pub fn asked(&self) -> Asked {
        Asked {
            data: self.data.clone(),
            encoder: self.encoder.clone(),
            weights_key: self.weights_key.clone(),
            minutes: None,
            size: self.size,
            seed: self.seed,
            orientation: Orientation::default(),
            scale: self.scale,
        }
    }

    pub fn is_tiny(&self) -> bool {
        self.scale == Scale::Tiny
    }
}

/// Both stages of a space; what is whole is kept.
fn train(
    measuring: &Measuring,
    variant: Variant,
    seed: u64,
    folder: &Path,
    timings: &mut Timings,
) -> Result<Bundle> {
    let (plan, setup) = (measuring.plan, measuring.setup);
    let (spec, name) = (
        setup.encoder.encoder.spec(),
        format!("{variant}, seed {seed}"),
    );
    let bundle = timings.phase(FIRST, || {
        let mut bundle = match variant.space(&plan.autoencoder, &spec, plan.size)? {
            Space::Pixels(pixels) => {
                let place = folder.join("pixels");
                match Bundle::open(&place) {
                    Ok(there) => there,
                    Err(_) => Bundle::create(&place, [(SPACE, pixels.into_part())], false)?,
                }
            }
            Space::Trained(training) => {
                let config = plan.autoencoder_of(&training, seed);
                let (run, steps) = (folder.join("autoencoder"), config.steps);
                stage(
                    &run,
                    &format!("{name}, autoencoder"),
                    steps,
                    |options, watch| setup.autoencoder(config, options, watch),
                )?
            }
        };
        if bundle.find(LATENTS).is_none() {
            setup.statistics(&mut bundle, plan.statistics, &format!("{name}, statistics"))?;
        }
        Ok(bundle)
    })?;
    timings.phase(SECOND, || {
        let channels = setup.space(&bundle)?.geometry().channels;
        let config = plan.flow_of(channels, seed)?;
        let (run, steps) = (folder.join("flow"), config.steps);
        stage(&run, &format!("{name}, flow"), steps, |options, watch| {
            setup.flow(config, bundle, options, watch)
        })
    })
}

/// What a training has made in its folder, or makes now.
fn stage(
    run: &Path,
    name: &str,
    steps: u64,
    train: impl FnOnce(RunOptions, &mut Watch) -> Result<Bundle>,
) -> Result<Bundle> {
    match finished(run, steps) {
        Some(bundle) => Ok(bundle),
        None => watch(&format!("{name}: "), None, |watch| {
            train(run_in(run, None), watch)
        })?,
    }
}

/// Refuses a folder that holds other things.
fn claim(out: &Path) -> Result<()> {
    for entry in std::fs::read_dir(out)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let ours = [".lock", "data", "encoder.safetensors"].contains(&name.as_str())
            || name.starts_with(svg_store::UNFINISHED);
        if !ours {
            bail!(
                "--out {} holds other files, such as {name}; name a new folder",
                out.display()
            );
        }
    }
    Ok(())
}
