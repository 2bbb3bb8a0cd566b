//! Random numbers of one picture.

use std::f64::consts::TAU;

use svg_store::Random;

/// The numbers that a picture is a function of.
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

    /// A whole number below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        self.between(0.0, count as f64) as usize
    }

    /// An angle of the whole circle.
    pub fn angle(&mut self) -> f64 {
        self.between(0.0, TAU)
    }
}
