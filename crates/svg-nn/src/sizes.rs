//! Ranges of the sizes of networks.
//!
//! They are far above every network that there is, and so small that no product of a few of them overflows. What a
//! machine can hold is another question, which [`svg_store::beyond_memory`] answers.

use std::ops::RangeInclusive;

use burn::prelude::*;
use svg_store::outside;

/// Numbers of channels, also of hidden ones.
pub const CHANNELS: RangeInclusive<usize> = 1..=(1 << 20);
/// Numbers of blocks.
pub const LAYERS: RangeInclusive<usize> = 1..=(1 << 12);
/// Sides of a patch in pixels.
pub const PATCH: RangeInclusive<usize> = 1..=(1 << 10);
/// Sides of an image in pixels.
pub const SIDE: RangeInclusive<usize> = 1..=(1 << 14);
/// Rows or columns of tokens.
pub const GRID: RangeInclusive<usize> = 1..=(1 << 12);
/// Numbers of classes of a network that has classes.
pub const CLASSES: RangeInclusive<usize> = 1..=(1 << 24);

/// Why `n_heads` heads cannot share `d_model` channels, each of them a multiple of `unit`; `None` if they can.
///
/// ```
/// assert_eq!(svg_nn::heads(16, 384, 4), None);
/// let problem = svg_nn::heads(5, 16, 1).unwrap();
/// assert_eq!(problem, "n_heads is 5, and 5 heads do not divide 16 channels");
/// ```
pub fn heads(n_heads: usize, d_model: usize, unit: usize) -> Option<String> {
    let problem = outside("d_model", d_model, CHANNELS);
    let problem = problem.or_else(|| outside("n_heads", n_heads, 1..=d_model));
    problem.or_else(|| {
        let divides = d_model.is_multiple_of(n_heads) && (d_model / n_heads).is_multiple_of(unit);
        let of = match unit {
            1 => String::new(),
            4 => " into heads of a multiple of four".to_string(),
            unit => format!(" into heads of a multiple of {unit}"),
        };
        (!divides).then(|| {
            format!(
                "n_heads is {n_heads}, and {n_heads} heads do not divide {d_model} channels{of}"
            )
        })
    })
}

/// [`svg_store::beyond_memory`] for what is on a device that computes in the machine's memory; `None` for cards, which
/// have their own.
pub fn beyond_memory(device: &Device, what: &str, bytes: f64) -> Option<String> {
    is_host(device).then(|| svg_store::beyond_memory(what, bytes))?
}

/// Whether a device is the processor, whose tensors are in the machine's memory and are there when a call returns.
pub fn is_host(device: &Device) -> bool {
    // Burn says the kind of a device in no other way.
    format!("{device:?}").contains("Flex")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_processor_has_the_memory_of_the_machine() {
        for device in [Device::flex(), Device::flex().autodiff()] {
            let problem = beyond_memory(&device, "a network", 1e20).unwrap();
            assert!(
                problem.starts_with("a network needs at least 1e11 GB"),
                "{problem}"
            );
            assert_eq!(beyond_memory(&device, "a network", 1e3), None);
        }
    }

    #[test]
    fn heads_share_all_channels_alike() {
        assert_eq!(heads(1, 1, 1), None);
        for (n_heads, d_model, unit) in [
            (0, 16, 1),
            (17, 16, 1),
            (1, 0, 1),
            (5, 16, 1),
            (8, 16, 4),
            (1 << 62, 16, 4),
        ] {
            assert!(
                heads(n_heads, d_model, unit).is_some(),
                "{n_heads} of {d_model}"
            );
        }
    }
}
