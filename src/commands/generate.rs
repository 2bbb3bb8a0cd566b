//! What commands that make images have in common.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use anyhow::{Result, bail, ensure};
use burn::prelude::*;
use burn::tensor::TensorData;
use clap::Args;
use indicatif::ProgressBar;
use svg_flow::{Guidance, GuidanceSchedule};
use svg_image::RgbImage;
use svg_model::{
    Bundle, FLOW, Generator, LATENTS, OpenOptions, Registry, SPACE, Sampling, SolverKind, gaussian,
};
use svg_roles::{Condition, Images, Signed};

use crate::commands::checks::check_finite;
use crate::device::DeviceOptions;
use crate::faults::{Fault, in_words, panic_text};
use crate::interrupt::{Interrupt, Interrupted};
use crate::progress::{evaluation_bar, status};
use crate::ranges::within;
use crate::waiting::{FIRST_STEP, Waiting};

/// The way from noise to data.
#[derive(Args, Clone, Debug)]
pub struct SamplingOptions {
    /// Steps of the solver; dopri5 makes its own
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = within(Sampling::STEPS))]
    steps: usize,
    /// The solver: euler, heun, midpoint, rk4, dopri5 or sde
    #[arg(long, value_name = "NAME", default_value_t = SolverKind::Euler)]
    solver: SolverKind,
    /// How strongly the class is followed; 1 is no guidance and costs half
    #[arg(long, value_name = "SCALE", default_value_t = 4.0, value_parser = within(Sampling::GUIDANCE))]
    guidance: f64,
    /// Where on the way guidance acts: constant, interval:0.1:0.8, late, early:0.3, linear, skip-first:1:0
    #[arg(long, value_name = "MODE", default_value_t = GuidanceSchedule::Constant)]
    guidance_mode: GuidanceSchedule,
    /// Where on the way the steps are: below 1 near the noise
    #[arg(long, value_name = "SHIFT", default_value_t = 0.15, value_parser = within(Sampling::SHIFT))]
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
        if let Some(remark) = remark(&sampling.guidance) {
            status!("{remark}");
        }
        Ok(sampling)
    }

    /// Opens the device, loads the model and says what samples of it follow from.
    pub fn sampler(
        &self,
        bundle: &Bundle,
        mut options: OpenOptions,
        sampling: Sampling,
        device: &DeviceOptions,
    ) -> Result<Sampler> {
        let (device, precision) = device.open()?;
        options.precision = precision;
        let generator = Registry::standard().generator(bundle, &options, &device)?;
        let (solver, shift) = (self.solver, self.shift);
        let way = match solver.evaluations() {
            Some(_) => format!("{solver}, {} steps, shift {shift}", self.steps),
            None => solver.to_string(),
        };
        let guidance = format!("guidance {} {}", self.guidance, self.guidance_mode);
        let words = format!("{way}, {guidance}, {precision:?}, {}", model_words(bundle));
        Ok(Sampler {
            generator,
            sampling,
            words,
            interrupt: None,
        })
    }
}

/// What to say about guidance that is not what its scale promises.
fn remark(guidance: &Guidance) -> Option<String> {
    let GuidanceSchedule::SkipFirst { steps, .. } = guidance.schedule else {
        return None;
    };
    (guidance.scale == 1.0 && steps > 0).then(|| {
        format!(
            "warning: --guidance 1 is no guidance, but --guidance-mode {} still takes no step where guidance \
             would begin, which makes unguided samples worse; use --guidance-mode constant",
            guidance.schedule
        )
    })
}

/// The files that samples follow from, by their hashes.
pub fn model_words(bundle: &Bundle) -> String {
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
    pub sampling: Sampling,
    /// Everything that an image follows from, but its noise and class.
    pub words: String,
    /// What ends a batch before its last step, if there is more to end than this program.
    pub interrupt: Option<Interrupt>,
}

/// What came of one batch.
pub struct Made {
    /// `[batch, tokens, channels]`
    pub latents: Tensor<3>,
    /// `[batch, 3, height, width]`, about in [-1, 1]
    pub images: Tensor<4>,
    /// Passes of all samples through the network.
    pub passes: u64,
}

impl Made {
    /// The images as pictures, rounded to 8 bits.
    pub fn to_rgb(&self) -> Vec<RgbImage> {
        Images::<Signed>::from_tensor(self.images.clone()).to_rgb()
    }
}

impl Sampler {
    /// Numbers of one sample.
    pub fn len(&self) -> usize {
        self.generator.shape().iter().product()
    }

    /// The noise of samples, flat, one after the other.
    pub fn noise(&self, seed: u64, samples: &[u64]) -> Vec<f32> {
        let draw = |sample: &u64| gaussian(seed, 0, *sample, self.len());
        samples.iter().flat_map(draw).collect()
    }

    /// A bar over the evaluations that so many samples need, one of each where the solver decides.
    pub fn bar(&self, samples: usize) -> ProgressBar {
        let each = self.sampling.solver.evaluations();
        let each = each.map_or(1, |each| each * self.sampling.steps);
        evaluation_bar((samples * each) as u64, "sampling")
    }

    /// Makes samples of these classes and numbers, each from its noise of this seed.
    pub fn make_of(&self, seed: u64, samples: &[(usize, u64)], bar: &ProgressBar) -> Result<Made> {
        let (labels, numbers): (Vec<_>, Vec<_>) = samples.iter().copied().unzip();
        self.make(&self.noise(seed, &numbers), &labels, &numbers, bar)
    }

    /// Makes one batch from noise that lies flat.
    pub fn make(
        &self,
        noise: &[f32],
        labels: &[usize],
        samples: &[u64],
        bar: &ProgressBar,
    ) -> Result<Made> {
        let (generator, device) = (&self.generator, self.generator.device());
        within_memory(labels.len(), || {
            let [tokens, channels] = generator.shape();
            let shape = [labels.len(), tokens, channels];
            let noise = Tensor::from_data(TensorData::new(noise.to_vec(), shape), device);
            let each = self.sampling.solver.evaluations();
            let advance = each.map_or(1, |each| (each * labels.len()) as u64);
            let begins = bar.position() == 0;
            let mut first = begins.then(|| Waiting::to(FIRST_STEP, bar));
            let mut watch = |_: &svg_flow::Progress| {
                first = None;
                bar.inc(advance);
                match self.interrupt.is_some_and(Interrupt::is_asked) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            };
            let classes = Condition::classes(labels, device);
            let sampled =
                generator.latents(noise, &classes, samples, &self.sampling, &mut watch)?;
            ensure!(sampled.finished, Interrupted);
            check_finite(&sampled.latents, "the latents")?;
            let images = generator.images(sampled.latents.clone());
            check_finite(&images, "the images")?;
            Ok(Made {
                latents: sampled.latents,
                images,
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
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let text = panic_text(&*payload).unwrap_or_default();
        match (Fault::of(text), in_words(text)) {
            (Some(Fault::Memory), Some(words)) => {
                bail!("the device has no memory for {batch} samples at once: {words}")
            }
            _ => resume_unwind(payload),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_card_is_told_what_to_do_about_and_other_panics_go_on() {
        let full = || -> Result<()> { panic!("out of device memory allocating 3000000000 bytes") };
        let error = within_memory(16, full).unwrap_err().to_string();
        assert!(
            error.contains("16 samples at once") && error.contains("Lower --batch"),
            "{error}"
        );
        let other = || -> Result<()> { panic!("a bug") };
        assert!(catch_unwind(AssertUnwindSafe(|| within_memory(16, other))).is_err());
    }

    #[test]
    fn steps_that_are_skipped_without_guidance_are_remarked_on() {
        let said = |scale: f64, schedule: &str| {
            let schedule = schedule.parse().unwrap();
            remark(&Guidance { scale, schedule })
        };
        let warning = said(1.0, "skip-first:1:0").unwrap();
        assert!(
            warning.contains("use --guidance-mode constant"),
            "{warning}"
        );
        assert_eq!(said(1.5, "skip-first:1:0"), None);
        assert_eq!(said(1.0, "skip-first:0:0"), None);
        assert_eq!(said(1.0, "late"), None);
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
