//! One step of self-distillation.

use std::path::Path;

use burn::module::Param;
use burn::optim::GradientsParams;
use burn::prelude::*;
use svg_nn::{load_exact, module_tensors};

use crate::TrainError;
use crate::kinds::EncoderKind;
use crate::pretrain::backbone::class_tokens;
use crate::pretrain::hidden::Hidden;
use crate::pretrain::learner::LearnerConfig;
use crate::pretrain::loss::entropies;
use crate::pretrain::losses::{Asked, Crops, losses};
use crate::pretrain::{Backbone, Learner, Masks, Pretraining, Targets, Views};
use crate::run::{
    AdamW, Average, Files, Found, Group, NetworkKind, Place, Player, PlayerNames, Replicas, Stage,
    Team, Unread, stored,
};

const NAMES: PlayerNames = PlayerNames {
    root: "student",
    network: "student.safetensors",
    optimizer: "optimizer.bpk",
};
const TEACHER: &str = "teacher.safetensors";
const CENTRES: &str = "centres.safetensors";

/// The student, its optimiser, and the teacher that follows it.
///
/// On several devices the teacher's scores of the whole batch are gathered and balanced together, so that
/// targets do not depend on the number of devices. Class tokens are spread apart within each shard.
#[derive(Debug)]
pub(crate) struct PretrainStage<B: Backbone, C = EncoderKind> {
    config: Pretraining<C>,
    /// Where gradients are.
    device: Device,
    pub(super) student: Player<Learner<B>>,
    pub(super) teacher: Average<Learner<B>>,
    class_targets: Targets,
    patch_targets: Targets,
    replicas: Replicas,
}

/// The crops of a batch, and which patches of the global ones are hidden.
#[derive(Clone, Debug)]
pub(crate) struct PretrainBatch {
    /// The crops.
    pub views: Views,
    /// Of the first global crops of all pictures, then of the second ones.
    pub masks: Masks,
}

/// The moving means of the teacher's scores, as a module that is saved.
#[derive(Module, Debug)]
struct Centres {
    class: Param<Tensor<2>>,
    patch: Param<Tensor<2>>,
}

impl<B: Backbone, C: NetworkKind> PretrainStage<B, C> {
    /// Draws the student from the seed of the configuration. The teacher begins with its weights.
    pub fn new(config: Pretraining<C>, network: B::Config, device: &Device) -> Self {
        let device = device.clone().autodiff();
        let plain = device.clone().without_autodiff();
        device.seed(config.seed);
        let optimizer = config.optimizer;
        let adamw = AdamW {
            beta_1: optimizer.beta_1,
            beta_2: optimizer.beta_2,
            epsilon: optimizer.epsilon,
            // Decayed by `Learner::decayed`, on a schedule and not everywhere.
            weight_decay: 0.0,
        };
        let (heads, balance) = (config.heads, config.teacher.balance);
        let learner = LearnerConfig {
            backbone: network,
            heads,
        };
        let student = Player::<Learner<B>>::new(NAMES, learner, adamw, &device);
        Self {
            teacher: Average::new(student.network(), config.teacher.momentum[0]),
            class_targets: Targets::new(balance, heads.class_prototypes, &plain),
            patch_targets: Targets::new(balance, heads.patch_prototypes, &plain),
            student,
            replicas: Replicas::new(vec![device.clone()]),
            device,
            config,
        }
    }

    /// The same on several devices, the first of which is the one that it was made on. They take equal shares
    /// of every batch.
    pub fn with_replicas(mut self, replicas: Replicas) -> Self {
        self.replicas = replicas;
        self
    }

    /// The encoder of the teacher, for inference.
    pub fn network(&self) -> &B {
        &self.teacher.network().backbone
    }

    /// The crops of each device.
    fn crops(&self, team: &Team<'_, Learner<B>>, batch: PretrainBatch) -> Vec<Crops> {
        let PretrainBatch { views, masks } = batch;
        let [first, second] = views.globals;
        let pictures = first.dims()[0];
        let hides = masks.counts.iter().any(|count| *count > 0);
        team.shards(pictures, |shard| {
            let own = shard.first..shard.first + shard.count;
            let of_second = own.start + pictures..own.end + pictures;
            let masks = masks.of(own.chain(of_second));
            Crops {
                globals: Tensor::cat(vec![shard.of(&first), shard.of(&second)], 0),
                locals: views.locals.iter().map(|local| shard.of(local)).collect(),
                hidden: hides.then(|| Hidden::of(&masks, &shard.device)),
            }
        })
    }

    /// The teacher's targets for all crops, on their devices; the moving means after them; and the mean
    /// entropy of the class targets and the entropy of their mean.
    fn asked(&self, crops: &[Crops], step: u64) -> (Vec<Asked>, [Targets; 2], [Tensor<1>; 2]) {
        let teachers = self.replicas.team(self.teacher.network().clone());
        let said = teachers.each(crops.iter().collect(), |teacher, crops: &Crops| {
            let seen = teacher.backbone.tokens(crops.globals.clone());
            let classes = teacher.class_head.forward(class_tokens(&seen));
            let hidden = crops.hidden.as_ref().filter(|hidden| hidden.any);
            let rows = hidden.map(|hidden| hidden.rows(seen.patches));
            (classes, rows.map(|rows| teacher.patch_head.forward(rows)))
        });
        let temperature = self.config.temperature(step);
        let (classes, patches): (Vec<_>, Vec<_>) = said.into_iter().unzip();
        let targets = self.class_targets.clone();
        let (class_targets, classes) = self.balanced(targets, classes, temperature);
        let entropies = entropies(gathered(&classes, &self.replicas.devices()[0]));
        let there: Vec<_> = patches.iter().flatten().cloned().collect();
        let targets = self.patch_targets.clone();
        let (patch_targets, there) = match there.is_empty() {
            true => (targets, vec![]),
            false => self.balanced(targets, there, temperature),
        };
        let mut there = there.into_iter();
        let all = crops.iter().zip(classes).zip(patches);
        let asked = all.map(|((crops, classes), said)| {
            // The target of a patch of no weight.
            let shape = [1, self.config.heads.patch_prototypes];
            let hidden = crops.hidden.as_ref();
            let none = || hidden.map(|_| Tensor::zeros(shape, &classes.device()));
            Asked {
                patches: said.and_then(|_| there.next()).or_else(none),
                classes,
            }
        });
        (asked.collect(), [class_targets, patch_targets], entropies)
    }

    fn centres(&self) -> Centres {
        let [class, patch] = [&self.class_targets, &self.patch_targets]
            .map(|targets| Param::from_tensor(targets.centre().clone()));
        Centres { class, patch }
    }

    /// Targets of the scores of all devices, balanced together, on their devices.
    fn balanced(
        &self,
        targets: Targets,
        scores: Vec<Tensor<2>>,
        temperature: f64,
    ) -> (Targets, Vec<Tensor<2>>) {
        let all = gathered(&scores, &self.replicas.devices()[0]);
        let (targets, all) = targets.of(all, temperature);
        let mut first = 0;
        let own = scores.into_iter().map(|scores| {
            let [count, _] = scores.dims();
            let own = all.clone().narrow(0, first, count);
            first += count;
            own.to_device(&scores.device())
        });
        (targets, own.collect())
    }
}

/// Rows of all devices on one.
fn gathered(parts: &[Tensor<2>], device: &Device) -> Tensor<2> {
    let parts = parts.iter().map(|part| part.clone().to_device(device));
    Tensor::cat(parts.collect(), 0)
}

impl<B: Backbone, C: NetworkKind> Stage for PretrainStage<B, C> {
    type Networks = Learner<B>;
    type Batch = PretrainBatch;
    /// The targets of class and patch tokens after the batch.
    type Observed = [Targets; 2];

    fn replicas(&self) -> &Replicas {
        &self.replicas
    }

    fn networks(&self) -> Learner<B> {
        self.student.network().clone()
    }

    /// The network and each head.
    fn groups(&self, _step: u64) -> Vec<Group> {
        let groups = ["backbone", "class_head", "patch_head"].map(|path| Group {
            path,
            scalar: "gradient_norm",
            longest: Some(self.config.optimizer.clip_norm),
        });
        groups.to_vec()
    }

    fn gradients(
        &self,
        team: &Team<'_, Learner<B>>,
        place: Place,
        batch: PretrainBatch,
    ) -> Found<[Targets; 2]> {
        let crops = self.crops(team, batch);
        let (asked, targets, entropies) = self.asked(&crops, place.step);
        let (weights, temperature) = (self.config.weights, self.config.student_temperature);
        let shards = crops.iter().zip(asked).collect();
        let (scalars, mut gradients) = team.gradients(shards, |student, (crops, asked)| {
            losses(student, crops, asked, weights, temperature)
        });
        if place.step < self.config.optimizer.frozen_prototypes {
            let student = team.first();
            for head in [&student.class_head, &student.patch_head] {
                for gradients in &mut gradients {
                    gradients.remove::<2>(head.last_layer.weight.id);
                }
            }
        }
        Found {
            scalars,
            remarks: Unread::named(["teacher/entropy", "teacher/entropy_of_mean"], entropies),
            gradients,
            observed: targets,
            finite: true,
        }
    }

    fn learn(
        &mut self,
        step: u64,
        rate: f64,
        mut gradients: GradientsParams,
        observed: Vec<[Targets; 2]>,
    ) {
        let decay = rate * self.config.weight_decay(step);
        self.student.change(|student| student.decayed(decay));
        self.student.learn(rate, &mut gradients);
        self.teacher.set_decay(self.config.momentum(step));
        self.teacher.update(self.student.network());
        if let Some([class, patch]) = observed.into_iter().last() {
            self.class_targets = class;
            self.patch_targets = patch;
        }
    }

    fn save(&self, files: &mut Files<'_>) -> Result<(), TrainError> {
        self.student.save(files)?;
        self.teacher.save(files, TEACHER)?;
        files.tensors(CENTRES, module_tensors(&self.centres()))
    }

    fn restore(&mut self, folder: &Path) -> Result<(), TrainError> {
        self.student.restore(folder)?;
        let config = self.student.config();
        self.teacher
            .restore(config, folder, TEACHER, &self.device)?;
        let (tensors, source) = stored(folder, CENTRES)?;
        let Centres { class, patch } = load_exact(self.centres(), tensors, &source)?;
        self.class_targets = self.class_targets.clone().with_centre(class.val());
        self.patch_targets = self.patch_targets.clone().with_centre(patch.val());
        Ok(())
    }
}
