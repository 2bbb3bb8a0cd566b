//! The configuration of a training of a flow.

use serde::{Deserialize, Serialize};
use svg_flow::TimeSampler;
use svg_model::Sampling;
use svg_nn::{Precision, SIDE};
use svg_roles::{Geometry, VelocitySpec};
use svg_store::{first, outside};

use crate::data::Recipe;
use crate::kinds::FlowKind;
use crate::run::document::adam;
use crate::run::{NetworkKind, Pace, Training, pace};

/// Everything that decides what a run computes, except the autoencoder and the data.
///
/// Every field must be in the file, and a field that is not known is an error: a run is what its
/// configuration says. `C` says which network is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowTraining<C = FlowKind> {
    /// What this reproduces, with which command, in how long, and what to expect.
    pub about: String,
    /// The velocity network, such as `"sit": { .. }`.
    #[serde(flatten)]
    pub network: C,
    /// The first weights, times, noise and dropped labels follow from it.
    pub seed: u64,
    /// Optimiser steps.
    pub steps: u64,
    /// Latents that go through the network at once.
    pub batch_size: usize,
    /// Batches to one optimiser step; their gradients are averaged.
    pub accumulation: usize,
    /// How pictures become training images. A cache of latents has a recipe of its own.
    pub data: Recipe,
    /// The optimiser.
    pub optimizer: AdamWSettings,
    /// The share of labels that are replaced by that of no class, so that the network learns both
    /// branches of guidance.
    pub label_dropout: f64,
    /// Where between noise, 0, and data, 1, the network is asked.
    #[serde(with = "TimeDocument")]
    pub time: TimeSampler,
    /// Decay of the moving average of the weights after every step. The average is what is sampled from
    /// and what the bundle gets.
    pub average_decay: f64,
    /// The number type of matrix products. Weights, moments and the average stay in f32.
    pub precision: ComputeType,
    /// Whether the way back recomputes what the way forth need not keep: less memory, more time.
    pub gradient_checkpointing: bool,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Checkpoints that are kept; older ones are deleted.
    pub checkpoints_kept: usize,
    /// Steps between sheets of samples, with the loss of the validation batch.
    pub samples_every: u64,
    /// What is on such a sheet.
    pub samples: FlowSamplesSettings,
    /// Steps in a row whose loss is not finite until training goes back to the last checkpoint with half
    /// the learning rate.
    pub patience: u64,
}

/// Adam with decoupled weight decay (Loshchilov and Hutter, 2019, arXiv 1711.05101).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamWSettings {
    /// The learning rate at its highest.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta_1: f32,
    /// Decay of the second moment.
    pub beta_2: f32,
    /// Added to the root of the second moment. PyTorch's default is 1e-8, Burn's is 1e-5.
    pub epsilon: f32,
    /// Share of the weights, times the learning rate, that is taken away in each step.
    pub weight_decay: f32,
    /// The largest norm of all gradients together; longer ones are shortened to it. `null` for none.
    pub clip_norm: Option<f64>,
    /// Steps over which the learning rate grows in a straight line; 0 for none.
    pub warmup_steps: u64,
    /// The learning rate after that.
    pub schedule: RateSchedule,
}

/// How the learning rate goes on after its warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateSchedule {
    /// It stays.
    Constant,
    /// It falls to 0 by half a cosine.
    Cosine,
}

/// [`TimeSampler`] as a document.
#[derive(Serialize, Deserialize)]
#[serde(remote = "TimeSampler", rename_all = "snake_case", deny_unknown_fields)]
enum TimeDocument {
    Uniform { shift: f64 },
    LogitNormal { mean: f64, std: f64 },
}

/// The number type of matrix products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComputeType {
    /// f32 throughout.
    F32,
    /// f32, whose products tensor cores may round to TF32: NVIDIA cards alone.
    Tf32,
    /// Linear layers in bfloat16.
    Bf16,
}

impl ComputeType {
    /// What is applied to a network.
    pub fn precision(self) -> Precision {
        match self {
            Self::F32 => Precision::F32,
            Self::Tf32 => Precision::Tf32,
            Self::Bf16 => Precision::Bf16,
        }
    }
}

/// The sheet of samples that shows how far a training is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowSamplesSettings {
    /// Images, whose classes are spread evenly over all.
    pub count: usize,
    /// Euler steps.
    pub steps: usize,
    /// Guidance scale, the same at all times; 1 for none.
    pub guidance: f64,
    /// Shift of the time grid.
    pub shift: f64,
}

impl FlowTraining {
    /// The smallest training with every part in it, for tests; it learns nothing worth keeping.
    pub fn tiny() -> Self {
        Self::from_json(Self::SMALLEST).expect("it is a valid document")
    }
}

impl<C: NetworkKind> Training for FlowTraining<C> {
    type Kind = C;
    type BuiltIn = FlowKind;
    const SMALLEST: &'static str = include_str!("tiny.json");

    fn pace(&self) -> Pace {
        pace!(self, self.accumulation)
    }

    fn less_memory(&self) -> Vec<String> {
        let mut changes = vec![self.pace().smaller_batches()];
        if !self.gradient_checkpointing {
            changes.push("gradient_checkpointing true".to_string());
        }
        if self.precision != ComputeType::Bf16 {
            changes.push("precision \"bf16\"".to_string());
        }
        changes
    }

    fn invalid(&self) -> Option<String> {
        let (optimizer, samples) = (&self.optimizer, &self.samples);
        let decay = f64::from(optimizer.weight_decay);
        first([
            self.pace().invalid(),
            outside("samples.count", samples.count, 1..=4096),
            outside("samples.steps", samples.steps, Sampling::STEPS),
            outside("data.size", self.data.size as usize, SIDE),
            outside("label_dropout", self.label_dropout, 0.0..=1.0),
            outside("average_decay", self.average_decay, 0.0..=1.0),
            outside(
                "optimizer.learning_rate",
                optimizer.learning_rate,
                0.0..=1.0,
            ),
            adam(optimizer.beta_1, optimizer.beta_2, optimizer.epsilon),
            outside("optimizer.weight_decay", decay, 0.0..=1.0),
            outside("samples.guidance", samples.guidance, 0.0..=1e3),
            outside("samples.shift", samples.shift, 1e-3..=1e3),
            optimizer
                .clip_norm
                .and_then(|norm| outside("optimizer.clip_norm", norm, 1e-6..=1e6)),
            match self.time {
                TimeSampler::Uniform { shift } => outside("time.uniform.shift", shift, 1e-3..=1e3),
                TimeSampler::LogitNormal { mean, std } => {
                    outside("time.logit_normal.mean", mean, -20.0..=20.0)
                        .or_else(|| outside("time.logit_normal.std", std, 0.0..=20.0))
                }
            },
            self.network.invalid(),
        ])
    }
}

/// What does not fit between a network, the latents and their classes, in words; `None` if all fits. `fields`
/// are the names of channels, rows, columns and classes in the configuration.
pub(crate) fn misfit(
    network: VelocitySpec,
    fields: [&str; 4],
    geometry: Geometry,
    classes: &[String],
) -> Option<String> {
    let ([rows, columns], channels) = (geometry.grid(), geometry.channels);
    let [of_channels, of_rows, of_columns, of_classes] = fields;
    if network.grid != geometry.grid() || network.channels != channels {
        let [own_rows, own_columns] = network.grid;
        return Some(format!(
            "the configuration's network takes {} channels on {own_rows} x {own_columns} tokens, the bundle's \
             latents have {channels} on {rows} x {columns}; set {of_channels} to {channels}, {of_rows} to \
             {rows} and {of_columns} to {columns}",
            network.channels
        ));
    }
    let found = classes.len();
    // A network without classes takes any.
    (network.classes != found && network.classes > 0).then(|| {
        format!(
            "the configuration's network has {} classes, the data have {found} ({}); set {of_classes} to \
             {found}, or give other data",
            network.classes,
            svg_store::listed(classes)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_and_invalid_values_are_named() {
        let config = FlowTraining::tiny();
        assert_eq!(
            FlowTraining::from_json(&config.to_json()),
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
                "\"shift\": 0.4",
                "\"shift\": -0.4",
                "time.uniform.shift is -0.4",
            ),
            (
                "\"n_heads\": 2",
                "\"n_heads\": 3",
                "sit.n_heads is 3, and 3 heads do not divide",
            ),
            (
                "\"n_heads\": 2",
                "\"n_heads\": 4611686018427387904",
                "sit.n_heads is 46116",
            ),
            (
                "\"rows\": 4",
                "\"rows\": 4294967296",
                "sit.rows is 4294967296; it must",
            ),
            (
                "\"epsilon\": 1e-8",
                "\"epsilon\": 0",
                "optimizer.epsilon is 0; it must",
            ),
            (
                "\"steps\": 2,",
                "\"steps\": 4294967296,",
                "samples.steps is 4294967296",
            ),
            ("\"f32\"", "\"f8\"", "f8"),
        ] {
            let json = config.to_json();
            assert!(json.contains(from), "{from} is not in {json}");
            let json = json.replacen(from, to, 1);
            let error = FlowTraining::<FlowKind>::from_json(&json).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_missing_network_is_named() {
        let json = FlowTraining::tiny().to_json().replace("\"sit\"", "\"dit\"");
        let error = FlowTraining::<FlowKind>::from_json(&json).unwrap_err();
        assert!(error.contains("unknown field `dit`"), "{error}");
        let sit = json.find("\"dit\"").unwrap();
        let end = sit + json[sit..].find("},").unwrap() + 2;
        let without = [&json[..sit], &json[end..]].concat();
        let error = FlowTraining::<FlowKind>::from_json(&without).unwrap_err();
        assert!(error.contains("missing field `sit`"), "{error}");
    }

    #[test]
    fn a_network_for_other_latents_or_classes_is_told_what_to_become() {
        let network = VelocitySpec {
            grid: [4, 4],
            channels: 20,
            classes: 2,
        };
        let fields = [
            "sit.in_channels",
            "sit.rows",
            "sit.columns",
            "sit.n_classes",
        ];
        let misfit = |channels: usize, count: usize| {
            let geometry = Geometry::of_patches([16, 16], 4, channels);
            let classes: Vec<_> = (0..count).map(|n| format!("c{n}")).collect();
            super::misfit(network, fields, geometry, &classes)
        };
        assert_eq!(misfit(20, 2), None);
        let reason = misfit(392, 2).unwrap();
        assert!(
            reason.contains("takes 20 channels") && reason.contains("in_channels to 392"),
            "{reason}"
        );
        let reason = misfit(20, 9).unwrap();
        assert!(
            reason.contains(
                "has 2 classes, the data have 9 (c0, c1, c2, c3, c4, c5, c6, c7 and 1 more)"
            ),
            "{reason}"
        );
    }
}
