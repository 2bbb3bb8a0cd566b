//! Random numbers that are a function of where they are used.

use std::f64::consts::TAU;

use burn::prelude::*;
use burn::tensor::TensorData;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// Standard normal numbers: ChaCha8 keyed by the three numbers, and the transform of Box and Muller.
///
/// They are computed on the host in f64 and rounded, with the logarithm, sine and cosine of one library,
/// so that they are the same on every machine. Fewer of them are the first of more.
pub fn gaussian(seed: u64, stream: u64, sample: u64, count: usize) -> Vec<f32> {
    let mut random = generator(b"gaussian", [seed, stream, sample]);
    let mut numbers = Vec::with_capacity(count + 1);
    while numbers.len() < count {
        // In (0, 1], so that the logarithm is finite.
        let radius = (-2.0 * libm::log(1.0 - fraction(&mut random))).sqrt();
        let angle = TAU * fraction(&mut random);
        numbers.push((radius * libm::cos(angle)) as f32);
        numbers.push((radius * libm::sin(angle)) as f32);
    }
    numbers.truncate(count);
    numbers
}

/// A number that is uniform in [0, 1), of another generator than [`gaussian`]'s.
pub fn uniform(seed: u64, stream: u64, sample: u64) -> f64 {
    fraction(&mut generator(b"uniform.", [seed, stream, sample]))
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

fn generator(purpose: &[u8; 8], numbers: [u64; 3]) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(purpose);
    for (bytes, number) in key[8..].chunks_exact_mut(8).zip(numbers) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

fn fraction(random: &mut impl Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
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
