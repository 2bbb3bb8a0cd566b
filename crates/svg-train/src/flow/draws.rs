//! What is random in a step, as a function of which samples it uses.

use burn::prelude::*;
use burn::tensor::TensorData;
use rayon::prelude::*;
use svg_model::gaussian;

use crate::flow::FlowTraining;
use crate::random::{Purpose, generator};

/// Streams of normal numbers beside those of sampling, which are small.
const NOISE: u64 = 1 << 32;
const TIMES: u64 = NOISE + 1;
const VALIDATION_NOISE: u64 = NOISE + 2;
const VALIDATION_TIMES: u64 = NOISE + 3;

/// The random numbers of a batch. Sample `n` of a training, counted over all its steps, always gets the same
/// noise and time, and its label is dropped or not, however samples are grouped into batches.
#[derive(Clone, Debug)]
pub(super) struct Draws {
    /// `[batch, tokens, channels]`
    pub noise: Tensor<3>,
    /// `[batch]`, after the shift.
    pub times: Tensor<1>,
    pub labels: Vec<usize>,
}

impl Draws {
    /// For training: the samples from `first` on, of the classes `labels`; `null` takes the place of those
    /// that are dropped.
    pub fn training<C>(
        config: &FlowTraining<C>,
        null: usize,
        first: u64,
        labels: &[usize],
        shape: [usize; 2],
        device: &Device,
    ) -> Self {
        let sampler = config.time;
        let (mut times, mut kept) = (Vec::new(), Vec::new());
        for (sample, &label) in (first..).zip(labels) {
            let mut random = generator(Purpose::Flow, config.seed, sample, 0);
            let uniform = random.fraction();
            let dropped = random.fraction() < config.label_dropout;
            let normal = gaussian(config.seed, TIMES, sample, 1)[0];
            times.push(sampler.time(uniform, normal.into()) as f32);
            kept.push(if dropped { null } else { label });
        }
        let shape = [labels.len(), shape[0], shape[1]];
        Self {
            noise: noise(config.seed, NOISE, first, shape, device),
            times: Tensor::from_data(times.as_slice(), device),
            labels: kept,
        }
    }

    /// For validation: times at the middles of equal shares, no label dropped.
    pub fn validation<C>(
        config: &FlowTraining<C>,
        labels: &[usize],
        shape: [usize; 2],
        device: &Device,
    ) -> Self {
        let sampler = config.time;
        let count = labels.len();
        let time = |sample: usize| {
            let uniform = (sample as f64 + 0.5) / count as f64;
            let normal = gaussian(config.seed, VALIDATION_TIMES, sample as u64, 1)[0];
            sampler.time(uniform, normal.into()) as f32
        };
        let times: Vec<f32> = (0..count).map(time).collect();
        let shape = [count, shape[0], shape[1]];
        Self {
            noise: noise(config.seed, VALIDATION_NOISE, 0, shape, device),
            times: Tensor::from_data(times.as_slice(), device),
            labels: labels.to_vec(),
        }
    }
}

/// The noise of the samples from `first` on, drawn on all cores: each is a function of its number.
fn noise(seed: u64, stream: u64, first: u64, shape: [usize; 3], device: &Device) -> Tensor<3> {
    let [count, tokens, channels] = shape;
    let samples = (first..first + count as u64).into_par_iter();
    let draw = |sample| gaussian(seed, stream, sample, tokens * channels);
    let values: Vec<f32> = samples.flat_map_iter(draw).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NULL: usize = 2;

    fn draws(first: u64, count: usize) -> Draws {
        let config = FlowTraining {
            label_dropout: 0.5,
            ..FlowTraining::tiny()
        };
        let device = Device::default();
        Draws::training(&config, NULL, first, &vec![1; count], [3, 5], &device)
    }

    #[test]
    fn a_sample_draws_the_same_in_every_batch() {
        let (whole, part) = (draws(4, 7), draws(6, 2));
        let noise = whole.noise.narrow(0, 2, 2).into_data();
        part.noise.into_data().assert_eq(&noise, true);
        let times = whole.times.narrow(0, 2, 2).into_data();
        part.times.into_data().assert_eq(&times, true);
        assert_eq!(part.labels, whole.labels[2..4]);
    }

    #[test]
    fn half_of_the_labels_are_dropped_and_times_follow_their_density() {
        let draws = draws(0, 2_000);
        let dropped = draws.labels.iter().filter(|label| **label == NULL).count();
        // Four standard deviations of 22.4.
        assert!(dropped.abs_diff(1_000) < 90, "{dropped}");
        let mut times: Vec<f32> = draws.times.into_data().try_to_vec().unwrap();
        times.sort_by(f32::total_cmp);
        // The median of a uniform number, shifted by 0.4.
        assert!((times[1_000] - 0.285_714).abs() < 0.03, "{}", times[1_000]);
        assert!(times[0] >= 0.0 && times[1_999] <= 1.0);
    }
}
