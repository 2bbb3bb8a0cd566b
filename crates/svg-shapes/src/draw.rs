//! Random numbers of one picture.

use std::f64::consts::TAU;

use svg_store::Random;

/// Random numbers of a picture, keyed by seed, class and index.
pub(crate) struct Draw(Random);

impl Draw {
    pub fn new(seed: u64, class: usize, index: u64) -> Self {
        let purpose = u64::from_le_bytes(*b"shapes.1");
        Self(Random::keyed([purpose, seed, class as u64, index]))
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        self.0.between(low, high)
    }

    /// An integer below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        self.between(0.0, count as f64) as usize
    }

    /// An angle in [0, 2 pi).
    pub fn angle(&mut self) -> f64 {
        self.between(0.0, TAU)
    }
}
