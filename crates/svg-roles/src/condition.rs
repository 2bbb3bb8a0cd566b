//! Conditions of a velocity network.

use burn::prelude::*;

/// Condition of a batch.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "tensors are handles; one condition is kept per batch"
)]
pub enum Condition {
    /// One class per sample, `[batch]`.
    Classes(Tensor<1, Int>),
    /// One text per sample.
    Text {
        /// Tokens of a text encoder, `[batch, tokens, channels]`.
        tokens: Tensor<3>,
        /// True for tokens, false for padding, `[batch, tokens]`.
        mask: Tensor<2, Bool>,
    },
    /// No condition, for an unconditional network.
    None,
}

impl Condition {
    /// Creates a condition from class indices.
    pub fn classes(classes: &[usize], device: &Device) -> Self {
        let classes: Vec<i64> = classes.iter().map(|&class| class as i64).collect();
        Self::Classes(Tensor::from_data(classes.as_slice(), device))
    }

    /// Number of samples; `None` for [`Condition::None`], which fits every batch.
    pub fn batch(&self) -> Option<usize> {
        match self {
            Self::Classes(classes) => Some(classes.dims()[0]),
            Self::Text { tokens, .. } => Some(tokens.dims()[0]),
            Self::None => None,
        }
    }

    /// The classes, for networks that are conditioned on classes.
    ///
    /// # Panics
    ///
    /// If the condition is of another kind.
    pub fn expect_classes(&self) -> Tensor<1, Int> {
        match self {
            Self::Classes(classes) => classes.clone(),
            Self::Text { .. } => panic!("this network takes classes, but was given a text"),
            Self::None => panic!("this network takes classes, but was given no condition"),
        }
    }

    /// Concatenates two batches.
    ///
    /// ```
    /// use burn::prelude::*;
    /// use svg_roles::Condition;
    ///
    /// let device = Device::default();
    /// let joined = Condition::classes(&[3, 1], &device).join(Condition::classes(&[7], &device));
    /// assert_eq!(joined.batch(), Some(3));
    /// ```
    ///
    /// # Panics
    ///
    /// If they are of different kinds.
    pub fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Classes(one), Self::Classes(two)) => {
                Self::Classes(Tensor::cat(vec![one, two], 0))
            }
            (Self::Text { tokens, mask }, Self::Text { tokens: t, mask: m }) => Self::Text {
                tokens: Tensor::cat(vec![tokens, t], 0),
                mask: Tensor::cat(vec![mask, m], 0),
            },
            (Self::None, Self::None) => Self::None,
            (one, two) => panic!("conditions of different kinds: {one:?} and {two:?}"),
        }
    }

    /// `count` samples starting at index `first`.
    pub fn narrow(&self, first: usize, count: usize) -> Self {
        match self {
            Self::Classes(classes) => Self::Classes(classes.clone().narrow(0, first, count)),
            Self::Text { tokens, mask } => Self::Text {
                tokens: tokens.clone().narrow(0, first, count),
                mask: mask.clone().narrow(0, first, count),
            },
            Self::None => Self::None,
        }
    }

    /// The same condition on another device.
    pub fn to_device(&self, device: &Device) -> Self {
        match self {
            Self::Classes(classes) => Self::Classes(classes.clone().to_device(device)),
            Self::Text { tokens, mask } => Self::Text {
                tokens: tokens.clone().to_device(device),
                mask: mask.clone().to_device(device),
            },
            Self::None => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(condition: &Condition) -> Vec<i64> {
        condition.expect_classes().into_data().iter().collect()
    }

    #[test]
    fn narrow_returns_parts_of_joined_classes() {
        let device = Device::default();
        let joined = Condition::classes(&[3, 1], &device).join(Condition::classes(&[7], &device));
        assert_eq!(joined.batch(), Some(3));
        assert_eq!(numbers(&joined), [3, 1, 7]);
        assert_eq!(numbers(&joined.narrow(1, 2)), [1, 7]);
    }

    #[test]
    fn no_condition_fits_every_batch() {
        let none = Condition::None.join(Condition::None);
        assert_eq!(none.batch(), None);
        assert_eq!(none.narrow(0, 5).batch(), None);
    }

    #[test]
    #[should_panic(expected = "takes classes, but was given no condition")]
    fn expect_classes_panics_without_condition() {
        Condition::None.expect_classes();
    }
}
