//! Memory that several threads write at once, each its own part.

use std::marker::PhantomData;

/// A slice whose parts are handed out without a proof that they do not overlap.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    start: *mut f32,
    len: usize,
    slice: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is a slice of numbers, and who asks for a part promises that nobody else has it.
unsafe impl Send for Target<'_> {}
// SAFETY: as above.
unsafe impl Sync for Target<'_> {}

impl<'a> Target<'a> {
    /// All of a slice, for as long as it is lent.
    pub fn new(slice: &'a mut [f32]) -> Self {
        Self {
            start: slice.as_mut_ptr(),
            len: slice.len(),
            slice: PhantomData,
        }
    }

    /// `len` numbers from `start`.
    ///
    /// # Safety
    ///
    /// No other part with one of these numbers is alive.
    ///
    /// # Panics
    ///
    /// If they do not lie inside the slice.
    pub unsafe fn slice(self, start: usize, len: usize) -> &'a mut [f32] {
        assert!(start <= self.len && len <= self.len - start);
        // SAFETY: inside the slice, as just asked; the caller's promise is that it is unique.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }
}
