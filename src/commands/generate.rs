//! What commands that make images have in common.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use anyhow::{Result, anyhow, bail};
use burn::prelude::*;
use burn::tensor::TensorData;
use clap::Args;
use indicatif::ProgressBar;
use svg_flow::{Guidance, GuidanceSchedule};
use svg_image::RgbImage;
use svg_model::{
    Bundle, FLOW, Generator, LATENTS, OpenOptions, Registry, SPACE, Sampling, SolverKind,
};
use svg_roles::{Condition, Images, Signed};

use crate::commands::bundle::BundleOptions;
use crate::device::DeviceOptions;
use crate::progress::evaluation_bar;

/// The way from noise to data.
#[derive(Args, Clone, Debug)]
pub struct SamplingOptions {
    /// Steps of the solver; dopri5 makes its own
    #[arg(long, value_name = "N", default_value_t = 25)]
    steps: usize,
    /// The solver: euler, heun, midpoint, rk4, dopri5 or sde
    #[arg(long, value_name = "NAME", default_value_t = SolverKind::Euler)]
    solver: SolverKind,
    /// How strongly the class is followed; 1 is no guidance and costs half
    #[arg(long, value_name = "SCALE", default_value_t = 4.0)]
    guidance: f64,
    /// Where on the way guidance acts: constant, interval:0.1:0.8, late, early:0.3, linear, skip-first:1:0
    #[arg(long, value_name = "MODE", default_value_t = GuidanceSchedule::Constant)]
    guidance_mode: GuidanceSchedule,
    /// Where on the way the steps are: below 1 near the noise
    #[arg(long, value_name = "SHIFT", default_value_t = 0.15)]
    shift: f64,
    /// Samples that are made at once; no part of the result
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
}

impl SamplingOptions {
    pub fn batch(&self) -> usize {
        usize::from(self.batch)
    }

    /// Whether the solver draws noise of its own.
    pub fn draws_noise(&self) -> bool {
        self.solver == SolverKind::EulerMaruyama
    }

    /// The settings, checked.
    pub fn sampling(&self, seed: u64) -> Result<Sampling> {
        let sampling = Sampling {
            solver: self.solver,
            steps: self.steps,
            shift: self.shift,
            guidance: Guidance {
                scale: self.guidance,
                schedule: self.guidance_mode,
            },
            seed,
        };
        sampling.times()?;
        Ok(sampling)
    }

    /// Opens the device, loads the model and says what samples of it follow from.
    pub fn sampler(
        &self,
        bundle: &BundleOptions,
        sampling: Sampling,
        device: &DeviceOptions,
    ) -> Result<Sampler> {
        let (device, precision) = device.open()?;
        let opened = bundle.open()?;
        let options = OpenOptions {
            precision,
            ..bundle.options()
        };
        let generator = Registry::standard().generator(&opened, &options, &device)?;
        let Self {
            steps,
            solver,
            guidance,
            guidance_mode,
            shift,
            ..
        } = self;
        let way = match solver.evaluations() {
            Some(_) => format!("{solver}, {steps} steps, shift {shift}"),
            None => solver.to_string(),
        };
        let words = format!(
            "{way}, guidance {guidance} {guidance_mode}, {precision:?}, {}",
            model(&opened)
        );
        Ok(Sampler {
            generator,
            sampling,
            batch: self.batch(),
            device,
            words,
        })
    }
}

/// The files that samples follow from, by their hashes.
fn model(bundle: &Bundle) -> String {
    let stems = [(SPACE, "autoencoder"), (FLOW, FLOW), (LATENTS, LATENTS)];
    let hashes = stems.into_iter().filter_map(|(part, stem)| {
        let part = bundle.find(part)?;
        let entry = part.files.get(part.file(stem)?)?;
        Some(format!("{stem} {}", entry.sha256.get(..8)?))
    });
    hashes.collect::<Vec<_>>().join(", ")
}

/// A model and how it is sampled.
pub struct Sampler {
    pub generator: Generator,
    sampling: Sampling,
    batch: usize,
    device: Device,
    /// Everything that an image follows from, but its noise and class.
    pub words: String,
}

/// What came of one batch, on the host.
pub struct Made {
    pub latents: Vec<f32>,
    pub images: Vec<RgbImage>,
    /// Passes of all samples through the network.
    pub passes: u64,
}

impl Sampler {
    /// Numbers of one sample.
    pub fn len(&self) -> usize {
        self.generator.shape().iter().product()
    }

    /// A bar over the evaluations that so many samples need.
    pub fn bar(&self, samples: usize) -> ProgressBar {
        evaluation_bar(samples as u64 * self.evaluations_of_a_sample(), "sampling")
    }

    /// 1 where the solver decides.
    fn evaluations_of_a_sample(&self) -> u64 {
        let each = self.sampling.solver.evaluations();
        each.map_or(1, |each| (each * self.sampling.steps) as u64)
    }

    /// Makes one batch from noise that lies flat.
    pub fn make(
        &self,
        noise: &[f32],
        labels: &[usize],
        samples: &[u64],
        bar: &ProgressBar,
    ) -> Result<Made> {
        within_memory(self.batch, || {
            let [tokens, channels] = self.generator.shape();
            let shape = [labels.len(), tokens, channels];
            let noise = Tensor::from_data(TensorData::new(noise.to_vec(), shape), &self.device);
            let each = self.sampling.solver.evaluations();
            let advance = each.map_or(1, |each| (each * labels.len()) as u64);
            let mut watch = |_: &svg_flow::Progress| {
                bar.inc(advance);
                ControlFlow::Continue(())
            };
            let classes = Condition::classes(labels, &self.device);
            let generator = &self.generator;
            let sampled =
                generator.latents(noise, &classes, samples, &self.sampling, &mut watch)?;
            let images = self.generator.images(sampled.latents.clone());
            let latents = sampled.latents.into_data().convert::<f32>();
            Ok(Made {
                latents: latents
                    .try_into_vec()
                    .map_err(|error| anyhow!("{error:?}"))?,
                images: Images::<Signed>::from_tensor(images).to_rgb(),
                passes: sampled.evaluations.iter().sum(),
            })
        })
    }
}

/// The number by which sample `index` of a class draws its noise.
pub fn number(class: usize, index: usize) -> u64 {
    ((class as u64) << 32) | index as u64
}

/// Backends panic when a card's memory is used up; a user should read what to do instead.
fn within_memory<T>(batch: usize, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let payload = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => return result,
        Err(payload) => payload,
    };
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    match text {
        Some(text) if text.to_lowercase().contains("memory") => bail!(
            "the device has no memory for {batch} samples at once: lower --batch (it says: {text})"
        ),
        _ => resume_unwind(payload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_card_is_told_what_to_do_about_and_other_panics_go_on() {
        let full = || -> Result<()> { panic!("OutOfMemory: 3 GB asked for") };
        let error = within_memory(16, full).unwrap_err().to_string();
        assert!(
            error.contains("16 samples at once: lower --batch"),
            "{error}"
        );
        let other = || -> Result<()> { panic!("a bug") };
        assert!(catch_unwind(AssertUnwindSafe(|| within_memory(16, other))).is_err());
    }

    #[test]
    fn every_sample_of_every_class_has_its_own_number() {
        let numbers = [
            number(0, 0),
            number(0, 1),
            number(1, 0),
            number(999, 50_000),
        ];
        for (i, one) in numbers.iter().enumerate() {
            assert!(!numbers[..i].contains(one));
        }
    }
}
