//! One step of self-distillation.

use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::prelude::*;

use crate::adamw::AdamW;
use crate::average::Average;
use crate::gradients::clipped_into;
use crate::identity::name_parameters;
use crate::log::Scalars;
use crate::pretrain::loss::{class_loss, entropies, patch_loss, spread_loss};
use crate::pretrain::{Learner, Masks, Pretraining, Targets, Views};
use crate::run::StepReport;

/// The student, its optimiser, and the teacher that follows it.
pub struct PretrainStage {
    pub(super) config: Pretraining,
    /// Where gradients are.
    pub(super) device: Device,
    pub(super) student: Learner,
    pub(super) optimizer: ModuleOptimizer,
    pub(super) teacher: Average<Learner>,
    pub(super) class_targets: Targets,
    pub(super) patch_targets: Targets,
}

/// The losses of a step, and what explains them.
struct Losses {
    total: f64,
    class: f64,
    patch: f64,
    spread: f64,
    /// Of the class targets: the mean entropy, and the entropy of the mean.
    entropies: [f64; 2],
    gradients: GradientsParams,
    class_targets: Targets,
    patch_targets: Targets,
}

impl PretrainStage {
    /// Draws the student from the seed of the configuration. The teacher begins with its weights.
    pub fn new(config: Pretraining, device: &Device) -> Self {
        let device = device.clone().autodiff();
        let plain = device.clone().without_autodiff();
        device.seed(config.seed);
        let student = name_parameters(Learner::new(&config, &device), "student");
        let (heads, balance) = (config.heads, config.teacher.balance);
        Self {
            teacher: Average::new(&student, config.teacher.momentum[0]),
            optimizer: adamw(&config),
            class_targets: Targets::new(balance, heads.class_prototypes, &plain),
            patch_targets: Targets::new(balance, heads.patch_prototypes, &plain),
            student,
            device,
            config,
        }
    }

    /// Learns from the crops of step `number`, counted from 0.
    ///
    /// A step whose loss or gradients are not all finite changes nothing.
    pub fn step(
        mut self,
        number: u64,
        learning_rate: f64,
        views: Views,
        masks: &Masks,
    ) -> (Self, StepReport) {
        let losses = self.losses(number, views, masks);
        let (gradients, norm) = self.clipped(losses.gradients, number);
        let scalars = Scalars::new()
            .with("loss", losses.total)
            .with("class", losses.class)
            .with("patch", losses.patch)
            .with("spread", losses.spread)
            .with("gradient_norm", norm)
            .with("teacher/entropy", losses.entropies[0])
            .with("teacher/entropy_of_mean", losses.entropies[1]);
        let dropped = !(losses.total.is_finite() && norm.is_finite());
        if !dropped {
            let decay = learning_rate * self.config.weight_decay(number);
            let student = self.student.decayed(decay);
            self.student = self.optimizer.step(learning_rate, student, gradients);
            let momentum = self.config.momentum(number);
            self.teacher = self.teacher.with_decay(momentum).update(&self.student);
            self.class_targets = losses.class_targets;
            self.patch_targets = losses.patch_targets;
        }
        (self, StepReport { scalars, dropped })
    }

    /// The losses and their gradients.
    fn losses(&self, number: u64, views: Views, masks: &Masks) -> Losses {
        let config = &self.config;
        let teacher = self.teacher.network();
        let temperature = config.temperature(number);
        let [first, second] = views.globals;
        let [batch, ..] = first.dims();
        let globals = teacher
            .backbone
            .normalize(Tensor::cat(vec![first, second], 0));
        let plain = globals.device();

        let seen = teacher.backbone.forward_normalized(globals.clone());
        let scores = teacher.class_head.forward(seen.cls);
        let (class_targets, targets) = self.class_targets.clone().of(scores, temperature);
        let entropies = entropies(targets.clone());
        let targets = halves(targets).map(Tensor::from_inner);

        let student = &self.student;
        let network = &student.backbone;
        let hidden = Hidden::of(masks, &plain);
        let said = match &hidden {
            Some(hidden) => network.forward_masked(globals, hidden.mask.clone()),
            None => network.forward_normalized(globals),
        };
        let locals = (!views.locals.is_empty()).then(|| {
            let locals = network.normalize(Tensor::cat(views.locals, 0));
            network.forward_normalized(locals).cls
        });
        let globals = said.cls;

        let tokens = [Some(globals.clone()), locals].into_iter().flatten();
        let scores = student.class_head.forward(Tensor::cat(tokens.collect(), 0));
        let mut by_crop = scores.split(batch, 0);
        let scores = by_crop.split_off(2);
        let of_global_crops = halves(Tensor::cat(by_crop, 0));
        let class = class_loss(of_global_crops, scores, targets, config.student_temperature);

        let mut patch_targets = self.patch_targets.clone();
        let mut patch = Tensor::zeros([1], &self.device);
        if let Some(hidden) = &hidden {
            let scores = teacher.patch_head.forward(hidden.rows(seen.patches));
            let (next, targets) = patch_targets.of(scores, temperature);
            patch_targets = next;
            let scores = student.patch_head.forward(hidden.rows(said.patches));
            let weights = Tensor::from_inner(hidden.weights.clone());
            let (targets, temperature) = (Tensor::from_inner(targets), config.student_temperature);
            patch = patch_loss(scores, targets, weights, 2 * batch, temperature);
        }
        let [first, second] = halves(globals.clone());
        let spread = spread_loss(first) + spread_loss(second);

        let weights = config.weights;
        let total = class.clone() * weights.class
            + patch.clone() * weights.patch
            + spread.clone() * weights.spread;
        let [sum, class, patch, spread] = [total.clone(), class, patch, spread].map(scalar);
        let found = total.backward();
        let gradients = GradientsParams::from_grads(found, student);
        Losses {
            total: sum,
            class,
            patch,
            spread,
            entropies,
            gradients,
            class_targets,
            patch_targets,
        }
    }

    /// The gradients of the network and of each head, each shortened by itself, and their norm before that.
    /// Prototypes have none while they are frozen.
    fn clipped(&self, mut gradients: GradientsParams, number: u64) -> (GradientsParams, f64) {
        let Learner {
            backbone,
            class_head,
            patch_head,
        } = &self.student;
        if number < self.config.optimizer.frozen_prototypes {
            gradients.remove::<2>(class_head.last_layer.weight.id);
            gradients.remove::<2>(patch_head.last_layer.weight.id);
        }
        let longest = self.config.optimizer.clip_norm;
        let clipped = GradientsParams::new();
        let (rest, clipped, network) = clipped_into(clipped, gradients, backbone, longest);
        let (rest, clipped, class) = clipped_into(clipped, rest, class_head, longest);
        let (_, clipped, patch) = clipped_into(clipped, rest, patch_head, longest);
        (
            clipped,
            (network * network + class * class + patch * patch).sqrt(),
        )
    }

    /// The network of the teacher, for inference.
    pub fn network(&self) -> &svg_dino::Dino {
        &self.teacher.network().backbone
    }
}

/// The patches that the student does not see.
struct Hidden {
    /// `[crops, patches]`
    mask: Tensor<2, Bool>,
    /// Their places, counted over all crops, `[hidden]`.
    places: Tensor<1, Int>,
    /// How much each counts, `[hidden]`.
    weights: Tensor<1>,
}

impl Hidden {
    /// `None` if no patch is hidden.
    fn of(masks: &Masks, device: &Device) -> Option<Self> {
        let places: Vec<i64> = masks.places().iter().map(|&place| place as i64).collect();
        (!places.is_empty()).then(|| Self {
            mask: masks.to_tensor(device),
            places: Tensor::from_data(places.as_slice(), device),
            weights: Tensor::from_data(masks.weights().as_slice(), device),
        })
    }

    /// The hidden ones of all tokens, `[hidden, channels]`.
    fn rows(&self, tokens: Tensor<3>) -> Tensor<2> {
        tokens.flatten::<2>(0, 1).select(0, self.places.clone())
    }
}

fn halves(tensor: Tensor<2>) -> [Tensor<2>; 2] {
    let half = tensor.dims()[0] / 2;
    [
        tensor.clone().narrow(0, 0, half),
        tensor.narrow(0, half, half),
    ]
}

fn scalar(loss: Tensor<1>) -> f64 {
    let value: f32 = loss.into_scalar();
    value.into()
}

pub(super) fn adamw(config: &Pretraining) -> ModuleOptimizer {
    let settings = &config.optimizer;
    ModuleOptimizer::from(AdamW {
        beta_1: settings.beta_1,
        beta_2: settings.beta_2,
        epsilon: settings.epsilon,
        // Decayed by `Learner::decayed`, on a schedule and not everywhere.
        weight_decay: 0.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use svg_image::{Rgb, RgbImage};

    fn images(count: u32) -> Vec<RgbImage> {
        let image = |number: u32| {
            RgbImage::from_fn(16, 16, |x, y| {
                let level = |k: u32| ((x * (3 + number) + y * (5 + k) + 40 * k) % 251) as u8;
                Rgb([level(1), level(2), level(3)])
            })
        };
        (0..count).map(image).collect()
    }

    fn data(config: &Pretraining) -> (Views, Masks) {
        let views = config
            .views
            .draw(&images(4), config.seed, 0, &Device::default());
        (views, config.masks.draw(8, [4, 4], config.seed, 0))
    }

    #[test]
    fn frozen_prototypes_stay_and_everything_else_learns() {
        let config = Pretraining::smallest();
        let stage = PretrainStage::new(config.clone(), &Device::default());
        let before = stage.student.clone();
        let (views, masks) = data(&config);
        let (stage, report) = stage.step(0, 1e-2, views, &masks);
        assert!(!report.dropped);
        let change =
            |one: Tensor<2>, other: Tensor<2>| -> f32 { (one - other).abs().max().into_scalar() };
        let (now, then) = (&stage.student.class_head, &before.class_head);
        // Decay alone: at most the share of the step.
        assert!(change(now.last_layer.weight.val(), then.last_layer.weight.val()) < 1e-4);
        assert!(change(now.fc1.weight.val(), then.fc1.weight.val()) > 1e-3);
    }

    #[test]
    fn a_step_without_a_finite_loss_changes_nothing() {
        let config = Pretraining::smallest();
        let stage = PretrainStage::new(config.clone(), &Device::default());
        let before = stage.student.class_head.fc1.weight.val().into_data();
        let (mut views, masks) = data(&config);
        views.globals[0] = views.globals[0].clone() * f32::NAN;
        let (stage, report) = stage.step(0, 1e-2, views, &masks);
        assert!(report.dropped);
        let after = stage.student.class_head.fc1.weight.val().into_data();
        after.assert_eq(&before, true);
    }

    #[test]
    fn one_picture_again_and_again_is_learned() {
        let mut config = Pretraining::smallest();
        config.optimizer.frozen_prototypes = 0;
        let mut stage = PretrainStage::new(config.clone(), &Device::default());
        let mut losses = Vec::new();
        for number in 0..12 {
            let (views, masks) = data(&config);
            let (next, report) = stage.step(number, 3e-3, views, &masks);
            stage = next;
            losses.push(report.scalars.get("loss").unwrap());
        }
        assert!(losses[11] < losses[0], "{losses:?}");
    }

    #[test]
    fn a_restored_stage_goes_on_exactly() {
        let config = Pretraining::smallest();
        let (views, masks) = data(&config);
        let stage = PretrainStage::new(config.clone(), &Device::default());
        let (stage, _) = stage.step(0, 1e-2, views.clone(), &masks);
        let folder = tempfile::tempdir().unwrap();
        stage.save(folder.path()).unwrap();
        let restored = PretrainStage::new(config, &Device::default());
        let restored = restored.restore(folder.path()).unwrap();
        let (one, report) = stage.step(1, 1e-2, views.clone(), &masks);
        let (other, again) = restored.step(1, 1e-2, views, &masks);
        let bits = |report: &StepReport| {
            let numbers = report.scalars.iter();
            numbers
                .map(|(name, value)| (name.to_string(), value.to_bits()))
                .collect::<Vec<_>>()
        };
        assert_eq!(bits(&report), bits(&again));
        let weight = |stage: &PretrainStage| stage.network().norm.gamma.val().into_data();
        weight(&one).assert_eq(&weight(&other), true);
    }
}
