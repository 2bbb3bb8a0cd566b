//! Random numbers of one picture.

use std::f64::consts::TAU;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// ChaCha8 keyed by what the picture is a function of.
pub(crate) struct Draw(ChaCha8Rng);

impl Draw {
    pub fn new(seed: u64, class: usize, index: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(b"shapes.1");
        for (bytes, number) in key[8..]
            .chunks_exact_mut(8)
            .zip([seed, class as u64, index])
        {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        let fraction = (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        low + (high - low) * fraction
    }

    /// A whole number below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        self.between(0.0, count as f64) as usize
    }

    /// An angle of the whole circle.
    pub fn angle(&mut self) -> f64 {
        self.between(0.0, TAU)
    }
}
