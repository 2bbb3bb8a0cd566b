//! The student's losses on one device's crops, and their gradients.

use burn::optim::GradientsParams;
use burn::prelude::*;

use crate::pretrain::backbone::class_tokens;
use crate::pretrain::hidden::Hidden;
use crate::pretrain::loss::{class_loss, patch_loss, spread_loss};
use crate::pretrain::{Backbone, Learner, LossWeights};
use crate::run::Unread;

/// One device's crops.
pub(super) struct Crops {
    /// The first global crops of all pictures, then the second ones, `[2 * batch, 3, side, side]`.
    pub globals: Tensor<4>,
    /// Local crops, `[batch, 3, side, side]` each.
    pub locals: Vec<Tensor<4>>,
    /// The hidden patches of the global crops; `None` if none of the step's crops has any.
    pub hidden: Option<Hidden>,
}

/// The targets that the teacher gives for them.
pub(super) struct Asked {
    /// Class targets of the global crops, `[2 * batch, prototypes]`.
    pub classes: Tensor<2>,
    /// Targets of the hidden patches, `[hidden, prototypes]`; if the step has any.
    pub patches: Option<Tensor<2>>,
}

/// The losses and their gradients.
pub(super) fn losses<B: Backbone>(
    student: &Learner<B>,
    crops: &Crops,
    asked: Asked,
    weights: LossWeights,
    temperature: f64,
) -> (Unread, GradientsParams) {
    let network = &student.backbone;
    let hidden = crops.hidden.as_ref();
    let globals = Tensor::from_inner(crops.globals.clone());
    let said = match hidden {
        Some(hidden) => network.masked(globals, Tensor::from_inner(hidden.mask.clone())),
        None => network.tokens(globals),
    };
    let locals = (!crops.locals.is_empty()).then(|| {
        let locals = Tensor::from_inner(Tensor::cat(crops.locals.clone(), 0));
        class_tokens(&network.tokens(locals))
    });
    let globals = class_tokens(&said);
    let batch = globals.dims()[0] / 2;

    let tokens = [Some(globals.clone()), locals].into_iter().flatten();
    let scores = student.class_head.forward(Tensor::cat(tokens.collect(), 0));
    let mut by_crop = scores.split(batch, 0);
    let scores = by_crop.split_off(2);
    let of_global_crops = halves(Tensor::cat(by_crop, 0));
    let targets = halves(asked.classes).map(Tensor::from_inner);
    let class = class_loss(of_global_crops, scores, targets, temperature);

    let mut patch = Tensor::zeros([1], &globals.device());
    if let (Some(hidden), Some(targets)) = (hidden, asked.patches) {
        let scores = student.patch_head.forward(hidden.rows(said.patches));
        let weights = Tensor::from_inner(hidden.weights.clone());
        let targets = Tensor::from_inner(targets);
        patch = patch_loss(scores, targets, weights, 2 * batch, temperature);
    }
    let [first, second] = halves(globals.clone());
    let spread = spread_loss(first) + spread_loss(second);

    let total = class.clone() * weights.class
        + patch.clone() * weights.patch
        + spread.clone() * weights.spread;
    let losses = Unread::named(
        ["loss", "class", "patch", "spread"],
        [total.clone(), class, patch, spread],
    );
    let gradients = GradientsParams::from_grads(total.backward(), student);
    (losses, gradients)
}

pub(super) fn halves(tensor: Tensor<2>) -> [Tensor<2>; 2] {
    let half = tensor.dims()[0] / 2;
    [
        tensor.clone().narrow(0, 0, half),
        tensor.narrow(0, half, half),
    ]
}
