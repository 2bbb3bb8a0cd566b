//! What a demonstration is: decided at the first start, obeyed by every later one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use svg_image::Orientation;
use svg_model::Sampling;
use svg_roles::EncoderSpec;
use svg_store::{
    Checked, below, checked, first, outside, read_if_there, versioned_json, write_json,
};
use svg_train::autoencoder::{AutoencoderTraining, spread};
use svg_train::flow::FlowTraining;
use svg_train::run::Training;

use crate::nano;
use crate::presets::Presets;
use crate::ranges::{PIXELS, within};

const NAME: &str = "demo.json";
const FORMAT: u32 = 1;
/// Whose networks the presets of a demonstration have.
const PRESETS: &str = "the presets are SVG's autoencoder and SiT";
/// Classes of which samples are made.
const CLASSES_SHOWN: usize = 20;
/// The batch of the first stage is for pictures up to this side; larger ones get a smaller batch.
const SIDE_OF_BATCH: u32 = 64;
/// Patches to a side up to which a step of the flow takes as many pictures as its preset says.
const GRID_OF_BATCH: usize = 8;
/// Pictures below which no figure says anything.
const FEWEST_PICTURES: usize = 200;

/// How much is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// The whole demonstration.
    #[default]
    Whole,
    /// A few steps of every part, for tests.
    Tiny,
}

/// What was said on the command line.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Pictures of one's own, in a folder for each class [default: ten procedural figures]
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// An encoder of one's own, any file that `svg info` reads [default: the embedded one]
    #[arg(long, value_name = "FILE")]
    pub encoder: Option<PathBuf>,
    /// Which network of that file, where it holds several: the names before its tensors, such as ema or
    /// student.backbone [default: averaged weights, where there are any]
    #[arg(long, value_name = "KEY", requires = "encoder")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_key: Option<String>,
    /// About how long it is to take [default: a fixed number of steps; 8 for data or an encoder of one's own]
    #[arg(long, value_name = "N", value_parser = within(0.01..=100_000.0))]
    pub minutes: Option<f64>,
    /// Side of the pictures in pixels [default: 32 for the embedded encoder; 8 patches of one's own, 16 if they are of 14 pixels or more]
    #[arg(long, value_name = "PIXELS", value_parser = within(PIXELS))]
    pub size: Option<u32>,
    /// Of pictures, weights and noise
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Which way up pictures of one's own are: stored, as Pillow opens them, or exif, as viewers show them
    #[arg(long, value_name = "stored|exif", default_value_t, requires = "data")]
    #[serde(default)]
    pub orientation: Orientation,
    /// How much is done
    #[arg(long = "plan", value_enum, default_value_t, hide = true)]
    pub scale: Scale,
}

/// The document `demo.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub format: u32,
    pub asked: Asked,
    /// The fingerprint of the encoder's weights.
    pub encoder: String,
    pub classes: Vec<String>,
    pub size: u32,
    /// Pictures over which latent statistics are computed, at most.
    pub statistics: usize,
    pub autoencoder: AutoencoderTraining,
    pub flow: FlowTraining,
    pub samples: SamplesPlan,
    pub measured: MeasuredPlan,
}

/// Which samples are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplesPlan {
    /// Numbers of Euler steps, each from the same noise.
    pub steps: Vec<usize>,
    /// The classes, by number.
    pub classes: Vec<usize>,
    /// Samples of each class.
    pub each: usize,
    /// Samples of each class on a sheet.
    pub columns: usize,
    pub guidance: f64,
    pub shift: f64,
}

/// How many pictures are measured, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredPlan {
    /// Training pictures that neighbours are sought among and probes are fitted to.
    pub known: usize,
    /// Held-out pictures that are classified and reconstructed.
    pub asked: usize,
    /// Held-out pictures in the plane of the t-SNE.
    pub dots: usize,
    /// Held-out pictures that are shown with their reconstructions.
    pub shown: usize,
}

impl Plan {
    /// The plan for an encoder and classes, with the steps of the presets.
    pub fn new(
        asked: Asked,
        encoder: &EncoderSpec,
        fingerprint: String,
        classes: Vec<String>,
    ) -> Result<Self> {
        let patch = encoder.patch_size;
        let size = size(&asked, patch)?;
        let tiny = asked.scale == Scale::Tiny;
        let (mut autoencoder, mut flow) = match tiny {
            false => (
                AutoencoderTraining::preset("autoencoder_shapes").context(PRESETS)?,
                FlowTraining::preset("flow_shapes").context(PRESETS)?,
            ),
            true => (AutoencoderTraining::tiny(), FlowTraining::tiny()),
        };
        if tiny {
            autoencoder.critic = None;
        }
        fit(&mut autoencoder, encoder, size)?;
        let grid = size as usize / patch;
        let networks = autoencoder.network.svg().context(PRESETS)?;
        let sit = flow.network.sit_mut().context(PRESETS)?;
        sit.in_channels = networks.decoder.in_channels;
        (sit.rows, sit.columns) = (grid, grid);
        sit.n_classes = classes.len();
        let shrink = (grid / GRID_OF_BATCH).max(1);
        flow.batch_size = (flow.batch_size / (shrink * shrink)).max(8);
        flow.data = autoencoder.data.clone();
        autoencoder.seed = asked.seed;
        flow.seed = asked.seed;
        let some = |whole: usize, few: usize| if tiny { few } else { whole };
        let plan = Self {
            format: FORMAT,
            encoder: fingerprint,
            size,
            statistics: some(5_000, 40),
            samples: SamplesPlan {
                steps: match tiny {
                    false => vec![1, 2, 5, 10, 25],
                    true => vec![1, 2],
                },
                classes: spread(classes.len(), CLASSES_SHOWN),
                each: some(20, 2),
                columns: some(8, 2),
                guidance: flow.samples.guidance,
                shift: flow.samples.shift,
            },
            measured: MeasuredPlan {
                known: some(5_000, 40),
                asked: some(1_000, 20),
                dots: some(500, 20),
                shown: some(30, 10),
            },
            classes,
            autoencoder,
            flow,
            asked,
        };
        checked(plan).map_err(anyhow::Error::msg)
    }

    /// The same with other numbers of steps; averages, warm-up, checkpoints and sheets keep their share.
    pub fn with_steps(mut self, autoencoder: u64, flow: u64) -> Self {
        let share = |value: u64, from: u64, to: u64| {
            let exact = (u128::from(value) * u128::from(to)).div_ceil(u128::from(from));
            u64::try_from(exact).unwrap_or(u64::MAX).max(1)
        };
        let decay = |steps: u64| (1.0 - 10.0 / steps as f64).clamp(0.9, 0.9999);
        let first = &mut self.autoencoder;
        first.checkpoint_every = share(first.checkpoint_every, first.steps, autoencoder);
        first.samples_every = share(first.samples_every, first.steps, autoencoder);
        first.average_decay = Some(decay(autoencoder));
        first.steps = autoencoder;
        let second = &mut self.flow;
        second.checkpoint_every = share(second.checkpoint_every, second.steps, flow);
        second.samples_every = share(second.samples_every, second.steps, flow);
        second.optimizer.warmup_steps = share(second.optimizer.warmup_steps, second.steps, flow);
        second.average_decay = decay(flow);
        second.steps = flow;
        self
    }

    /// The same with at most so many pictures for statistics and for each side of the measurements, but no
    /// fewer than say anything.
    pub fn with_at_most(mut self, pictures: usize) -> Self {
        let most = pictures.max(FEWEST_PICTURES);
        let MeasuredPlan { known, asked, .. } = &mut self.measured;
        for count in [&mut self.statistics, known, asked] {
            *count = most.min(*count);
        }
        self
    }

    /// The plan of an earlier start, which must be for the same arguments; `None` if this is the first.
    pub fn read(out: &Path, asked: &Asked) -> Result<Option<Self>> {
        let path = out.join(NAME);
        let refuse = |reason: String| {
            let path = path.display();
            anyhow::anyhow!("{path}: {reason}; name another folder with --out")
        };
        let Some(text) = read_if_there(&path).map_err(|error| refuse(error.to_string()))? else {
            return Ok(None);
        };
        let plan = versioned_json(&text, FORMAT..=FORMAT).and_then(checked::<Self>);
        let plan = plan.map_err(refuse)?;
        match differences(&plan.asked, asked)? {
            differing if differing.is_empty() => Ok(Some(plan)),
            differing => bail!(
                "{} was begun with other arguments: {}; say the same again to go on with it, or name \
                 another folder with --out",
                out.display(),
                differing.join(", ")
            ),
        }
    }

    pub fn write(&self, out: &Path) -> Result<()> {
        Ok(write_json(out.join(NAME), self)?)
    }

    /// Patches to a side.
    pub fn grid(&self) -> usize {
        self.flow.network.sit().map_or(0, |sit| sit.rows)
    }
}

/// The numbers of the document, which its reader goes by. Classes are places in the list of names.
impl Checked for Plan {
    fn problem(&self) -> Option<String> {
        let (samples, measured, classes) = (&self.samples, &self.measured, self.classes.len());
        let pictures = 1..=1_000_000_000;
        let steps = samples.steps.iter();
        let steps = steps.map(|steps| outside("samples.steps", *steps, Sampling::STEPS));
        let shown = samples.classes.iter().map(|class| {
            (*class >= classes)
                .then(|| format!("samples.classes has {class}, and there are {classes} names"))
        });
        let none = |name: &str, count: usize| (count == 0).then(|| format!("{name} is empty"));
        let problem = first([
            outside("size", self.size, PIXELS),
            outside("statistics", self.statistics, pictures.clone()),
            none("samples.steps", samples.steps.len()),
            none("samples.classes", samples.classes.len()),
            outside("samples.each", samples.each, 1..=4096),
            outside("samples.columns", samples.columns, 1..=4096),
            outside("samples.guidance", samples.guidance, Sampling::GUIDANCE),
            outside("samples.shift", samples.shift, Sampling::SHIFT),
            outside("measured.known", measured.known, pictures.clone()),
            outside("measured.asked", measured.asked, pictures.clone()),
            outside("measured.dots", measured.dots, pictures.clone()),
            outside("measured.shown", measured.shown, pictures),
            below("autoencoder", self.autoencoder.invalid()),
            below("flow", self.flow.invalid()),
        ]);
        problem.or_else(|| first(steps.chain(shown)))
    }
}

/// The side of the pictures: as asked for, or as many patches as the encoder was likely made for.
pub fn size(asked: &Asked, patch: usize) -> Result<u32> {
    let patches = match (asked.scale, patch) {
        (Scale::Tiny, _) => 4,
        _ if asked.encoder.is_none() => nano::PATCHES,
        (_, ..14) => 8,
        _ => 16,
    };
    let size = asked.size.unwrap_or((patches * patch) as u32);
    crate::commands::checks::check_size(size, patch)?;
    Ok(size)
}

/// Gives the networks of a first stage the shape of an encoder and its pictures.
fn fit(training: &mut AutoencoderTraining, encoder: &EncoderSpec, size: u32) -> Result<()> {
    let patch = encoder.patch_size;
    if !patch.is_power_of_two() {
        bail!(
            "the encoder's patches are {patch} pixels wide, and the decoder enlarges by doubling; name an \
             encoder with patches of 4, 8 or 16 pixels"
        );
    }
    let levels = patch.trailing_zeros() as usize + 1;
    let networks = training.network.svg_mut().context(PRESETS)?;
    let decoder = &mut networks.decoder;
    let last = decoder.width_multipliers.last().copied();
    let last = last.context("the preset's decoder has no level")?;
    decoder.width_multipliers.resize(levels, last);
    decoder.resolution = size as usize;
    decoder.attention_resolutions = vec![size as usize / patch];
    let mut channels = encoder.channels;
    if let Some(residual) = &mut networks.residual {
        residual.image_size = size as usize;
        residual.patch_size = patch;
        channels += residual.channels;
    }
    networks.decoder.in_channels = channels;
    training.data.size = size;
    let shrink = (size / SIDE_OF_BATCH).max(1) as usize;
    training.batch_size = (training.batch_size / (shrink * shrink)).max(2);
    Ok(())
}

/// What was said then and now, where it differs.
fn differences(then: &Asked, now: &Asked) -> Result<Vec<String>> {
    let (then, now) = (serde_json::to_value(then)?, serde_json::to_value(now)?);
    let fields = then.as_object().context("fields have names")?;
    let said = |value: &serde_json::Value| match value {
        serde_json::Value::Null => "not given".to_string(),
        value => value.to_string(),
    };
    let differing = fields.iter().filter(|(name, value)| now[*name] != **value);
    let words = differing.map(|(name, value)| {
        let now = said(&now[name]);
        format!("--{name} was {} and is {now}", said(value))
    });
    Ok(words.collect())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn autoencoder() -> AutoencoderTraining {
        AutoencoderTraining::preset("autoencoder_shapes").unwrap()
    }

    fn asked() -> Asked {
        Asked {
            data: None,
            encoder: None,
            weights_key: None,
            minutes: None,
            size: None,
            seed: autoencoder().seed,
            orientation: Orientation::AsStored,
            scale: Scale::Whole,
        }
    }

    fn classes() -> Vec<String> {
        (0..10).map(|class| class.to_string()).collect()
    }

    pub fn encoder(channels: usize, patch_size: usize) -> EncoderSpec {
        EncoderSpec {
            name: "an encoder".to_string(),
            channels,
            patch_size,
        }
    }

    pub fn plan(encoder: &EncoderSpec) -> Plan {
        Plan::new(asked(), encoder, "1".to_string(), classes()).unwrap()
    }

    #[test]
    fn the_presets_fit_the_embedded_encoder_as_they_are() {
        let plan = plan(&encoder(128, 8));
        assert_eq!(plan.autoencoder, autoencoder());
        let flow = FlowTraining::preset("flow_shapes").unwrap();
        assert_eq!(plan.flow.network, flow.network);
        assert_eq!((plan.size, plan.grid()), (32, 4));
    }

    #[test]
    fn an_encoder_of_large_patches_gets_large_pictures_and_a_deeper_decoder() {
        let encoder = encoder(384, 16);
        let asked = Asked {
            encoder: Some("encoder.pth".into()),
            ..asked()
        };
        let plan = Plan::new(asked, &encoder, "1".to_string(), classes()).unwrap();
        assert_eq!((plan.size, plan.grid()), (256, 16));
        let networks = plan.autoencoder.network.svg().unwrap();
        assert_eq!(networks.misfit(384, 16), None);
        assert_eq!(plan.flow.network.sit().unwrap().in_channels, 392);
        assert_eq!(plan.autoencoder.batch_size, 2);
    }

    #[test]
    fn patches_that_doubling_does_not_reach_are_refused() {
        let encoder = encoder(384, 14);
        let error = Plan::new(asked(), &encoder, String::new(), classes()).unwrap_err();
        assert!(
            error.to_string().contains("enlarges by doubling"),
            "{error}"
        );
    }

    #[test]
    fn a_plan_is_read_as_it_was_written_and_by_its_own_arguments_only() {
        let place = tempfile::tempdir().unwrap();
        let plan = plan(&encoder(128, 8)).with_steps(7, 11);
        assert_eq!((plan.autoencoder.steps, plan.flow.steps), (7, 11));
        assert_eq!(Plan::read(place.path(), &plan.asked).unwrap(), None);
        plan.write(place.path()).unwrap();
        let read = Plan::read(place.path(), &plan.asked).unwrap();
        assert_eq!(read, Some(plan.clone()));
        let other = Asked {
            minutes: Some(3.0),
            ..plan.asked.clone()
        };
        let error = Plan::read(place.path(), &other).unwrap_err().to_string();
        assert!(
            error.contains("--minutes was not given and is 3.0"),
            "{error}"
        );
    }

    #[test]
    fn every_number_of_a_plan_is_used_or_refused() {
        let place = tempfile::tempdir().unwrap();
        let plan = plan(&encoder(128, 8));
        let document = serde_json::to_value(&plan).unwrap();
        let (mut refused, mut taken) = (0, 0);
        for (what, changed) in svg_store::extremes(&document) {
            std::fs::write(place.path().join(NAME), changed.to_string()).unwrap();
            let read = std::panic::catch_unwind(|| Plan::read(place.path(), &plan.asked).is_ok());
            match read.unwrap_or_else(|_| panic!("{what} panicked")) {
                true => taken += 1,
                false => refused += 1,
            }
        }
        assert!(refused > 500 && taken > 100, "{refused} and {taken}");
    }

    #[test]
    fn numbers_that_no_demonstration_has_are_named() {
        let check = |change: fn(&mut Plan), expected: &str| {
            let mut plan = plan(&encoder(128, 8));
            assert_eq!(plan.problem(), None);
            change(&mut plan);
            let problem = plan.problem().unwrap();
            assert!(problem.starts_with(expected), "{problem}");
        };
        check(
            |plan| plan.samples.classes[0] = 10,
            "samples.classes has 10, and there are 10 names",
        );
        check(
            |plan| plan.samples.steps[0] = 1 << 32,
            "samples.steps is 4294967296; it must",
        );
        check(
            |plan| plan.samples.columns = 0,
            "samples.columns is 0; it must",
        );
        check(
            |plan| plan.samples.classes.clear(),
            "samples.classes is empty",
        );
        check(
            |plan| plan.measured.known = 0,
            "measured.known is 0; it must",
        );
        check(|plan| plan.size = 0, "size is 0; it must");
        check(
            |plan| plan.autoencoder.batch_size = 0,
            "autoencoder.batch_size is 0; it must",
        );
        check(
            |plan| plan.flow.optimizer.epsilon = 0.0,
            "flow.optimizer.epsilon is 0; it must",
        );
    }
}
