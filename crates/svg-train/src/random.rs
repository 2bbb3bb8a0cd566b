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
