//! What a training of a flow is, as a document.

use serde::{Deserialize, Serialize};
use svg_flow::TimeSampler;
use svg_model::Grid;
use svg_nn::Precision;
use svg_sit::SitConfig;
use svg_store::strict_json;

use crate::data::Recipe;

/// Everything that decides what a run computes, but the autoencoder and the data.
///
/// Every field must be in the file, and a field that is not known is an error: a run is what its
/// configuration says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowTraining {
    /// What this reproduces, with which command, in how long, and what to expect.
    pub about: String,
    /// The velocity network.
    pub sit: SitConfig,
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
    /// Where between noise and data the network is asked.
    pub time: TimeSettings,
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

/// Where between noise, 0, and data, 1, a network is trained: [`TimeSampler`] as a document.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TimeSettings {
    /// A uniform number `u`, shifted: `shift u / (1 + (shift - 1) u)`. A shift below 1 asks more often
    /// near the noise.
    Uniform {
        /// The shift; 1 leaves the number alone.
        shift: f64,
    },
    /// The logistic function of a normal number (Esser et al., 2024, arXiv 2403.03206).
    LogitNormal {
        /// Mean of the normal number.
        mean: f64,
        /// Its deviation.
        std: f64,
    },
}

impl TimeSettings {
    /// The sampler itself.
    pub fn sampler(self) -> TimeSampler {
        match self {
            Self::Uniform { shift } => TimeSampler::Uniform { shift },
            Self::LogitNormal { mean, std } => TimeSampler::LogitNormal { mean, std },
        }
    }
}

/// The number type of matrix products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComputeType {
    /// f32 throughout.
    F32,
    /// Linear layers in bfloat16.
    Bf16,
}

impl ComputeType {
    /// What is applied to a network.
    pub fn precision(self) -> Precision {
        match self {
            Self::F32 => Precision::F32,
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
    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// In words: no JSON, a missing or an unknown field, or a value that makes no sense.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let config: Self = strict_json(text)?;
        match config.nonsense() {
            Some(reason) => Err(reason),
            None => Ok(config),
        }
    }

    /// The configuration as a file.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self).expect("plain fields always serialise");
        json + "\n"
    }

    /// Images of one optimiser step.
    pub fn images_per_step(&self) -> u64 {
        (self.batch_size * self.accumulation) as u64
    }

    /// What does not fit between this configuration, the latents and their classes, in words; `None` if
    /// all fits.
    pub fn misfit(&self, grid: Grid, classes: &[String]) -> Option<String> {
        let sit = &self.sit;
        let Grid {
            rows,
            columns,
            channels,
        } = grid;
        if (sit.in_channels, sit.rows, sit.columns) != (channels, rows, columns) {
            return Some(format!(
                "the configuration's network takes {} channels on {} x {} tokens, the bundle's latents \
                 have {channels} on {rows} x {columns}; set sit.in_channels to {channels}, sit.rows to \
                 {rows} and sit.columns to {columns}",
                sit.in_channels, sit.rows, sit.columns
            ));
        }
        let found = classes.len();
        (sit.n_classes != found).then(|| {
            let few: Vec<_> = classes.iter().take(4).map(String::as_str).collect();
            format!(
                "the configuration's network has {} classes, the data have {found} ({}{}); set \
                 sit.n_classes to {found}, or give other data",
                sit.n_classes,
                few.join(", "),
                if found > few.len() { ", ..." } else { "" }
            )
        })
    }

    fn nonsense(&self) -> Option<String> {
        let positive = [
            ("steps", self.steps),
            ("batch_size", self.batch_size as u64),
            ("accumulation", self.accumulation as u64),
            ("checkpoint_every", self.checkpoint_every),
            ("checkpoints_kept", self.checkpoints_kept as u64),
            ("samples_every", self.samples_every),
            ("samples.count", self.samples.count as u64),
            ("samples.steps", self.samples.steps as u64),
            ("patience", self.patience),
            ("sit.n_classes", self.sit.n_classes as u64),
            ("sit.n_heads", self.sit.n_heads as u64),
            ("data.size", u64::from(self.data.size)),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Some(format!("{name} is 0; it must be at least 1"));
        }
        let within = |name: &str, value: f64, low: f64, high: f64| {
            let inside = value >= low && value <= high;
            (!inside).then(|| format!("{name} is {value}; it must lie between {low} and {high}"))
        };
        let optimizer = &self.optimizer;
        let mut bounds = vec![
            within("label_dropout", self.label_dropout, 0.0, 1.0),
            within("average_decay", self.average_decay, 0.0, 1.0),
            within("optimizer.learning_rate", optimizer.learning_rate, 0.0, 1.0),
            within("optimizer.beta_1", optimizer.beta_1.into(), 0.0, 1.0),
            within("optimizer.beta_2", optimizer.beta_2.into(), 0.0, 1.0),
            within(
                "optimizer.weight_decay",
                optimizer.weight_decay.into(),
                0.0,
                1.0,
            ),
            within("samples.guidance", self.samples.guidance, 0.0, 1e3),
            within("samples.shift", self.samples.shift, 1e-3, 1e3),
        ];
        if let Some(norm) = optimizer.clip_norm {
            bounds.push(within("optimizer.clip_norm", norm, 1e-6, 1e6));
        }
        bounds.push(match self.time {
            TimeSettings::Uniform { shift } => within("time.uniform.shift", shift, 1e-3, 1e3),
            TimeSettings::LogitNormal { mean, std } => {
                within("time.logit_normal.mean", mean, -20.0, 20.0)
                    .or_else(|| within("time.logit_normal.std", std, 0.0, 20.0))
            }
        });
        let (width, heads) = (self.sit.d_model, self.sit.n_heads);
        bounds.push((!width.is_multiple_of(heads)).then(|| {
            format!(
                "sit.d_model is {width} and sit.n_heads {heads}; the heads must divide the width"
            )
        }));
        bounds.push(
            (!width.is_multiple_of(4))
                .then(|| format!("sit.d_model is {width}; positions need a multiple of 4")),
        );
        bounds.into_iter().flatten().next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_and_nonsense_are_named() {
        let config = FlowTraining::tiny();
        assert_eq!(FlowTraining::from_json(&config.to_json()).unwrap(), config);
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
            ("\"n_heads\": 2", "\"n_heads\": 3", "must divide the width"),
            ("\"f32\"", "\"f8\"", "f8"),
        ] {
            let json = config.to_json();
            assert!(json.contains(from), "{from} is not in {json}");
            let error = FlowTraining::from_json(&json.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_network_for_other_latents_or_classes_is_told_what_to_become() {
        let config = FlowTraining::tiny();
        let grid = Grid {
            rows: 4,
            columns: 4,
            channels: 20,
        };
        let classes = |count: usize| (0..count).map(|n| format!("c{n}")).collect::<Vec<_>>();
        assert_eq!(config.misfit(grid, &classes(2)), None);
        let reason = config
            .misfit(
                Grid {
                    channels: 392,
                    ..grid
                },
                &classes(2),
            )
            .unwrap();
        assert!(
            reason.contains("takes 20 channels") && reason.contains("in_channels to 392"),
            "{reason}"
        );
        let reason = config.misfit(grid, &classes(9)).unwrap();
        assert!(
            reason.contains("has 2 classes, the data have 9 (c0, c1, c2, c3, ...)"),
            "{reason}"
        );
    }
}
