//! Random numbers that are a function of where they are used.

use svg_store::Random;

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
pub(crate) fn generator(purpose: Purpose, seed: u64, first: u64, second: u64) -> Random {
    Random::keyed([purpose as u64, seed, first, second])
}
