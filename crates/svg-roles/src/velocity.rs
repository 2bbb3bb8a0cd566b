//! Trait for velocity networks.

use std::fmt::Debug;
use std::sync::Arc;

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Condition;

/// Sizes of a [`Velocity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VelocitySpec {
    /// Rows and columns of the tokens.
    pub grid: [usize; 2],
    /// Number of channels of a token.
    pub channels: usize,
    /// Number of classes; 0 if the network is not conditioned on classes.
    pub classes: usize,
}

impl VelocitySpec {
    /// Numbers of tokens and channels of a sample.
    pub fn shape(&self) -> [usize; 2] {
        [self.grid[0] * self.grid[1], self.channels]
    }
}

/// Trait for networks that predict the velocity `v(x, t, c)` of a flow from noise at time 0 to data at time 1.
///
/// Networks with another convention (predicted noise, reversed time) implement it by conversion.
pub trait Velocity: Debug + Send + Sync {
    /// Velocity of each sample at its own time.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, tokens, channels]`
    /// - t: `[batch]`
    ///
    /// # Panics
    ///
    /// If a shape or the kind of condition does not match the network.
    fn velocity(&self, x: Tensor<3>, t: Tensor<1>, condition: &Condition) -> Tensor<3>;

    /// The condition of the unconditional branch of guidance that corresponds to `condition`.
    fn unconditional(&self, condition: &Condition) -> Condition;

    /// Sizes of the network.
    fn spec(&self) -> VelocitySpec;

    /// Number of parameters, if known.
    fn parameters(&self) -> Option<usize> {
        None
    }
}

impl<V: Velocity + ?Sized> Velocity for Arc<V> {
    fn velocity(&self, x: Tensor<3>, t: Tensor<1>, condition: &Condition) -> Tensor<3> {
        (**self).velocity(x, t, condition)
    }

    fn unconditional(&self, condition: &Condition) -> Condition {
        (**self).unconditional(condition)
    }

    fn spec(&self) -> VelocitySpec {
        (**self).spec()
    }

    fn parameters(&self) -> Option<usize> {
        (**self).parameters()
    }
}
