//! `svg cost`: what a velocity network costs before anybody pays for it.

use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use clap::{ArgAction, Args};
use svg_decoder::DecoderConfig;
use svg_dino::DinoConfig;
use svg_model::Sampling;
use svg_nn::Precision;
use svg_residual::ResidualConfig;
use svg_sit::SitConfig;
use svg_train::flow::FlowTraining;

use crate::commands::print;
use crate::commands::train::read_training;
use crate::presets::Presets;
use crate::ranges::within;

/// Images, samples or steps of a training.
const MANY: RangeInclusive<u64> = 1..=1_000_000_000_000;

/// Estimate what training a velocity network and sampling from it cost
///
/// Operations are counted from the sizes; hours follow from a card's peak in bf16 and the 30 % of it that
/// well-made trainings reach, with those for 40 and 20 % in parentheses. That is an assumption and no
/// measurement of this program. Memory is a lower bound. Nothing is computed, no card is needed.
#[derive(Args)]
#[command(after_help = "Examples:
  svg cost --config xl
  svg cost --config flow_svg_b_256 --on rtx4090
  svg cost --config configs/flow_svg_xl_256.json --on 250 --epochs 1400")]
pub struct Cost {
    /// A size (s, b, l, xl, xxl, xxxl), a training of a flow by name, or its JSON file
    #[arg(long, value_name = "FILE|NAME")]
    config: String,
    /// On what: h100, h200, a100, l4, rtx4090, cpu, or the TFLOP/s that are reached
    #[arg(long, value_name = "CARD|TFLOPS", default_value = "h100")]
    on: Speed,
    /// Length of the training [default: that of the configuration, or 80]
    #[arg(long, conflicts_with = "steps", value_name = "N", value_parser = within(1e-3..=1e9))]
    epochs: Option<f64>,
    /// The same in optimiser steps
    #[arg(long, value_name = "N", value_parser = within(MANY))]
    steps: Option<u64>,
    /// Images in an epoch; ImageNet has as many as the default
    #[arg(long, value_name = "N", default_value_t = 1_281_167, value_parser = within(MANY))]
    images: u64,
    /// Images in a step [default: those of the configuration, or 256]
    #[arg(long, value_name = "N", value_parser = within(1..=1_000_000_000_u64))]
    batch: Option<u64>,
    /// Steps of Euler's solver for a sample
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = within(Sampling::STEPS))]
    sampling_steps: usize,
    /// Whether samples are guided, which takes two passes for a step
    #[arg(long, action = ArgAction::Set, value_name = "true|false", default_value_t = true)]
    guidance: bool,
    /// How many samples
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = within(MANY))]
    samples: u64,
}

/// How fast a machine multiplies.
#[derive(Clone, Debug, PartialEq)]
enum Speed {
    /// A name, and dense operations a second in bf16 by the data sheet.
    Peak(&'static str, f64),
    /// What is said to be reached.
    Reached(f64),
}

/// Dense bf16 with sums in f32, in TFLOP/s, from NVIDIA's data sheets. The last is a rough figure for
/// eight cores with AVX-512 in f32.
const PEAKS: [(&str, f64); 6] = [
    ("h100", 989.0),
    ("h200", 989.0),
    ("a100", 312.0),
    ("l4", 121.0),
    ("rtx4090", 165.0),
    ("cpu", 1.0),
];

/// The share of the peak that is assumed, and the most and the least that are usual.
const SHARES: [f64; 3] = [0.3, 0.4, 0.2];

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((name, peak)) = PEAKS.iter().find(|(name, _)| *name == text) {
            return Ok(Self::Peak(name, *peak * 1e12));
        }
        match text.parse::<f64>() {
            Ok(number) if (1e-6..=1e9).contains(&number) => Ok(Self::Reached(number * 1e12)),
            _ => {
                let known = PEAKS.map(|(name, _)| name).join(", ");
                Err(format!("expected {known}, or TFLOP/s such as 250"))
            }
        }
    }
}

impl Speed {
    fn describe(&self) -> String {
        match self {
            Self::Peak(name, peak) => {
                let [usual, most, least] = SHARES.map(|share| format!("{:.0}", share * 100.0));
                format!(
                    "{name}: {} TFLOP/s in bf16, of which {usual} % are assumed ({most} and {least} %)",
                    peak / 1e12
                )
            }
            Self::Reached(speed) => format!("{} TFLOP/s, as given", speed / 1e12),
        }
    }

    fn time(&self, flops: f64) -> String {
        match self {
            Self::Peak(_, peak) => {
                let [usual, best, worst] = SHARES.map(|share| time(flops / (peak * share)));
                format!("{usual} ({best} to {worst})")
            }
            Self::Reached(speed) => time(flops / speed),
        }
    }
}

/// What is asked about.
struct Plan {
    sit: SitConfig,
    /// Images in a step, and of these at once.
    batch: u64,
    at_once: u64,
    steps: Option<u64>,
    /// The one combination that the configuration has, or all.
    memory: Vec<(Precision, bool)>,
}

impl Plan {
    fn find(config: &str) -> Result<Self> {
        if let Some(sit) = SitConfig::preset(config) {
            let kinds = [Precision::F32, Precision::Bf16];
            return Ok(Self {
                sit,
                batch: 256,
                at_once: 256,
                steps: None,
                memory: kinds.map(|kind| [(kind, false), (kind, true)]).concat(),
            });
        }
        let training = match FlowTraining::preset(config) {
            Some(training) => training,
            None if Path::new(config).exists() => read_training(Path::new(config))?,
            None => {
                let names = SitConfig::preset_names().chain(FlowTraining::preset_names());
                let names = names.collect::<Vec<_>>().join(", ");
                bail!("--config {config} is no file, and none of {names}");
            }
        };
        let precision = training.precision.precision();
        let sit = training.network.sit();
        Ok(Self {
            sit: sit.context("the cost is known of SiT alone")?.clone(),
            batch: (training.batch_size * training.accumulation) as u64,
            at_once: training.batch_size as u64,
            steps: Some(training.steps),
            memory: vec![(precision, training.gradient_checkpointing)],
        })
    }

    /// Operations of training on an image, with checkpointing where there is nothing else.
    fn training_flops(&self) -> f64 {
        let checkpointing = self.memory.iter().all(|(_, checkpointing)| *checkpointing);
        self.sit.training_flops(checkpointing)
    }
}

impl Cost {
    pub fn run(self) -> Result<()> {
        let mut plan = Plan::find(&self.config)?;
        if let Some(batch) = self.batch {
            (plan.batch, plan.at_once) = (batch, batch);
        }
        let (batch, samples, each) = (plan.batch, self.samples, self.sampling_steps);
        let per_epoch = self.images as f64 / batch as f64;
        let steps = match (self.steps.or(plan.steps), self.epochs) {
            (_, Some(epochs)) => epochs * per_epoch,
            (Some(steps), None) => steps as f64,
            (None, None) => 80.0 * per_epoch,
        };
        let epochs = steps / per_epoch;
        let training = steps * batch as f64 * plan.training_flops();
        let sampling = samples as f64 * plan.sit.sampling_flops(each, self.guidance);
        let guided = if self.guidance { "with" } else { "without" };
        print(&format!(
            "{}
{}
An estimate for the velocity network on {}
  training      {}
                {steps:.0} steps of {batch} images, {epochs:.1} epochs
  sampling      {}
                {samples} samples of {each} steps {guided} guidance
",
            network(&plan),
            memory(&plan),
            self.on.describe(),
            self.on.time(training),
            self.on.time(sampling),
        ))
    }
}

fn network(plan: &Plan) -> String {
    let (sit, batch) = (&plan.sit, plan.batch);
    let forward = sit.forward_macs();
    let line = |name: &str, macs: f64| {
        let (gmac, tflop, part) = (macs / 1e9, macs * 2e-12, 100.0 * macs / forward);
        format!("  {name:<12}{gmac:>6.1}{tflop:>9.4}{part:>9.1} %\n")
    };
    let mut lines = line("forward", forward) + &line("training", plan.training_flops() / 2.0);
    // Other latents have an encoder of their own.
    let (encoder, decoder) = (DinoConfig::vits16plus(), DecoderConfig::svg());
    if sit.in_channels == decoder.in_channels {
        let grid = [sit.rows, sit.columns];
        let residual = ResidualConfig::svg().forward_macs(grid);
        lines += &line("encoding", encoder.forward_macs(grid) + residual);
        lines += &line("decoding", decoder.forward_macs(grid));
    }
    format!(
        "{:.1} M parameters, {} tokens of {} channels

For an image    GMAC    TFLOP   of a forward pass
{lines}A step of {batch} images is {:.1} TFLOP.
",
        sit.n_params() as f64 / 1e6,
        sit.tokens(),
        sit.in_channels,
        plan.training_flops() * batch as f64 / 1e12
    )
}

fn memory(plan: &Plan) -> String {
    let gigabytes = |bytes: f64| format!("{:.1} GB", bytes / 1e9);
    let images = plan.at_once;
    let mut text = format!("Memory of a training, {images} images at once, at least\n");
    for (index, &(precision, checkpointing)) in plan.memory.iter().enumerate() {
        let sit = &plan.sit;
        let memory = sit.training_memory(images as usize, precision, checkpointing);
        if index == 0 {
            text += &format!(
                "  weights {}, gradients {}, moments {}, average {}\n",
                gigabytes(memory.weights),
                gigabytes(memory.gradients),
                gigabytes(memory.moments),
                gigabytes(memory.average)
            );
        }
        let kind = format!("{precision:?}").to_lowercase();
        let how = match checkpointing {
            true => " with gradient checkpointing",
            false => "",
        };
        let (activations, all) = (gigabytes(memory.activations), gigabytes(memory.total()));
        text += &format!("  activations {activations} in {kind}{how}: {all} together\n");
    }
    text
}

/// Seconds in words.
fn time(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 90.0 * 60.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_has_a_name_or_is_a_number() {
        assert_eq!("l4".parse(), Ok(Speed::Peak("l4", 121e12)));
        assert_eq!("250".parse(), Ok(Speed::Reached(250e12)));
        for text in ["h1000", "-1", "0", "inf", "NaN", "1e-300", "1e300"] {
            let error = text.parse::<Speed>().unwrap_err();
            assert!(
                error.contains("rtx4090, cpu, or TFLOP/s such as 250"),
                "{error}"
            );
        }
    }

    #[test]
    fn the_published_training_takes_what_such_cards_take() {
        let flops = 400_000.0 * 256.0 * SitConfig::xl().training_flops(false);
        let h100: Speed = "h100".parse().unwrap();
        assert_eq!(h100.time(flops), "68 h (51 h to 103 h)");
        let samples = 50_000.0 * SitConfig::xl().sampling_flops(25, true);
        assert_eq!(h100.time(samples), "33 min (25 min to 50 min)");
    }

    #[test]
    fn a_name_that_nobody_knows_is_answered_with_those_that_are() {
        let error = Plan::find("xs").err().unwrap().to_string();
        assert!(
            error.contains("--config xs is no file, and none of s, b, l, xl"),
            "{error}"
        );
        assert!(error.contains("flow_svg_xl_256"), "{error}");
    }
}
