//! Cards without memory.

use std::any::Any;

/// Whether Burn's backends panicked because a card has no memory left, by the messages of cubecl 0.11, CUDA and
/// wgpu 30.
pub(super) fn is_of_memory(panic: &(dyn Any + Send)) -> bool {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    let text = owned.or(panic.downcast_ref::<&str>().copied());
    let signs = [
        "out of device memory",
        "can't allocate buffer of size",
        "out-of-memory error",
        "OUT_OF_MEMORY",
        "Out of Memory",
    ];
    text.is_some_and(|text| signs.iter().any(|sign| text.contains(sign)))
}
