//! Random numbers that are a function of where they are used.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// What a generator is used for, so that no two uses share their numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// The order of pictures.
    Order = 1,
    /// Where a picture is cut, and whether it is mirrored.
    Crop = 2,
    /// The mask and the dropout of the residual encoder.
    Residual = 3,
    /// The times and the dropped labels of a flow.
    Flow = 4,
    /// Crops, colours and blur of the views of a picture.
    Views = 5,
    /// Which patches are hidden from a student.
    Masks = 6,
}

/// A generator keyed by its purpose, the seed and two numbers.
///
/// There is thus no state to store: what a step draws follows from the seed and the step.
pub(crate) fn generator(purpose: Purpose, seed: u64, first: u64, second: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    let words = [purpose as u64, seed, first, second];
    for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// Uniform in [0, 1).
pub(crate) fn fraction(random: &mut impl Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// A number below `bound`, uniform but for a bias of at most `bound / 2^64`.
///
/// It is made here and not by rand, which may change its way from one version to the next: an order
/// must survive an update.
pub(crate) fn below(random: &mut impl Rng, bound: u64) -> u64 {
    ((u128::from(random.next_u64()) * u128::from(bound)) >> 64) as u64
}

/// Uniform in [low, high).
pub(crate) fn between(random: &mut impl Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * fraction(random)
}

/// Every order equally often, by Fisher and Yates's algorithm.
pub(crate) fn shuffle<T>(items: &mut [T], random: &mut impl Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(random, last as u64 + 1) as usize);
    }
}
