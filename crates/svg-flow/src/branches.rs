//! What guidance combines.

use burn::prelude::*;

use crate::VelocityField;

/// Two velocities of the same samples: with what was asked for, and without it.
pub trait Branches {
    /// The velocity with the condition.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, tokens, channels]`
    /// - t: `[batch]`
    fn conditional(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3>;

    /// The velocity without it, of the same shape.
    fn unconditional(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3>;

    /// The conditional and the unconditional velocity, in that order.
    ///
    /// Two passes here. A network overrides it with one pass of twice the batch.
    fn both(&self, x: Tensor<3>, t: Tensor<1>) -> [Tensor<3>; 2] {
        let conditional = self.conditional(x.clone(), t.clone());
        [conditional, self.unconditional(x, t)]
    }
}

impl<B: Branches + ?Sized> Branches for &B {
    fn conditional(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        (**self).conditional(x, t)
    }

    fn unconditional(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        (**self).unconditional(x, t)
    }

    fn both(&self, x: Tensor<3>, t: Tensor<1>) -> [Tensor<3>; 2] {
        (**self).both(x, t)
    }
}

/// Two fields as [`Branches`].
///
/// With a weaker model as the second field and the same condition in both, guidance becomes
/// autoguidance (Karras et al., "Guiding a Diffusion Model with a Bad Version of Itself", arXiv
/// 2406.02507).
#[derive(Clone, Copy, Debug)]
pub struct Pair<C, U> {
    /// The field with the condition, or the better one.
    pub conditional: C,
    /// The field without it, or the weaker one.
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
