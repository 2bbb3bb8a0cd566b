//! The highest of several scores.

/// Index of the highest score; ties go to the lowest index.
pub(crate) fn highest<T: PartialOrd>(scores: &[T]) -> usize {
    (0..scores.len()).fold(0, |most, at| match scores[at] > scores[most] {
        true => at,
        false => most,
    })
}
