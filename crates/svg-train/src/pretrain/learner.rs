//! What is trained: a network and its two heads.

use burn::module::{Module, ModuleMapper, Param};
use burn::prelude::*;
use svg_dino::Dino;

use crate::pretrain::{Pretraining, ProjectionHead};

/// A network with a head for its class token and one for its patch tokens. Student and teacher are one each.
#[derive(Module, Debug)]
pub struct Learner {
    /// What is kept in the end.
    pub backbone: Dino,
    /// For class tokens.
    pub class_head: ProjectionHead,
    /// For patch tokens.
    pub patch_head: ProjectionHead,
}

impl Learner {
    /// Draws all weights.
    pub fn new(config: &Pretraining, device: &Device) -> Self {
        let (heads, width) = (config.heads, config.dino.d_model);
        let head = |prototypes| {
            ProjectionHead::new(width, heads.hidden, heads.bottleneck, prototypes, device)
        };
        Self {
            backbone: config.dino.init(device),
            class_head: head(heads.class_prototypes),
            patch_head: head(heads.patch_prototypes),
        }
    }

    /// With every weight shortened by this share of itself: matrices, kernels and tokens, but no biases, norms
    /// and factors. Done before a step of Adam, this is decoupled weight decay.
    pub fn decayed(self, share: f64) -> Self {
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
        let (id, value, mapper) = param.consume();
        let trains = value.is_require_grad();
        let device = value.device();
        let shorter = value.detach().without_autodiff() * self.keep;
        let value = match device.is_autodiff() {
            true => Tensor::from_inner(shorter).set_require_grad(trains),
            false => shorter,
        };
        Param::from_mapped_value(id, value, mapper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decay_shortens_matrices_and_spares_the_rest() {
        let device = Device::default().autodiff();
        let learner = Learner::new(&Pretraining::smallest(), &device);
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
