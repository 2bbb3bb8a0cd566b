//! The student's losses on one device's crops, and their gradients.

use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::prelude::*;

use crate::log::Scalars;
use crate::pretrain::hidden::Hidden;
use crate::pretrain::loss::{class_loss, patch_loss, spread_loss};
use crate::pretrain::{Backbone, Learner, LossWeights};
use crate::run::gradients::moved;

/// One device's crops.
pub(super) struct Crops {
    /// The first global crops of all pictures, then the second ones, `[2 * batch, 3, side, side]`.
    pub globals: Tensor<4>,
    /// Local crops, `[batch, 3, side, side]` each.
    pub locals: Vec<Tensor<4>>,
    /// The hidden patches of the global crops; `None` if none of the step's crops has any.
    pub hidden: Option<Hidden>,
}

/// What the teacher says about them.
pub(super) struct Asked {
    /// Class targets of the global crops, `[2 * batch, prototypes]`.
    pub classes: Tensor<2>,
    /// Targets of the hidden patches, `[hidden, prototypes]`; if the step has any.
    pub patches: Option<Tensor<2>>,
}

/// The losses and their gradients. Heads are learned through a graph, the encoder by its own way back: the
/// graph begins at its tokens.
pub(super) fn losses<B: Backbone>(
    student: &Learner<B>,
    crops: &Crops,
    asked: Asked,
    weights: LossWeights,
    temperature: f64,
) -> (Scalars, GradientsParams) {
    let network = student.backbone.valid();
    let hidden = crops.hidden.as_ref();
    let mask = hidden.map(|hidden| hidden.mask.clone());
    let of_globals = network.pass(crops.globals.clone(), mask);
    let locals = &crops.locals;
    let of_locals =
        (!locals.is_empty()).then(|| network.pass(Tensor::cat(locals.clone(), 0), None));
    let globals = leaf(of_globals.summary.clone());
    let locals = of_locals.as_ref().map(|pass| leaf(pass.summary.clone()));
    let batch = globals.dims()[0] / 2;

    let tokens = [Some(globals.clone()), locals.clone()]
        .into_iter()
        .flatten();
    let scores = student.class_head.forward(Tensor::cat(tokens.collect(), 0));
    let mut by_crop = scores.split(batch, 0);
    let scores = by_crop.split_off(2);
    let of_global_crops = halves(Tensor::cat(by_crop, 0));
    let targets = halves(asked.classes).map(Tensor::from_inner);
    let class = class_loss(of_global_crops, scores, targets, temperature);

    let mut patches = None;
    let mut patch = Tensor::zeros([1], &globals.device());
    if let (Some(hidden), Some(targets)) = (hidden, asked.patches) {
        let tokens = leaf(hidden.rows(of_globals.patches.clone()));
        let scores = student.patch_head.forward(tokens.clone());
        let weights = Tensor::from_inner(hidden.weights.clone());
        let targets = Tensor::from_inner(targets);
        patch = patch_loss(scores, targets, weights, 2 * batch, temperature);
        patches = Some((hidden, tokens));
    }
    let [first, second] = halves(globals.clone());
    let spread = spread_loss(first) + spread_loss(second);

    let total = class.clone() * weights.class
        + patch.clone() * weights.patch
        + spread.clone() * weights.spread;
    let [sum, class, patch, spread] = [total.clone(), class, patch, spread].map(scalar);
    let mut found = GradientsOf(total.backward());
    let at_patches = match patches {
        Some((hidden, tokens)) => hidden.put_back(found.at(&tokens), of_globals.patches.dims()),
        None => of_globals.patches.zeros_like(),
    };
    let mut of_network = GradientsAccumulator::new();
    let at_globals = found.at(&globals);
    of_network.accumulate(&network, (of_globals.backward)(at_globals, at_patches));
    if let (Some(pass), Some(locals)) = (of_locals, locals) {
        let at_patches = pass.patches.zeros_like();
        of_network.accumulate(&network, (pass.backward)(found.at(&locals), at_patches));
    }
    let of_heads = GradientsParams::from_module(&mut found.0, student);
    let gradients = moved(&mut of_network.grads(), &network, of_heads);
    let scalars = Scalars::new()
        .with("loss", sum)
        .with("class", class)
        .with("patch", patch)
        .with("spread", spread);
    (scalars, gradients)
}

struct GradientsOf(burn::tensor::Gradients);

impl GradientsOf {
    fn at(&self, leaf: &Tensor<2>) -> Tensor<2> {
        let gradient = leaf.grad(&self.0);
        gradient.expect("the loss depends on every token")
    }
}

/// Where a graph begins.
fn leaf(tokens: Tensor<2>) -> Tensor<2> {
    Tensor::from_inner(tokens).require_grad()
}

pub(super) fn halves(tensor: Tensor<2>) -> [Tensor<2>; 2] {
    let half = tensor.dims()[0] / 2;
    [
        tensor.clone().narrow(0, 0, half),
        tensor.narrow(0, half, half),
    ]
}

pub(super) fn scalar(loss: Tensor<1>) -> f64 {
    let value: f32 = loss.into_scalar();
    value.into()
}
