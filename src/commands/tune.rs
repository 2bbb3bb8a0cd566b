//! `svg tune`: what a card needs to know before it is fast.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use burn::prelude::*;
use burn::tensor::Distribution;
use clap::Args;
use indicatif::ProgressBar;
use svg_flow::VelocityField as _;
use svg_model::{Bundle, Conditioned, ENCODER, Registry};
use svg_nn::Precision;
use svg_roles::{Condition, Draw};

use crate::commands::bundle::with_encoder;
use crate::commands::outputs::Outputs;
use crate::commands::print;
use crate::device::DeviceOptions;
use crate::faults::in_words;
use crate::progress::status;
use crate::tuned;
use crate::waiting::Waiting;

/// Compile and tune kernels for a graphics card, so that other commands begin at once
///
/// A card's kernels are compiled when they are first used, and for each size of a product the fastest of several is
/// sought. What is found is kept in the folder of caches (SVG_CACHE names another) and used by every later start of this
/// version of the program. This command does it beforehand for a model: a pass of its velocity network with and without
/// guidance, its decoder, and its encoder if that is there.
#[derive(Args)]
#[command(after_help = "Examples:
  svg tune --bundle model --device cuda
  svg tune --bundle model --device cuda --dtype bf16 --batch 1,8,32
  svg tune --export h100.tuned          # what is known, for machines with the same card
  svg tune --import h100.tuned")]
pub struct Tune {
    /// The model: a folder that `svg train` or `svg import` has written
    #[arg(long, value_name = "FOLDER")]
    bundle: Option<PathBuf>,
    /// The encoder's weights, where they are no longer at the place that the bundle remembers
    #[arg(long, value_name = "FILE", requires = "bundle")]
    encoder: Option<PathBuf>,
    /// Samples or pictures at once, as the other commands will be given; --guidance doubles them in the network
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "8")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    batch: Vec<u16>,
    /// First take what another machine with the same card has found
    #[arg(long, value_name = "FILE")]
    import: Option<PathBuf>,
    /// Write all that is known of this machine's cards into one file
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
}

impl Tune {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let asked = self.bundle.is_some() || self.import.is_some() || self.export.is_some();
        ensure!(
            asked,
            "say what to do: --bundle FOLDER, --import FILE or --export FILE"
        );
        tuned::check()?;
        let outputs = Outputs::default().file("--export", &self.export);
        let outputs = outputs.reads("--import", &self.import);
        let outputs = outputs.bundle("--bundle", &self.bundle);
        outputs.reads("--encoder", &self.encoder).check()?;
        tuned::prepare();
        if let Some(file) = &self.import {
            let new = tuned::import(file)?;
            status!("{}: {new} results are new", file.display());
        }
        if let Some(bundle) = &self.bundle {
            self.tune(&Bundle::open_checking(bundle)?, device)?;
        }
        if let Some(file) = &self.export {
            tuned::export(file)?;
        }
        let tuned::Known { compiled, tuned } = tuned::known();
        print(&format!(
            "{}: {compiled} kernels are compiled, and the fastest are known for {tuned} sizes\n",
            tuned::file().display()
        ))
    }

    fn tune(&self, bundle: &Bundle, device: &DeviceOptions) -> Result<()> {
        let (device, precision) = device.open()?;
        if is_cpu(&device) {
            bail!(
                "the CPU's kernels are compiled with the program; name a card, as in --device cuda"
            );
        }
        let mut options = with_encoder(self.encoder.as_deref());
        options.precision = precision;
        let registry = Registry::standard();
        let waiting = Waiting::to("loading the model", &ProgressBar::hidden());
        let generator = registry.generator(bundle, &options, &device);
        drop(waiting);
        let generator = generator.context("--bundle names a model with a flow")?;
        let [tokens, channels] = generator.shape();
        for &batch in &self.batch {
            let batch = usize::from(batch);
            let normal = |batch| {
                let shape = [batch, tokens, channels];
                Tensor::<3>::random(shape, Distribution::Normal(0.0, 1.0), &device)
            };
            for passes in [batch, 2 * batch] {
                phase(&format!("velocity of {passes} samples"), || {
                    let condition = Condition::classes(&vec![0; passes], &device);
                    let field = Conditioned::new(&*generator.flow, condition);
                    let t = Tensor::<1>::full([passes], 0.5, &device);
                    field.velocity(normal(passes), t).sum()
                })?;
            }
            phase(&format!("decoder of {batch} pictures"), || {
                generator.images(normal(batch)).sum()
            })?;
            let encodes = precision == Precision::F32 || precision == Precision::Tf32;
            if encodes && bundle.weights(ENCODER).is_some_and(|file| file.exists()) {
                let [height, width] = bundle.geometry()?.image;
                phase(&format!("encoder of {batch} pictures"), || {
                    let images = Tensor::<4>::zeros([batch, 3, height, width], &device);
                    generator.space.encode(images, Draw::Mode).sum()
                })?;
            }
        }
        Ok(())
    }
}

fn is_cpu(device: &Device) -> bool {
    format!("{device:?}").contains("Flex")
}

/// Runs something once to have its kernels, and once more to say how long it takes with them.
fn phase(what: &str, work: impl Fn() -> Tensor<1>) -> Result<()> {
    let timed = || -> Result<f64> {
        let begun = Instant::now();
        // Reading a number waits for the card.
        let data = work().try_into_data();
        data.map_err(|error| {
            let text = format!("{error:?}");
            anyhow!("{what}: {}", in_words(&text).unwrap_or(text))
        })?;
        Ok(begun.elapsed().as_secs_f64())
    };
    let waiting = Waiting::to(
        &format!("{what}, compiling and tuning"),
        &ProgressBar::hidden(),
    );
    let first = timed()?;
    drop(waiting);
    status!(
        "{what}: {first:.2} s the first time, {:.3} s with what is known",
        timed()?
    );
    Ok(())
}
