//! Noise to images.

use std::ops::ControlFlow;
use std::sync::Arc;

use burn::prelude::*;
use svg_flow::{
    Counted, Diffusion, DormandPrince, Euler, EulerMaruyama, Guided, Heun, LastStep, Midpoint,
    Progress, Rk4, Solver, integrate,
};
use svg_roles::{Condition, LatentSpace, Velocity};

use crate::bundle::misfit;
use crate::noise::noise_of_stream;
use crate::{Conditioned, ModelError, Sampling, SolverKind, noise};

/// A space of latents and the flow that leads noise into it.
///
/// On burn's CPU backend a sample is the same to the bit whatever the batch that it is in: its noise is its
/// own, networks treat it as if it were alone, and a solver that chooses its steps follows one sample at a
/// time.
#[derive(Clone, Debug)]
pub struct Generator {
    /// From latents to images.
    pub space: Arc<dyn LatentSpace>,
    /// The velocity of latents.
    pub flow: Arc<dyn Velocity>,
    device: Device,
}

/// What came of a batch of noise.
#[derive(Clone, Debug)]
pub struct Sampled {
    /// `[batch, tokens, channels]`
    pub latents: Tensor<3>,
    /// Passes of each sample through the network, guidance included.
    pub evaluations: Vec<u64>,
    /// Whether the watcher let every step pass.
    pub finished: bool,
}

impl Generator {
    /// A flow of latents and the space that decodes them, both on `device`.
    ///
    /// # Errors
    ///
    /// [`ModelError::Misfit`] if the flow is for another grid or number of channels.
    pub fn new(
        space: Arc<dyn LatentSpace>,
        flow: Arc<dyn Velocity>,
        device: &Device,
    ) -> Result<Self, ModelError> {
        match misfit(&flow.spec(), space.geometry()) {
            Some(reason) => Err(ModelError::Misfit(reason)),
            None => Ok(Self {
                space,
                flow,
                device: device.clone(),
            }),
        }
    }

    /// Where the networks are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Tokens and channels of one sample.
    pub fn shape(&self) -> [usize; 2] {
        self.flow.spec().shape()
    }

    /// The noise that samples of these numbers begin with: [`noise`] in the shape of the flow.
    pub fn noise(&self, seed: u64, samples: &[u64]) -> Tensor<3> {
        noise(seed, samples, self.shape(), &self.device)
    }

    /// Moves noise to latents under `condition`. `samples` are the numbers of the samples, by which a
    /// stochastic solver draws; `watch` sees every step and may stop.
    ///
    /// # Shapes
    ///
    /// - noise: `[batch, tokens, channels]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Sampling`] if the settings mean nothing, a class is none of the flow's, or the noise has
    /// another shape.
    pub fn latents(
        &self,
        noise: Tensor<3>,
        condition: &Condition,
        samples: &[u64],
        sampling: &Sampling,
        watch: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Sampled, ModelError> {
        let times = sampling.times()?;
        self.check(&noise, condition, samples)?;
        // One sample at a time where the steps depend on the samples.
        let together = match sampling.solver.is_adaptive() {
            true => 1,
            false => samples.len().max(1),
        };
        let (mut latents, mut evaluations) = (Vec::new(), Vec::new());
        let mut finished = true;
        for (group, samples) in samples.chunks(together).enumerate() {
            let (first, count) = (group * together, samples.len());
            let x = noise.clone().narrow(0, first, count);
            if !finished {
                evaluations.extend(vec![0; count]);
                latents.push(x);
                continue;
            }
            let condition = condition.narrow(first, count);
            let field = Guided {
                branches: Counted::new(Conditioned::new(&*self.flow, condition)),
                guidance: sampling.guidance,
            };
            let solver = solver(sampling, samples);
            let solution = integrate(&field, &*solver, &times, x, &mut |at| watch(&at));
            finished = solution.finished;
            evaluations.extend(vec![field.branches.evaluations(); count]);
            latents.push(solution.x);
        }
        Ok(Sampled {
            latents: match latents.is_empty() {
                true => noise,
                false => Tensor::cat(latents, 0),
            },
            evaluations,
            finished,
        })
    }

    /// Latents to images, one at a time: a decoder sums in another order for a batch, and one image fills a
    /// device.
    ///
    /// # Shapes
    ///
    /// - latents: `[batch, tokens, channels]`, not of an empty batch
    /// - output: `[batch, 3, height, width]`, about in [-1, 1]
    pub fn images(&self, latents: Tensor<3>) -> Tensor<4> {
        let each = latents.split(1, 0).into_iter();
        let grid = self.space.geometry().grid();
        Tensor::cat(each.map(|one| self.space.decode(one, grid)).collect(), 0)
    }

    fn check(
        &self,
        noise: &Tensor<3>,
        condition: &Condition,
        samples: &[u64],
    ) -> Result<(), ModelError> {
        let refuse = |reason: String| Err(ModelError::Sampling(reason));
        let classes = self.flow.spec().classes;
        if let Condition::Classes(asked) = condition {
            let asked = asked.to_data();
            let none = |class: &i64| *class < 0 || *class >= classes as i64;
            if let Some(class) = asked.iter::<i64>().find(none) {
                return refuse(format!(
                    "there is no class {class}: the model has {classes}, from 0 to {}",
                    classes.saturating_sub(1)
                ));
            }
        }
        let batch = condition.batch().unwrap_or(samples.len());
        let [tokens, channels] = self.shape();
        let (found, expected) = (noise.dims(), [batch, tokens, channels]);
        if found != expected {
            return refuse(format!(
                "the noise has the shape {found:?}, the flow takes {expected:?} for {batch} conditions: \
                 samples, tokens, channels"
            ));
        }
        match samples.len() == batch {
            true => Ok(()),
            false => refuse(format!(
                "there are {} numbers of samples for {batch} conditions; each sample has both",
                samples.len()
            )),
        }
    }
}

fn solver(sampling: &Sampling, samples: &[u64]) -> Box<dyn Solver> {
    let (seed, samples) = (sampling.seed, samples.to_vec());
    match sampling.solver {
        SolverKind::Euler => Box::new(Euler),
        SolverKind::Heun => Box::new(Heun),
        SolverKind::Midpoint => Box::new(Midpoint),
        SolverKind::Rk4 => Box::new(Rk4),
        SolverKind::DormandPrince => Box::new(DormandPrince::default()),
        SolverKind::EulerMaruyama => Box::new(EulerMaruyama {
            diffusion: Diffusion::default(),
            last: LastStep::Euler,
            noise: move |step: usize, like: &Tensor<3>| {
                let [_, tokens, channels] = like.dims();
                let stream = 1 + step as u64;
                noise_of_stream(seed, stream, &samples, [tokens, channels], &like.device())
            },
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{autoencoder, sit_config, woken};
    use crate::{Alignment, LatentStatistics, Normalised};
    use burn::tensor::TensorData;
    use svg_flow::{Guidance, GuidanceSchedule};
    use svg_sit::SitConfig;

    fn generator() -> Generator {
        let statistics = LatentStatistics {
            mean: (0..24).map(|channel| f64::from(channel) * 0.1).collect(),
            std: vec![0.5; 24],
        };
        let space = Normalised::new(Arc::new(autoencoder(Alignment::Frozen)), statistics).unwrap();
        Generator::new(Arc::new(space), Arc::new(woken()), &Device::default()).unwrap()
    }

    fn sampling(solver: SolverKind, schedule: GuidanceSchedule) -> Sampling {
        Sampling {
            solver,
            steps: 3,
            guidance: Guidance {
                scale: 2.5,
                schedule,
            },
            ..Sampling::svg()
        }
    }

    fn asked(labels: &[usize]) -> Condition {
        Condition::classes(labels, &Device::default())
    }

    fn unwatched(_: &Progress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn run(generator: &Generator, samples: &[u64], sampling: &Sampling) -> Sampled {
        let labels: Vec<usize> = samples.iter().map(|sample| *sample as usize % 10).collect();
        let noise = generator.noise(7, samples);
        generator
            .latents(noise, &asked(&labels), samples, sampling, &mut unwatched)
            .unwrap()
    }

    /// Latents and images of samples 0 to 6, so many at once.
    fn in_batches(
        generator: &Generator,
        sampling: &Sampling,
        batch: usize,
    ) -> (TensorData, TensorData) {
        let samples: Vec<u64> = (0..7).collect();
        let parts: Vec<_> = samples
            .chunks(batch)
            .map(|samples| run(generator, samples, sampling).latents)
            .collect();
        let images = parts.iter().map(|part| generator.images(part.clone()));
        let images: Vec<_> = images.collect();
        let (latents, images) = (Tensor::cat(parts, 0), Tensor::cat(images, 0));
        (latents.into_data(), images.into_data())
    }

    #[test]
    fn a_sample_is_the_same_in_every_batch() {
        let generator = generator();
        let exact = format!("{:?}", Device::default()).contains("Flex");
        for solver in [
            SolverKind::Euler,
            SolverKind::Heun,
            SolverKind::Midpoint,
            SolverKind::Rk4,
            SolverKind::DormandPrince,
            SolverKind::EulerMaruyama,
        ] {
            let interval = GuidanceSchedule::Interval {
                low: 0.05,
                high: 0.9,
            };
            let sampling = sampling(solver, interval);
            let (latents, images) = in_batches(&generator, &sampling, 7);
            for batch in [1, 4] {
                let (some, pictures) = in_batches(&generator, &sampling, batch);
                for (found, expected) in [(some, &latents), (pictures, &images)] {
                    // GPUs choose a routine by the size of the whole batch.
                    match exact {
                        true => found.assert_eq(expected, true),
                        false => found.assert_approx_eq::<f32>(
                            expected,
                            burn::tensor::Tolerance::absolute(1e-3),
                        ),
                    }
                }
            }
        }
    }

    #[test]
    fn passes_are_counted_for_each_sample() {
        let generator = generator();
        let passes =
            |solver, schedule| run(&generator, &[0, 1], &sampling(solver, schedule)).evaluations;
        let skipped = GuidanceSchedule::SkipFirst { steps: 1, rho: 0.0 };
        assert_eq!(
            passes(SolverKind::Euler, GuidanceSchedule::Constant),
            [6, 6]
        );
        assert_eq!(passes(SolverKind::Euler, skipped), [4, 4]);
        assert_eq!(
            passes(SolverKind::Heun, GuidanceSchedule::Constant),
            [12, 12]
        );
        let adaptive = passes(SolverKind::DormandPrince, GuidanceSchedule::Constant);
        assert!(adaptive.iter().all(|passes| *passes >= 14), "{adaptive:?}");
    }

    #[test]
    fn class_seed_and_number_each_change_a_sample() {
        let generator = generator();
        let of = |label: usize, seed: u64, sample: u64| {
            let noise = generator.noise(seed, &[sample]);
            let sampling = sampling(SolverKind::Euler, GuidanceSchedule::Constant);
            let sampled = generator.latents(
                noise,
                &asked(&[label]),
                &[sample],
                &sampling,
                &mut unwatched,
            );
            sampled.unwrap().latents
        };
        let far = |other: Tensor<3>| (of(1, 0, 0) - other).abs().max().into_scalar::<f32>() > 1e-3;
        assert!(!far(of(1, 0, 0)));
        assert!(far(of(2, 0, 0)) && far(of(1, 1, 0)) && far(of(1, 0, 1)));
    }

    #[test]
    fn a_watcher_may_break_off() {
        let generator = generator();
        let stop = &mut |at: &Progress| match at.step {
            2 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        let sampling = sampling(SolverKind::Euler, GuidanceSchedule::Constant);
        let noise = generator.noise(0, &[0]);
        let sampled = generator
            .latents(noise, &asked(&[0]), &[0], &sampling, stop)
            .unwrap();
        assert!(!sampled.finished);
        assert_eq!(sampled.evaluations, [4]);
    }

    #[test]
    fn what_cannot_be_sampled_is_named_on_both_sides() {
        let generator = generator();
        let device = Device::default();
        let ask = |noise: [usize; 3], labels: &[usize], samples: &[u64]| {
            let noise = Tensor::zeros(noise, &device);
            let sampled = generator.latents(
                noise,
                &asked(labels),
                samples,
                &Sampling::svg(),
                &mut unwatched,
            );
            sampled.unwrap_err().to_string()
        };
        let error = ask([1, 4, 24], &[12], &[0]);
        assert!(
            error.contains("no class 12: the model has 10, from 0 to 9"),
            "{error}"
        );
        let error = ask([1, 4, 20], &[1], &[0]);
        assert!(
            error.contains("[1, 4, 20], the flow takes [1, 4, 24]"),
            "{error}"
        );
        let error = ask([1, 4, 24], &[1], &[0, 1]);
        assert!(
            error.contains("2 numbers of samples for 1 conditions"),
            "{error}"
        );
        let other = SitConfig {
            in_channels: 20,
            ..sit_config()
        };
        let error = Generator::new(
            generator.space.clone(),
            Arc::new(other.init(&device)),
            &device,
        );
        let error = error.unwrap_err().to_string();
        let expected =
            "it makes 20 channels on 2 x 2 tokens, the bundle's latents have 24 on 2 x 2";
        assert!(error.contains(expected), "{error}");
    }
}
