//! What an evaluation follows from.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};
use svg_eval::Resampling;
use svg_flow::Guidance;
use svg_image::Orientation;
use svg_model::Sampling;

use crate::commands::pictures::ReadingOptions;
use crate::evaluation::protocol::{Protocol, Rounding};

/// Everything that the figures of an evaluation follow from, but for the contents of the files that it names. A card
/// holds it, so that `svg verify` can do the same again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Name of the protocol.
    pub protocol: String,
    /// What is judged.
    pub samples: Samples,
    /// What it is compared with: pictures, published statistics, or features that were kept.
    pub reference: Vec<PathBuf>,
    /// So many pictures of the reference, evenly spread.
    pub reference_limit: Option<usize>,
    /// Weights of Inception.
    pub inception: Option<PathBuf>,
    /// Weights of the encoder that judges, where it is not the model's.
    pub weights: Option<PathBuf>,
    /// Its architecture, where the file does not say it.
    pub architecture: Option<String>,
    /// Which network of that file.
    pub weights_key: Option<String>,
    /// Where the model's encoder is now.
    pub encoder: Option<PathBuf>,
    /// Side of the crops that an encoder sees.
    pub size: Option<u32>,
    /// Whether pictures are turned by their EXIF orientation.
    pub exif: bool,
    /// Seed of intervals, and of directions where random ones are drawn.
    pub seed: u64,
    /// Resamples behind an interval.
    pub resamples: usize,
    /// Share of such evaluations whose interval holds the true figure, such as 0.95.
    pub level: f64,
}

/// What is judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Samples {
    /// Pictures, or features that were kept.
    Pictures {
        /// Files, folders, archives, lists.
        paths: Vec<PathBuf>,
        /// So many of them, evenly spread.
        limit: Option<usize>,
    },
    /// Samples that models make.
    Model {
        /// How each set of samples is made.
        points: Vec<Point>,
        /// Samples of each point.
        count: usize,
        /// Whether classes are drawn, and not in turns.
        random_labels: bool,
        /// Seed of noise and of random classes.
        seed: u64,
        /// What becomes of images that are no 8-bit pictures.
        rounding: Rounding,
        /// Number type of the networks.
        dtype: String,
    },
    /// The reference through a model and back.
    Reconstructions {
        /// The model.
        bundle: PathBuf,
    },
}

/// A model and how it is sampled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// The model.
    pub bundle: PathBuf,
    /// The solver, by its name.
    pub solver: String,
    /// Steps of the solver.
    pub steps: usize,
    /// Shift of the times.
    pub shift: f64,
    /// Scale of guidance.
    pub guidance: f64,
    /// Where guidance acts.
    pub guidance_mode: String,
}

impl Point {
    /// The settings, checked.
    pub fn sampling(&self, seed: u64) -> Result<Sampling> {
        let sampling = Sampling {
            solver: self
                .solver
                .parse()
                .map_err(|error: String| anyhow!(error))?,
            steps: self.steps,
            shift: self.shift,
            guidance: Guidance {
                scale: self.guidance,
                schedule: self
                    .guidance_mode
                    .parse()
                    .map_err(|error| anyhow!("{error}"))?,
            },
            seed,
        };
        sampling.times()?;
        Ok(sampling)
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            solver,
            steps,
            shift,
            guidance,
            guidance_mode,
            ..
        } = self;
        write!(
            f,
            "{solver}, {steps} steps, shift {shift}, guidance {guidance} {guidance_mode}"
        )
    }
}

impl Request {
    /// The protocol by its name.
    pub fn protocol(&self) -> Result<Protocol> {
        self.protocol
            .parse()
            .map_err(|error: String| anyhow!("protocol {}: {error}", self.protocol))
    }

    /// The model that is judged, or the first of several.
    pub fn model(&self) -> Option<&Path> {
        match &self.samples {
            Samples::Pictures { .. } => None,
            Samples::Model { points, .. } => points.first().map(|point| &*point.bundle),
            Samples::Reconstructions { bundle } => Some(bundle),
        }
    }

    /// How often is resampled.
    pub fn resampling(&self) -> Resampling {
        Resampling {
            count: self.resamples,
            level: self.level,
            seed: self.seed,
        }
    }

    /// How pictures are read.
    pub fn reading(&self) -> ReadingOptions {
        ReadingOptions {
            orientation: match self.exif {
                true => Orientation::Exif,
                false => Orientation::AsStored,
            },
            ..ReadingOptions::default()
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// One of pictures.
    pub fn request() -> Request {
        Request {
            protocol: "own".to_string(),
            samples: Samples::Pictures {
                paths: vec!["generated".into()],
                limit: None,
            },
            reference: vec!["real".into()],
            reference_limit: None,
            inception: None,
            weights: Some("encoder.safetensors".into()),
            architecture: None,
            weights_key: None,
            encoder: None,
            size: Some(32),
            exif: false,
            seed: 0,
            resamples: 200,
            level: 0.95,
        }
    }

    #[test]
    fn a_request_is_json_and_back() {
        let mut asked = request();
        asked.samples = Samples::Model {
            points: vec![Point {
                bundle: "bundle".into(),
                solver: "euler".to_string(),
                steps: 25,
                shift: 0.15,
                guidance: 1.5,
                guidance_mode: "interval:0.1:0.8".to_string(),
            }],
            count: 100,
            random_labels: true,
            seed: 7,
            rounding: Rounding::Float,
            dtype: "f32".to_string(),
        };
        let text = serde_json::to_string(&asked).unwrap();
        assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), asked);
    }
}
