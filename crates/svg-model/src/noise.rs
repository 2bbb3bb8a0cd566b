//! The noise and the random numbers of sampling.

use burn::prelude::*;
use burn::tensor::TensorData;
use svg_store::Random;

/// Standard normal numbers of a generator that is keyed by the three numbers, the same on every machine.
/// Fewer of them are the first of more.
pub fn gaussian(seed: u64, stream: u64, sample: u64, count: usize) -> Vec<f32> {
    generator(b"gaussian", [seed, stream, sample]).gaussian(count)
}

/// A number that is uniform in [0, 1), of another generator than [`gaussian`]'s.
pub fn uniform(seed: u64, stream: u64, sample: u64) -> f64 {
    generator(b"uniform.", [seed, stream, sample]).fraction()
}

/// The noise that samples begin with, of stream 0: each is a function of the seed and its own number.
///
/// # Shapes
///
/// - shape: tokens and channels
/// - output: `[samples, tokens, channels]`
pub fn noise(
    seed: u64,
    samples: &[u64],
    [tokens, channels]: [usize; 2],
    device: &Device,
) -> Tensor<3> {
    noise_of_stream(seed, 0, samples, [tokens, channels], device)
}

pub(crate) fn noise_of_stream(
    seed: u64,
    stream: u64,
    samples: &[u64],
    [tokens, channels]: [usize; 2],
    device: &Device,
) -> Tensor<3> {
    let draw = |&sample: &u64| gaussian(seed, stream, sample, tokens * channels);
    let numbers: Vec<f32> = samples.iter().flat_map(draw).collect();
    let shape = [samples.len(), tokens, channels];
    Tensor::from_data(TensorData::new(numbers, shape), device)
}

fn generator(purpose: &[u8; 8], [seed, stream, sample]: [u64; 3]) -> Random {
    Random::keyed([u64::from_le_bytes(*purpose), seed, stream, sample])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from a ChaCha8 of thirty lines in Python, with Python's `math`.
    #[test]
    fn the_numbers_are_the_recorded_ones() {
        assert_eq!(
            gaussian(0, 0, 0, 4),
            [1.1030506, 0.97332966, -1.053544, 0.48541382]
        );
        assert_eq!(gaussian(1234, 2, 77, 2), [0.10026965, 0.16165222]);
        // Beyond the first block of the cipher.
        assert_eq!(gaussian(0, 0, 0, 1000)[998..], [-0.39392766, -1.5700179]);
        assert_eq!(uniform(0, 0, 3), 0.8275639010248771);
    }

    #[test]
    fn fewer_numbers_are_the_first_of_more() {
        assert_eq!(gaussian(5, 0, 1, 3), gaussian(5, 0, 1, 100)[..3]);
        assert_eq!(gaussian(5, 0, 1, 0), [0.0; 0]);
    }

    #[test]
    fn seed_stream_and_sample_each_change_everything() {
        let all = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]];
        let all = all.map(|[seed, stream, sample]| gaussian(seed, stream, sample, 8));
        for (i, one) in all.iter().enumerate() {
            for other in &all[..i] {
                assert!(one.iter().zip(other).all(|(a, b)| a != b));
            }
        }
    }

    #[test]
    fn a_sample_has_its_noise_whatever_is_drawn_beside_it() {
        let device = Device::default();
        let together = noise(9, &[4, 0, 7], [3, 5], &device);
        for (place, sample) in [4, 0, 7].into_iter().enumerate() {
            let alone = noise(9, &[sample], [3, 5], &device).into_data();
            let there = together.clone().narrow(0, place, 1).into_data();
            there.assert_eq(&alone, true);
        }
    }

    #[test]
    fn the_numbers_are_standard_normal() {
        let numbers = gaussian(3, 0, 0, 100_000);
        let mean = |power: i32| {
            let powers = numbers.iter().map(|&v| f64::from(v).powi(power));
            powers.sum::<f64>() / numbers.len() as f64
        };
        for (power, expected, allowed) in [
            (1, 0.0, 0.01),
            (2, 1.0, 0.015),
            (3, 0.0, 0.04),
            (4, 3.0, 0.1),
        ] {
            let found = mean(power);
            assert!(
                (found - expected).abs() < allowed,
                "moment {power} is {found}"
            );
        }
    }
}
