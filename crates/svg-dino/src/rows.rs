//! Thirds of fused projections, as in `svg_nn::rows`, and what DINOv3's files say of them.

pub(crate) use svg_nn::rows::{renamed, stack, third, zeros_like};

/// The factors of a fused bias, of which a third are `width`: keys have none.
pub(crate) fn key_mask(width: usize) -> Vec<f32> {
    [1.0, 0.0, 1.0].map(|value| vec![value; width]).concat()
}
