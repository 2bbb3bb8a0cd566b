//! The configuration of a self-distillation.

use serde::{Deserialize, Serialize};
use svg_nn::{CHANNELS, CLASSES, SIDE};
use svg_store::{first, outside};

use crate::data::Recipe;
use crate::kinds::EncoderKind;
use crate::pretrain::{MaskSettings, ViewsSettings};
use crate::run::document::adam;
use crate::run::{NetworkKind, Pace, Training, pace};

/// Everything that decides what a run computes, except the data.
///
/// Every field must be in the file, and a field that is not known is an error: a run is what its
/// configuration says. `C` says which network is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pretraining<C = EncoderKind> {
    /// What this makes, with which command, in how long, and what to expect.
    pub about: String,
    /// The network, such as `"dino": { .. }`.
    #[serde(flatten)]
    pub network: C,
    /// The first weights, crops and masks follow from it.
    pub seed: u64,
    /// Optimiser steps.
    pub steps: u64,
    /// Pictures of one step.
    pub batch_size: usize,
    /// How pictures become the squares that crops are cut from.
    pub data: Recipe,
    /// The crops and their colours.
    pub views: ViewsSettings,
    /// Which patches the student does not see.
    pub masks: MaskSettings,
    /// From tokens to prototypes.
    pub heads: HeadSettings,
    /// What the teacher says.
    pub teacher: TeacherSettings,
    /// Temperature of the student's softmax.
    pub student_temperature: f64,
    /// How much each loss counts.
    pub weights: LossWeights,
    /// The optimiser.
    pub optimizer: PretrainOptimizer,
    /// How the encoder is judged while it learns.
    pub judge: JudgeSettings,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Checkpoints that are kept; older ones are deleted.
    pub checkpoints_kept: usize,
    /// Steps between judgements.
    pub samples_every: u64,
    /// Steps in a row whose loss is not finite until training goes back to the last checkpoint with half
    /// the learning rate.
    pub patience: u64,
}

/// The two projection heads, one for class tokens and one for patch tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadSettings {
    /// Channels of the two hidden layers.
    pub hidden: usize,
    /// Channels of the sphere that the prototypes lie on.
    pub bottleneck: usize,
    /// Prototypes of class tokens.
    pub class_prototypes: usize,
    /// Prototypes of patch tokens.
    pub patch_prototypes: usize,
}

/// How the teacher's scores become targets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Balance {
    /// A moving mean of the scores is taken away, and a softmax of low temperature sharpens the rest (Caron
    /// et al., 2021, arXiv 2104.14294).
    Centering {
        /// The share of the mean that stays in each step.
        momentum: f64,
    },
    /// Targets of a batch use all prototypes alike (Sinkhorn and Knopp; Caron et al., 2020, arXiv
    /// 2006.09882). It wants batches that are not much smaller than the number of prototypes.
    SinkhornKnopp {
        /// Rounds of balancing.
        rounds: usize,
    },
}

/// The teacher: the moving average of the student.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherSettings {
    /// Share of the average that stays, at the first and at the last step, along half a cosine.
    pub momentum: [f64; 2],
    /// Temperature of the softmax, at the first step and after the warm-up, in a straight line.
    pub temperature: [f64; 2],
    /// Steps of that warm-up.
    pub temperature_warmup: u64,
    /// How scores become targets.
    pub balance: Balance,
}

/// How much each loss counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossWeights {
    /// Class tokens of crops against those of other crops (DINO).
    pub class: f64,
    /// Hidden patches against the teacher's, which sees them (iBOT).
    pub patch: f64,
    /// Class tokens of a batch away from their nearest neighbours (KoLeo), each global crop by itself.
    pub spread: f64,
}

/// Adam with decoupled weight decay, on schedules.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainOptimizer {
    /// The learning rate after its warm-up.
    pub learning_rate: f64,
    /// The learning rate at the end, along half a cosine.
    pub last_learning_rate: f64,
    /// Steps over which the learning rate grows in a straight line.
    pub warmup_steps: u64,
    /// Decay of the first moment.
    pub beta_1: f32,
    /// Decay of the second moment.
    pub beta_2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Share of the weights, times the learning rate, that is taken away in a step: at the first and at the
    /// last step, along half a cosine. Biases, norms and factors are spared.
    pub weight_decay: [f64; 2],
    /// The largest norm of the gradients of the network, and of those of each head.
    pub clip_norm: f64,
    /// Steps for which the prototypes stay as they were drawn.
    pub frozen_prototypes: u64,
}

/// How an encoder is judged while it learns: how many of the pictures that it is asked for have the class
/// that their nearest neighbours have.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgeSettings {
    /// Pictures whose class is known, from the data of the training.
    pub known: usize,
    /// Pictures that are asked for, from the validation data, or others of the training if there are none.
    pub asked: usize,
    /// Neighbours that vote.
    pub neighbours: usize,
    /// Temperature of their votes.
    pub temperature: f64,
}

impl Pretraining {
    /// The smallest training with every part in it, for tests; it learns nothing worth keeping.
    pub fn smallest() -> Self {
        Self::from_json(Self::SMALLEST).expect("it is a valid document")
    }
}

impl<C: NetworkKind> Training for Pretraining<C> {
    type Kind = C;
    type BuiltIn = EncoderKind;
    const SMALLEST: &'static str = include_str!("smallest.json");

    fn pace(&self) -> Pace {
        pace!(self, 1)
    }

    fn invalid(&self) -> Option<String> {
        let (heads, judge) = (&self.heads, &self.judge);
        let (teacher, optimizer, weights) = (&self.teacher, &self.optimizer, &self.weights);
        let (rate, last) = (optimizer.learning_rate, optimizer.last_learning_rate);
        let ends = |place: usize| {
            let (momentum, temperature) = (teacher.momentum[place], teacher.temperature[place]);
            let decay = optimizer.weight_decay[place];
            outside("teacher.momentum", momentum, 0.0..=1.0)
                .or_else(|| outside("teacher.temperature", temperature, 1e-3..=10.0))
                .or_else(|| outside("optimizer.weight_decay", decay, 0.0..=1e3))
        };
        let pictures = 1..=1_000_000_000;
        let prototypes = 2..=*CLASSES.end();
        let reason = first([
            self.pace().invalid(),
            outside("batch_size", self.batch_size, 2..=usize::MAX),
            outside("data.size", self.data.size as usize, SIDE),
            outside("heads.hidden", heads.hidden, CHANNELS),
            outside("heads.bottleneck", heads.bottleneck, CHANNELS),
            outside(
                "heads.class_prototypes",
                heads.class_prototypes,
                prototypes.clone(),
            ),
            outside("heads.patch_prototypes", heads.patch_prototypes, prototypes),
            outside("judge.known", judge.known, pictures.clone()),
            outside("judge.asked", judge.asked, pictures.clone()),
            outside("judge.neighbours", judge.neighbours, pictures),
            self.network.invalid(),
            outside("student_temperature", self.student_temperature, 1e-3..=10.0),
            outside("optimizer.learning_rate", rate, 0.0..=1.0),
            outside("optimizer.last_learning_rate", last, 0.0..=1.0),
            adam(optimizer.beta_1, optimizer.beta_2, optimizer.epsilon),
            outside("optimizer.clip_norm", optimizer.clip_norm, 1e-6..=1e6),
            outside("judge.temperature", judge.temperature, 1e-3..=10.0),
            outside("weights.class", weights.class, 0.0..=1e3),
            outside("weights.patch", weights.patch, 0.0..=1e3),
            outside("weights.spread", weights.spread, 0.0..=1e3),
            ends(0),
            ends(1),
            match teacher.balance {
                Balance::Centering { momentum } => {
                    outside("teacher.balance.centering.momentum", momentum, 0.0..=1.0)
                }
                Balance::SinkhornKnopp { rounds } => {
                    let name = "teacher.balance.sinkhorn_knopp.rounds";
                    outside(name, rounds as f64, 1.0..=100.0)
                }
            },
        ]);
        // Views are cut into patches, so the network comes first.
        let views = || self.views.invalid(self.network.patch_size());
        reason.or_else(views).or_else(|| self.masks.invalid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_and_invalid_values_are_named() {
        let config = Pretraining::smallest();
        assert_eq!(
            Pretraining::from_json(&config.to_json()),
            Ok(config.clone())
        );
        for (from, to, expected) in [
            ("\"seed\"", "\"sede\"", "sede"),
            (
                "\"bottleneck\"",
                "\"bottlenek\": 1, \"bottleneck\"",
                "bottlenek",
            ),
            ("\"patience\": 3", "\"patience\": 0", "patience is 0"),
            ("\"batch_size\": 4", "\"batch_size\": 1", "batch_size is 1"),
            ("\"n_heads\": 2", "\"n_heads\": 3", "a multiple of four"),
            ("\"low\": 0.1", "\"low\": 0.9", "masks.low is 0.9"),
            (
                "\"local_count\": 2",
                "\"local_count\": 4294967296",
                "views.local_count is 4294967296",
            ),
            (
                "\"patch_size\": 4",
                "\"patch_size\": 0",
                "dino.patch_size is 0; it must",
            ),
            (
                "\"n_registers\": 4",
                "\"n_registers\": 4294967296",
                "dino.n_registers is 4294967296",
            ),
            (
                "\"student_temperature\": 0.1",
                "\"student_temperature\": 0.0",
                "is 0; it must lie",
            ),
        ] {
            let json = config.to_json();
            assert!(json.contains(from), "{from} is not in {json}");
            let json = json.replacen(from, to, 1);
            let error = Pretraining::<EncoderKind>::from_json(&json).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
