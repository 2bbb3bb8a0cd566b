//! Trait for velocity networks.

use std::fmt::Debug;
use std::sync::Arc;

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Condition;

/// Facts about a [`Velocity`] that do not depend on a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VelocitySpec {
    /// Rows and columns of the tokens.
    pub grid: [usize; 2],
    /// Channels of a token.
    pub channels: usize,
    /// Classes that it can be asked for; 0 if it takes no classes.
    pub classes: usize,
}

impl VelocitySpec {
    /// Tokens and channels of a sample.
    pub fn shape(&self) -> [usize; 2] {
        [self.grid[0] * self.grid[1], self.channels]
    }
}

/// The velocity `v(x, t, c)` of a flow from noise at time 0 to data at time 1.
///
/// A network of another convention (predicted noise, reversed time) implements it by conversion.
pub trait Velocity: Debug + Send + Sync {
    /// The velocity of each sample at its own time.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, tokens, channels]`
    /// - t: `[batch]`
    ///
    /// # Panics
    ///
    /// If a shape or the kind of condition is not the network's.
    fn velocity(&self, x: Tensor<3>, t: Tensor<1>, condition: &Condition) -> Tensor<3>;

    /// What stands for no condition beside this one: the unconditional branch of guidance.
    fn unconditional(&self, condition: &Condition) -> Condition;

    /// Sizes.
    fn spec(&self) -> VelocitySpec;

    /// Number of parameters, if it is known.
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
