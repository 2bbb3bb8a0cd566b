//! What is trained: an encoder and its two heads.

use burn::module::{Module, ModuleMapper, Param};
use burn::prelude::*;

use crate::pretrain::{Backbone, HeadSettings, ProjectionHead};
use crate::run::Network;

/// An encoder with a head for its class token and one for its patch tokens. Student and teacher are one each.
#[derive(Module, Debug)]
pub(crate) struct Learner<B: Backbone> {
    /// What is kept in the end.
    pub backbone: B,
    /// For class tokens.
    pub class_head: ProjectionHead,
    /// For patch tokens.
    pub patch_head: ProjectionHead,
}

/// What a [`Learner`] is made from.
#[derive(Clone, Debug)]
pub(crate) struct LearnerConfig<C> {
    pub backbone: C,
    pub heads: HeadSettings,
}

impl<B: Backbone> Network for Learner<B> {
    type Config = LearnerConfig<B::Config>;

    fn init(config: &Self::Config, device: &Device) -> Self {
        let (heads, width) = (config.heads, B::spec_of(&config.backbone).channels);
        let head = |prototypes| {
            ProjectionHead::new(width, heads.hidden, heads.bottleneck, prototypes, device)
        };
        Self {
            backbone: B::init(&config.backbone, device),
            class_head: head(heads.class_prototypes),
            patch_head: head(heads.patch_prototypes),
        }
    }
}

impl<B: Backbone> Learner<B> {
    /// With every weight reduced by this share of itself: matrices, kernels and tokens, but no biases, norms
    /// and factors. Before a step of Adam, this is decoupled weight decay.
    pub(crate) fn decayed(self, share: f64) -> Self {
        self.map(&mut Decay { keep: 1.0 - share })
    }
}

struct Decay {
    keep: f64,
}

impl ModuleMapper for Decay {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if D < 2 {
            return param;
        }
        param.map(|value| {
            let (trains, device) = (value.is_require_grad(), value.device());
            let shorter = value.detach().without_autodiff() * self.keep;
            match device.is_autodiff() {
                true => Tensor::from_inner(shorter).set_require_grad(trains),
                false => shorter,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use svg_dino::Dino;

    use super::*;
    use crate::kinds::EncoderKind;
    use crate::pretrain::Pretraining;

    #[test]
    fn decay_shortens_matrices_and_spares_the_rest() {
        let device = Device::default().autodiff();
        let training = Pretraining::smallest();
        let EncoderKind::Dino(backbone) = training.network;
        let heads = training.heads;
        let learner = Learner::<Dino>::init(&LearnerConfig { backbone, heads }, &device);
        let before = learner.clone();
        let after = learner.decayed(0.25);
        let ratio =
            |one: Tensor<2>, other: Tensor<2>| -> f32 { (one / other).mean().into_scalar() };
        let (one, other) = (&after.class_head.fc1, &before.class_head.fc1);
        assert!((ratio(one.weight.val(), other.weight.val()) - 0.75).abs() < 1e-5);
        assert!(one.weight.is_require_grad());
        assert_eq!(one.weight.id, other.weight.id);
        let gamma = after.backbone.norm.gamma.val().into_data();
        gamma.assert_eq(&before.backbone.norm.gamma.val().into_data(), true);
    }
}
