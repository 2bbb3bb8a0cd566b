//! The patches that the student does not see, on a device.

use burn::prelude::*;

use crate::pretrain::Masks;

/// Hidden patches of some crops.
#[derive(Clone, Debug)]
pub(super) struct Hidden {
    /// `[crops, patches]`
    pub mask: Tensor<2, Bool>,
    /// Their places, counted over all crops, `[rows]`.
    pub places: Tensor<1, Int>,
    /// How much each counts, `[rows]`.
    pub weights: Tensor<1>,
    /// Whether there are any.
    pub any: bool,
}

impl Hidden {
    /// The hidden patches of these masks. Where there are none, it is one visible patch of no weight, so that
    /// every device has gradients of the same parameters.
    pub fn of(masks: &Masks, device: &Device) -> Self {
        let places = masks.places();
        let mut places: Vec<i64> = places.into_iter().map(|place| place as i64).collect();
        let mut weights = masks.weights();
        let any = !places.is_empty();
        if !any {
            (places, weights) = (vec![0], vec![0.0]);
        }
        Self {
            mask: masks.to_tensor(device),
            places: Tensor::from_data(places.as_slice(), device),
            weights: Tensor::from_data(weights.as_slice(), device),
            any,
        }
    }

    /// Those rows of all tokens, `[rows, channels]`.
    pub fn rows(&self, tokens: Tensor<3>) -> Tensor<2> {
        let places = match tokens.is_autodiff() {
            true => Tensor::from_inner(self.places.clone()),
            false => self.places.clone(),
        };
        tokens.flatten::<2>(0, 1).select(0, places)
    }
}
