//! Working memory that is used again.

use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

/// Numbers that nobody needs any more. Whoever takes some may find anything in them.
#[derive(Debug, Default)]
pub struct Scratch(Mutex<Vec<Vec<f32>>>);

/// Numbers that return to their [`Scratch`] by themselves.
#[derive(Debug)]
pub struct Lent<'a> {
    numbers: Vec<f32>,
    owner: &'a Scratch,
}

impl Scratch {
    /// So many numbers: a returned vector of just this length, or a new one.
    pub fn take(&self, len: usize) -> Lent<'_> {
        let returned = {
            let mut vectors = self.0.lock().expect("nobody panics with it");
            let found = vectors.iter().rposition(|vector| vector.len() == len);
            found.map(|index| vectors.swap_remove(index))
        };
        Lent {
            numbers: returned.unwrap_or_else(|| vec![0.0; len]),
            owner: self,
        }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let numbers = std::mem::take(&mut self.numbers);
        if let Ok(mut vectors) = self.owner.0.lock() {
            vectors.push(numbers);
        }
    }
}

impl Deref for Lent<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.numbers
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.numbers
    }
}
