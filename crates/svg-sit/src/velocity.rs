//! The network as a velocity under a condition.

use burn::module::Module;
use burn::prelude::*;
use svg_roles::{Condition, Velocity, VelocitySpec};

use crate::Sit;

/// The condition is one class per sample; the label of no class is the unconditional branch.
impl Velocity for Sit {
    /// # Panics
    ///
    /// If the condition is not of classes, and as [`Sit::forward`].
    fn velocity(&self, x: Tensor<3>, t: Tensor<1>, condition: &Condition) -> Tensor<3> {
        self.forward(x, t, condition.expect_classes())
    }

    fn unconditional(&self, condition: &Condition) -> Condition {
        let classes = condition.expect_classes();
        Condition::Classes(classes.full_like(self.null_class() as i64))
    }

    fn spec(&self) -> VelocitySpec {
        let config = self.config();
        VelocitySpec {
            grid: [config.rows, config.columns],
            channels: config.in_channels,
            classes: config.n_classes,
        }
    }

    fn parameters(&self) -> Option<usize> {
        Some(self.num_params())
    }
}
