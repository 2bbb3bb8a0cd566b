//! The configuration of a training of an autoencoder.

use serde::{Deserialize, Serialize};
use svg_nn::SIDE;
use svg_store::{Checked, below, first, outside};

use crate::autoencoder::{CriticConfig, Objective};
use crate::data::Recipe;
use crate::kinds::AutoencoderKind;
use crate::run::document::adam;
use crate::run::{NetworkKind, Pace, Training, pace};

/// Everything that decides what a run computes, except the encoder and the data.
///
/// Every field must be in the file, and a field that is not known is an error: a run is what its
/// configuration says. `C` says which networks are trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AutoencoderTraining<C = AutoencoderKind> {
    /// What this reproduces, with which command, in how long, and what to expect.
    pub about: String,
    /// The networks, such as `"autoencoder": { .. }`.
    #[serde(flatten)]
    pub network: C,
    /// Residual samples that are replaced by the mask token, and everything else random, follow from it.
    pub seed: u64,
    /// Optimiser steps of the autoencoder.
    pub steps: u64,
    /// Images that go through the networks at once.
    pub batch_size: usize,
    /// Batches to one optimiser step; their gradients are averaged.
    pub accumulation: usize,
    /// How pictures become training images.
    pub data: Recipe,
    /// The optimisers of both players.
    pub optimizer: AdamSettings,
    /// The losses.
    pub objective: Objective,
    /// The adversary; `null` for none.
    pub critic: Option<Adversary>,
    /// Decay of the moving average of the decoder after every step; `null` for none.
    pub average_decay: Option<f64>,
    /// Weight of a batch in the running alignment statistics.
    pub statistics_momentum: f64,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Checkpoints that are kept; older ones are deleted.
    pub checkpoints_kept: usize,
    /// Steps between sheets of reconstructions.
    pub samples_every: u64,
    /// Images on such a sheet.
    pub samples: usize,
    /// Steps in a row whose loss is not finite until training goes back to the last checkpoint with half
    /// the learning rate.
    pub patience: u64,
}

/// Adam without weight decay (Kingma and Ba, 2015).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamSettings {
    /// Constant learning rate.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta_1: f32,
    /// Decay of the second moment.
    pub beta_2: f32,
    /// Added to the root of the second moment. PyTorch's default is 1e-8, Burn's is 1e-5.
    pub epsilon: f32,
}

/// The critic and when it counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adversary {
    /// The network.
    pub network: CriticConfig,
    /// When the adversarial terms begin to count.
    pub start: Start,
}

/// When the adversarial terms begin to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// From this step on, counted from 0, for both players.
    Step(u64),
    /// As in the published code, whose counter counts the optimiser steps of both players: the critic
    /// learns from the step whose second number is not below this, the autoencoder from the step whose
    /// first one is not. Until then the critic takes steps without gradients.
    OptimizerSteps(u64),
}

impl Start {
    /// Whether the adversarial term counts for the autoencoder at a step, counted from 0.
    pub fn generator_is_active(self, step: u64) -> bool {
        match self {
            Self::Step(start) => step >= start,
            Self::OptimizerSteps(start) => 2 * step >= start,
        }
    }

    /// Whether the critic's loss counts at a step, counted from 0.
    pub fn critic_is_active(self, step: u64) -> bool {
        match self {
            Self::Step(start) => step >= start,
            Self::OptimizerSteps(start) => 2 * step + 1 >= start,
        }
    }

    /// Whether the critic's optimiser steps at a step, counted from 0.
    pub fn critic_steps(self, step: u64) -> bool {
        self.critic_is_active(step) || matches!(self, Self::OptimizerSteps(_))
    }
}

impl AutoencoderTraining {
    /// The smallest training with every part in it, for tests; it learns nothing worth keeping.
    pub fn tiny() -> Self {
        Self::from_json(Self::SMALLEST).expect("it is a valid document")
    }
}

impl<C: NetworkKind> Training for AutoencoderTraining<C> {
    type Kind = C;
    type BuiltIn = AutoencoderKind;
    const SMALLEST: &'static str = include_str!("tiny.json");

    fn pace(&self) -> Pace {
        pace!(self, self.accumulation)
    }

    fn less_memory(&self) -> Vec<String> {
        vec![self.pace().smaller_batches()]
    }

    fn invalid(&self) -> Option<String> {
        let optimizer = &self.optimizer;
        let average_decay = self.average_decay.unwrap_or(0.0);
        let side = self.data.size as usize;
        let critic = self.critic.as_ref().map(|critic| &critic.network);
        let problem = first([
            self.pace().invalid(),
            outside("samples", self.samples, 1..=4096),
            outside("data.size", side, SIDE),
            outside("statistics_momentum", self.statistics_momentum, 1e-9..=1.0),
            outside("average_decay", average_decay, 0.0..=1.0),
            outside(
                "optimizer.learning_rate",
                optimizer.learning_rate,
                0.0..=1.0,
            ),
            adam(optimizer.beta_1, optimizer.beta_2, optimizer.epsilon),
            below("objective", self.objective.problem()),
            below("critic.network", critic.and_then(Checked::problem)),
            self.network.invalid(),
        ]);
        problem.or_else(|| {
            // Of a network that there can be.
            let patch = self.network.patch_size();
            if !side.is_multiple_of(patch) {
                return Some(format!(
                    "data.size is {side}; it must be a multiple of the decoder's enlargement, {patch}"
                ));
            }
            if side < 2 * patch {
                return Some(format!(
                    "data.size is {side}, which makes one token, and statistics need two; set it to {} at least",
                    2 * patch
                ));
            }
            let smallest = critic.map_or(1, CriticConfig::smallest_side);
            (side < smallest).then(|| {
                format!(
                    "data.size is {side}; the critic's {} layers need {smallest} pixels",
                    critic.map_or(0, |critic| critic.n_layers)
                )
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_counter_starts_the_players_one_step_apart() {
        let start = Start::OptimizerSteps(5001);
        assert!(!start.critic_is_active(2499) && start.critic_is_active(2500));
        assert!(!start.generator_is_active(2500) && start.generator_is_active(2501));
        assert!(start.critic_steps(0));
        let start = Start::Step(2500);
        assert!(start.critic_is_active(2500) && start.generator_is_active(2500));
        assert!(!start.critic_steps(2499));
    }

    #[test]
    fn typos_and_invalid_values_are_named() {
        let config = AutoencoderTraining::tiny();
        assert_eq!(
            AutoencoderTraining::from_json(&config.to_json()),
            Ok(config.clone())
        );
        for (from, to, expected) in [
            ("\"seed\"", "\"sede\"", "sede"),
            ("\"n_layers\"", "\"n_layres\": 1, \"n_layers\"", "n_layres"),
            (
                "\"accumulation\": 1",
                "\"accumulation\": 0",
                "accumulation is 0",
            ),
            (
                "\"size\": 16",
                "\"size\": 17",
                "multiple of the decoder's enlargement",
            ),
            (
                "\"image_size\": 16",
                "\"image_size\": 17",
                "autoencoder.residual.image_size is 17, and patches of 4",
            ),
            (
                "\"norm_groups\": 4",
                "\"norm_groups\": 0",
                "autoencoder.decoder.norm_groups is 0; it must",
            ),
            (
                "\"out_channels\": 3",
                "\"out_channels\": 1000",
                "autoencoder.decoder.out_channels is 1000; pictures have 3",
            ),
            (
                "\"size\": 16",
                "\"size\": 4",
                "data.size is 4, which makes one token",
            ),
            (
                "\"statistics_momentum\": 0.1",
                "\"statistics_momentum\": 0",
                "statistics_momentum is 0; it must",
            ),
            (
                "\"d_ff\": 16",
                "\"d_ff\": 0",
                "autoencoder.residual.d_ff is 0; it must",
            ),
            (
                "\"dropout\": 0.1",
                "\"dropout\": 3",
                "residual.dropout is 3; it must",
            ),
            (
                "\"epsilon\": 1e-8",
                "\"epsilon\": -1",
                "optimizer.epsilon is -1; it must",
            ),
            (
                "\"beta_2\": 0.9",
                "\"beta_2\": 1",
                "optimizer.beta_2 is 1; it must",
            ),
            (
                "\"steps\": 20",
                "\"steps\": 18446744073709551615",
                "steps is 18446744073709551615; it",
            ),
            (
                "\"n_layers\": 1\n    }",
                "\"n_layers\": 4\n    }",
                "the critic's 4 layers need 48 pixels",
            ),
            (
                "\"perceptual_weight\": 1.0",
                "\"perceptual_weight\": 1e300",
                "objective.perceptual_weight is 1e300",
            ),
        ] {
            let json = config.to_json();
            assert!(json.contains(from), "{from} is not in {json}");
            let json = json.replacen(from, to, 1);
            let error = AutoencoderTraining::<AutoencoderKind>::from_json(&json).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
