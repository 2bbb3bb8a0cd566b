//! What the commands that evaluate have in common.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use svg_flow::GuidanceSchedule;
use svg_image::Orientation;
use svg_model::{Sampling, SolverKind};

use crate::commands::outputs::Outputs;
use crate::commands::pictures::ReadingOptions;
use crate::device::DeviceOptions;
use crate::evaluation::protocol::Protocol;
use crate::evaluation::request::{Point, Request, Samples};
use crate::evaluation::run::Machine;
use crate::interrupt::Interrupt;
use crate::ranges::{PIXELS, SOME, within};

/// How features are compared, and with what.
#[derive(Args, Clone, Debug)]
pub struct JudgingOptions {
    /// Whose rules: adm, torch-fidelity, pytorch-fid, clean-fid, svg, rae, dgm-eval or own
    ///
    /// adm: FID, sFID, IS in blocks of 5,000, precision and recall, as DiT and SiT report. torch-fidelity: FID, IS, KID,
    /// precision and recall. pytorch-fid: FID. clean-fid: FID and KID. svg: FID and IS as SVG's repository computes them.
    /// rae: FID and IS of pictures that are rounded down. dgm-eval: FD-DINOv2, with DINOv2
    /// ViT-L/14 by --weights. own: this project's, in a frozen encoder's features, needs no Inception and compares with
    /// nothing else. What a protocol fixes has no option.
    #[arg(long, value_name = "NAME", default_value = "own")]
    pub protocol: Protocol,
    /// What to compare with: files, folders, archives, an .npz of pictures or of statistics (mu, sigma), or features of
    /// --save-reference
    #[arg(long, num_args = 1.., value_name = "PATH")]
    pub reference: Vec<PathBuf>,
    /// Take only so many pictures of the reference, evenly spread over all
    #[arg(long, value_name = "N", value_parser = within(SOME))]
    pub reference_limit: Option<usize>,
    /// Weights of FID's Inception: pt_inception-2015-12-05-6726825d.pth of pytorch-fid, or torch-fidelity's
    #[arg(long, value_name = "FILE")]
    pub inception: Option<PathBuf>,
    /// Weights of the encoder that judges by --protocol own [default: the bundle's encoder]
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Its architecture, where the file does not say it
    #[arg(long, value_name = "NAME", requires = "weights")]
    pub model: Option<String>,
    /// Which network of the weight file, where it holds several
    #[arg(long, value_name = "KEY", requires = "weights")]
    pub weights_key: Option<String>,
    /// The encoder's weights, where they are no longer at the place that the bundle remembers
    #[arg(long, value_name = "FILE")]
    pub encoder: Option<PathBuf>,
    /// Side of the square crops that an encoder sees [default: the bundle's, or 256]
    #[arg(long, value_name = "PIXELS", value_parser = within(PIXELS))]
    pub size: Option<u32>,
    #[command(flatten)]
    pub reading: ReadingOptions,
    /// Images that go through the networks at once; no part of the result
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub batch: u16,
    /// Resamples behind each interval
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = within(20..=100_000_usize))]
    pub resamples: usize,
    /// How sure intervals are
    #[arg(long, value_name = "SHARE", default_value_t = 0.95, value_parser = within(0.5..=0.999))]
    pub level: f64,
}

/// How models are sampled: every combination of the lists is a set of samples.
#[derive(Args, Clone, Debug)]
pub struct GridOptions {
    /// Samples of each set [default: what the protocol asks for, or 1,000]
    #[arg(long, value_name = "N", value_parser = within(2..=10_000_000_usize))]
    pub count: Option<usize>,
    /// Of noise, of random classes, and of intervals
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Steps of the solver [default: 25; of a sweep 1,2,5,10,25]
    #[arg(long, value_name = "N,..", value_delimiter = ',', value_parser = within(Sampling::STEPS))]
    pub steps: Vec<usize>,
    /// The solver: euler, heun, midpoint, rk4, dopri5 or sde
    #[arg(
        long,
        value_name = "NAME,..",
        value_delimiter = ',',
        default_value = "euler"
    )]
    pub solver: Vec<SolverKind>,
    /// How strongly the class is followed; 1 is no guidance and costs half
    #[arg(
        long,
        value_name = "SCALE,..",
        value_delimiter = ',',
        default_value = "1"
    )]
    #[arg(value_parser = within(Sampling::GUIDANCE))]
    pub guidance: Vec<f64>,
    /// Where on the way guidance acts: constant, interval:0.1:0.8, late, early:0.3, linear
    #[arg(
        long,
        value_name = "MODE,..",
        value_delimiter = ',',
        default_value = "constant"
    )]
    pub guidance_mode: Vec<GuidanceSchedule>,
    /// Where on the way the steps are: below 1 near the noise
    #[arg(
        long,
        value_name = "SHIFT,..",
        value_delimiter = ',',
        default_value = "0.15"
    )]
    #[arg(value_parser = within(Sampling::SHIFT))]
    pub shift: Vec<f64>,
}

/// Samples of a set if neither the command nor the protocol says it.
const USUAL: usize = 1000;

impl GridOptions {
    /// Every combination for each model, in the order of the lists, or these steps if none are given.
    pub fn points(&self, bundles: &[PathBuf], usual_steps: &[usize]) -> Result<Vec<Point>> {
        let steps = match &self.steps[..] {
            [] => usual_steps,
            given => given,
        };
        let mut points = Vec::new();
        for bundle in bundles {
            for solver in &self.solver {
                for &guidance in &self.guidance {
                    for mode in &self.guidance_mode {
                        for &shift in &self.shift {
                            for &steps in steps {
                                points.push(Point {
                                    bundle: bundle.clone(),
                                    solver: solver.to_string(),
                                    steps,
                                    shift,
                                    guidance,
                                    guidance_mode: mode.to_string(),
                                });
                            }
                        }
                    }
                }
            }
        }
        for point in &points {
            point.sampling(self.seed)?;
        }
        for (at, point) in points.iter().enumerate() {
            ensure!(!points[..at].contains(point), "{point} is asked for twice");
        }
        Ok(points)
    }

    /// The samples of a request.
    pub fn samples(&self, points: Vec<Point>, protocol: &Protocol, dtype: String) -> Samples {
        Samples::Model {
            points,
            count: self.count.or(protocol.samples).unwrap_or(USUAL),
            random_labels: protocol.random_labels,
            seed: self.seed,
            rounding: protocol.rounding,
            dtype,
        }
    }
}

impl JudgingOptions {
    /// The request of these options.
    pub fn request(&self, samples: Samples, seed: u64) -> Request {
        Request {
            protocol: self.protocol.name.to_string(),
            samples,
            reference: self.reference.clone(),
            reference_limit: self.reference_limit,
            inception: self.inception.clone(),
            weights: self.weights.clone(),
            architecture: self.model.clone(),
            weights_key: self.weights_key.clone(),
            encoder: self.encoder.clone(),
            size: self.size,
            exif: self.reading.orientation == Orientation::Exif,
            seed,
            resamples: self.resamples,
            level: self.level,
        }
    }

    /// Opens the device.
    pub fn machine(&self, device: &DeviceOptions, folder: Option<PathBuf>) -> Result<Machine> {
        machine(device, self.batch, folder)
    }

    /// The outputs of a command that reads what these options name.
    pub fn read_by<'a>(&self, outputs: Outputs<'a>) -> Outputs<'a> {
        let outputs = outputs.searched("--reference", &self.reference);
        let outputs = outputs.reads("--inception", &self.inception);
        let outputs = outputs.reads("--weights", &self.weights);
        outputs.reads("--encoder", &self.encoder)
    }
}

/// Opens the device for an evaluation.
pub fn machine(device: &DeviceOptions, batch: u16, folder: Option<PathBuf>) -> Result<Machine> {
    let (device, precision) = device.open()?;
    Ok(Machine {
        device,
        precision,
        batch: batch.into(),
        interrupt: folder.is_some().then(Interrupt::listen).transpose()?,
        folder,
    })
}
