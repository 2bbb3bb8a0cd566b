//! The two velocities that guidance combines.

use burn::prelude::*;

use crate::VelocityField;

/// Conditional and unconditional velocity of the same samples.
pub trait Branches {
    /// Velocity with the condition.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, tokens, channels]`
    /// - t: `[batch]`
    fn conditional(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3>;

    /// Velocity without the condition, of the same shape.
    fn unconditional(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3>;

    /// The conditional and the unconditional velocity, in that order.
    ///
    /// The default makes two passes. A network can override it with one pass of twice the batch.
    fn both(&self, x: Tensor<3>, t: Tensor<1>) -> [Tensor<3>; 2] {
        let conditional = self.conditional(x.clone(), t.clone());
        [conditional, self.unconditional(x, t)]
    }
}

/// Two fields as [`Branches`].
///
/// With a weaker model as the second field and the same condition in both, guidance becomes
/// autoguidance (Karras et al., "Guiding a Diffusion Model with a Bad Version of Itself", arXiv
/// 2406.02507).
#[derive(Clone, Copy, Debug)]
pub struct Pair<C, U> {
    /// Field with the condition, or the stronger model.
    pub conditional: C,
    /// Field without the condition, or the weaker model.
    pub unconditional: U,
}

impl<C: VelocityField, U: VelocityField> Branches for Pair<C, U> {
    fn conditional(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        self.conditional.velocity(x, t)
    }

    fn unconditional(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        self.unconditional.velocity(x, t)
    }
}
