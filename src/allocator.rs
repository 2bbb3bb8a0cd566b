//! The memory allocator of the program, and of the benches that measure it.

use std::ffi::c_long;

use libmimalloc_sys::{mi_option_set_default, mi_option_t};
use mimalloc::MiMalloc;

/// Activations are tens of megabytes that live for microseconds. The system's allocator returns each to
/// the kernel, which clears it page by page; this one keeps them, and encoding takes half the time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `mi_option_purge_delay` of mimalloc's header; its Rust crate does not name it.
const PURGE_DELAY: mi_option_t = 15;

/// Keeps freed memory for good. By default it goes back to the kernel after a second, and a training step
/// lasts longer: the kernel would clear the same pages in every step. The environment variable
/// MIMALLOC_PURGE_DELAY still has the last word.
pub fn keep_memory() {
    const NEVER: c_long = -1;
    // SAFETY: sets a number that mimalloc reads; any value is allowed at any time.
    unsafe { mi_option_set_default(PURGE_DELAY, NEVER) }
}
