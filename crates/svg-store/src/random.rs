//! Keyed random numbers.

use std::f64::consts::TAU;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// ChaCha8 generator with a key of four words.
///
/// If the key consists of the purpose, the seed and the position (a step, a picture), no state needs to be
/// stored: the numbers of a position follow from its key. They are the same on every machine and in every
/// version, because everything except the cipher is implemented here.
#[derive(Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// Creates the generator for a key.
    pub fn keyed(words: [u64; 4]) -> Self {
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A uniform 64-bit integer.
    pub fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A uniform number in [0, 1) with 53 bits.
    pub fn fraction(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A uniform number in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.fraction()
    }

    /// An integer below `bound`, uniform with a bias of at most `bound / 2^64`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.word()) * u128::from(bound)) >> 64) as u64
    }

    /// Shuffles with the Fisher-Yates algorithm.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }

    /// `count` standard normal numbers by the Box-Muller transform.
    ///
    /// They are computed in f64 with the logarithm, sine and cosine of one library and then rounded, so that
    /// they are the same on every machine. A smaller `count` gives a prefix of a larger one.
    pub fn gaussian(&mut self, count: usize) -> Vec<f32> {
        let mut numbers = Vec::with_capacity(count + 1);
        while numbers.len() < count {
            // In (0, 1], so that the logarithm is finite.
            let radius = (-2.0 * libm::log(1.0 - self.fraction())).sqrt();
            let angle = TAU * self.fraction();
            numbers.push((radius * libm::cos(angle)) as f32);
            numbers.push((radius * libm::sin(angle)) as f32);
        }
        numbers.truncate(count);
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u64; 4] = [2, 7, 2, 31];

    #[test]
    fn the_numbers_depend_on_every_word_of_the_key() {
        let first = |key| Random::keyed(key).word();
        assert_eq!(first(KEY), first(KEY));
        for place in 0..4 {
            let mut other = KEY;
            other[place] += 1;
            assert_ne!(first(KEY), first(other));
        }
    }

    /// Recorded from an implementation of ChaCha8 in Python, with Python's `math`.
    #[test]
    fn normal_numbers_equal_recorded_ones() {
        let gaussian = |words: [u64; 3], count| {
            let [seed, stream, sample] = words;
            let purpose = u64::from_le_bytes(*b"gaussian");
            Random::keyed([purpose, seed, stream, sample]).gaussian(count)
        };
        assert_eq!(
            gaussian([0; 3], 4),
            [1.1030506, 0.97332966, -1.053544, 0.48541382]
        );
        assert_eq!(gaussian([1234, 2, 77], 2), [0.10026965, 0.16165222]);
        // Beyond the first block of the cipher.
        assert_eq!(gaussian([0; 3], 1000)[998..], [-0.39392766, -1.5700179]);
        assert_eq!(gaussian([5, 0, 1], 3), gaussian([5, 0, 1], 100)[..3]);
    }

    /// Recorded from an implementation of ChaCha8 in Python.
    #[test]
    fn a_shuffle_equals_the_recorded_one() {
        let mut numbers: Vec<usize> = (0..8).collect();
        Random::keyed([1, 0, 0, 0]).shuffle(&mut numbers);
        assert_eq!(numbers, [6, 1, 0, 7, 5, 4, 2, 3]);
    }

    #[test]
    fn numbers_below_a_bound_are_uniform() {
        let mut random = Random::keyed(KEY);
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[random.below(7) as usize] += 1;
        }
        // Four standard deviations of a count, 92.6 each.
        assert!(
            counts.iter().all(|count| count.abs_diff(10_000) < 371),
            "{counts:?}"
        );
        assert_eq!(random.below(1), 0);
    }

    #[test]
    fn fractions_and_numbers_between_stay_in_range() {
        let mut random = Random::keyed(KEY);
        for _ in 0..1000 {
            assert!((0.0..1.0).contains(&random.fraction()));
            assert!((-3.0..2.0).contains(&random.between(-3.0, 2.0)));
        }
    }
}
