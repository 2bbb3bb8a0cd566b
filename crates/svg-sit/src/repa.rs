//! REPA's SiT, with the projectors of its training.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::activation::silu;
use svg_nn::{CHANNELS, Checked, LoadError, Mismatch, Names, StoredTensor, first, linear, outside};
use svg_roles::{Condition, Velocity, VelocitySpec};

use crate::{DitConfig, Sit};

/// `fc3(silu(fc2(silu(fc1(x)))))`: tokens inside the network to those of a frozen encoder.
#[derive(Module, Debug)]
pub struct Projector {
    /// `0` in the file.
    pub fc1: Linear,
    /// `2` in the file.
    pub fc2: Linear,
    /// `4` in the file.
    pub fc3: Linear,
}

impl Projector {
    /// # Shapes
    ///
    /// - x: `[batch, tokens, d_model]`
    /// - output: `[batch, tokens, channels of the encoder]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let hidden = silu(linear(&self.fc1, x));
        let hidden = silu(linear(&self.fc2, hidden));
        linear(&self.fc3, hidden)
    }
}

/// Configuration of [`Repa`].
#[derive(Config, Debug, PartialEq)]
pub struct RepaConfig {
    /// Sizes of the network.
    pub dit: DitConfig,
    /// Number of blocks before the tokens that are projected: 8, or 4 in the size B.
    pub encoder_depth: usize,
    /// Hidden channels of the projectors. Default: 2048
    #[config(default = 2048)]
    pub hidden: usize,
    /// Channels of each encoder that tokens are compared with; empty for none. Default: none
    #[config(default = "vec![]")]
    pub encoders: Vec<usize>,
}

/// SiT as REPA (Yu et al., "Representation Alignment for Generation", arXiv 2410.06940) trains it: without outputs for a
/// variance, with time 0 at the data, and with projectors of the tokens after some blocks.
///
/// [`Velocity`] is in the convention of this workspace: `v(x, t)` is minus the network's output at `1 - t`.
#[derive(Module, Debug)]
pub struct Repa {
    /// The network, in its own convention: time 0 is data and time 1 noise.
    pub sit: Sit,
    /// To the tokens of encoders, for training; nothing needs them otherwise.
    pub projectors: Vec<Projector>,
    encoder_depth: usize,
}

/// Output of [`Repa::forward_projected`].
#[derive(Clone, Debug)]
pub struct RepaOutput {
    /// In REPA's convention, `[batch, tokens, channels]`.
    pub velocity: Tensor<3>,
    /// Tokens for each encoder, `[batch, tokens, channels of the encoder]`.
    pub projected: Vec<Tensor<3>>,
}

const PROJECTOR: Names = Names(&[("fc1.", "0."), ("fc2.", "2."), ("fc3.", "4.")]);
const PROJECTORS: &str = "projectors.";
/// Blocks after the projected tokens, in older files, counted from there.
const LEGACY: &str = "decoder_blocks.";

impl RepaConfig {
    /// A named size of [`DitConfig::preset`], with one projector to the 768 channels of DINOv2-B.
    pub fn preset(name: &str) -> Option<Self> {
        let dit = DitConfig::preset(name)?.without_variance();
        let depth = usual_depth(dit.sit.d_model);
        Some(Self::new(dit, depth).with_encoders(vec![768]))
    }

    /// Numbers in a published file: parameters and positions.
    ///
    /// ```
    /// use svg_sit::RepaConfig;
    ///
    /// assert_eq!(RepaConfig::preset("xl/2").unwrap().published_numbers(), 683_242_512);
    /// ```
    pub fn published_numbers(&self) -> usize {
        let (width, hidden) = (self.dit.sit.d_model, self.hidden);
        let projector = |out: &usize| (width + 1 + hidden + 1) * hidden + (hidden + 1) * out;
        let projectors: usize = self.encoders.iter().map(projector).sum();
        self.dit.published_numbers() + projectors
    }

    /// The sizes that the tensors of a file show. The number of blocks before the projected tokens is not shown: it is
    /// 4 for the width of the size B and 8 otherwise, as in the published recipes.
    ///
    /// # Errors
    ///
    /// In words, as [`DitConfig::infer`].
    pub fn infer(tensors: &[StoredTensor]) -> Result<Self, String> {
        let find = |name: String| {
            let found = tensors.iter().find(|tensor| tensor.name == name);
            found.and_then(|tensor| tensor.shape.to_vec().first().copied())
        };
        let width = find("x_embedder.proj.bias".to_string());
        let depth = usual_depth(width.unwrap_or_default());
        let (network, _) = split(tensors.to_vec(), depth);
        let outputs = |i| find(format!("{PROJECTORS}{i}.4.bias"));
        let encoders: Vec<_> = (0..).map_while(outputs).collect();
        let config = Self::new(DitConfig::infer(&network)?, depth).with_encoders(encoders);
        Ok(match find(format!("{PROJECTORS}0.0.bias")) {
            Some(hidden) => config.with_hidden(hidden),
            None => config,
        })
    }

    /// Initialises a network for training from scratch; see [`SitConfig::init`](crate::SitConfig::init).
    ///
    /// # Panics
    ///
    /// If there can be no such network; [`problem`](Checked::problem) says so beforehand.
    pub fn init(&self, device: &Device) -> Repa {
        if let Some(problem) = self.problem() {
            panic!("{problem}");
        }
        Repa {
            sit: self.dit.init(device),
            projectors: self.projectors(device),
            encoder_depth: self.encoder_depth,
        }
    }

    fn projectors(&self, device: &Device) -> Vec<Projector> {
        let linear = |d_in, d_out| LinearConfig::new(d_in, d_out).init(device);
        let projector = |channels: &usize| Projector {
            fc1: linear(self.dit.sit.d_model, self.hidden),
            fc2: linear(self.hidden, self.hidden),
            fc3: linear(self.hidden, *channels),
        };
        self.encoders.iter().map(projector).collect()
    }

    /// Loads a network from tensors with the names of REPA's files: those of [`DitConfig::load`], `projectors.{i}.{0,2,4}.*`
    /// and, in older files, `decoder_blocks.{i}` for the blocks after the projected tokens.
    ///
    /// # Errors
    ///
    /// [`LoadError::Mismatch`] with everything that is missing, left over or of a wrong shape.
    pub fn load(
        &self,
        tensors: Vec<StoredTensor>,
        source: &str,
        device: &Device,
    ) -> Result<Repa, LoadError> {
        let (network, mut others) = split(tensors, self.encoder_depth);
        let sit = self.dit.load(network, source, device)?;
        let mut projectors = vec![];
        let mut mismatch = Mismatch::none(source);
        for (i, projector) in self.projectors(device).into_iter().enumerate() {
            let prefix = format!("{PROJECTORS}{i}.");
            let (mine, rest): (Vec<_>, Vec<_>) = others
                .into_iter()
                .partition(|t| t.name.starts_with(&prefix));
            others = rest;
            let mine = mine.into_iter().map(|mut tensor| {
                tensor.name = tensor.name[prefix.len()..].to_string();
                tensor
            });
            let (projector, found) = PROJECTOR.fill(projector, mine.collect(), source);
            let found = found.with_names(|name| format!("{prefix}{name}"));
            mismatch.missing.extend(found.missing);
            mismatch.unexpected.extend(found.unexpected);
            mismatch.unusable.extend(found.unusable);
            projectors.push(projector);
        }
        let left = others.into_iter().map(|tensor| tensor.name);
        mismatch.unexpected.extend(left);
        Ok(mismatch.unless(Repa {
            sit,
            projectors,
            encoder_depth: self.encoder_depth,
        })?)
    }

    /// Every tensor of the published file of a network, in the newer names, sorted by name: what [`load`](Self::load)
    /// takes.
    pub fn tensors(&self, repa: &Repa) -> Vec<StoredTensor> {
        let mut tensors = self.dit.tensors(&repa.sit);
        for (i, projector) in repa.projectors.iter().enumerate() {
            let of_it = PROJECTOR.tensors(projector).into_iter();
            tensors.extend(of_it.map(|mut tensor| {
                tensor.name = format!("{PROJECTORS}{i}.{}", tensor.name);
                tensor
            }));
        }
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        tensors
    }
}

/// Those of [`DitConfig`], and `encoder_depth` is from 1 to the number of blocks.
impl Checked for RepaConfig {
    fn problem(&self) -> Option<String> {
        let blocks = self.dit.sit.n_layers;
        let encoders = self.encoders.iter();
        let encoders = encoders.map(|channels| outside("encoders", *channels, CHANNELS));
        let ranges = [
            self.dit.problem(),
            outside("encoder_depth", self.encoder_depth, 1..=blocks),
            outside("hidden", self.hidden, CHANNELS),
        ];
        first(ranges).or_else(|| encoders.flatten().next())
    }
}

impl Repa {
    /// Velocities in REPA's convention, and the projected tokens.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, tokens, channels]`
    /// - t: `[batch]`, 0 at the data and 1 at the noise
    /// - labels: `[batch]`
    ///
    /// # Panics
    ///
    /// As [`Sit::forward`].
    pub fn forward_projected(
        &self,
        x: Tensor<3>,
        t: Tensor<1>,
        labels: Tensor<1, Int>,
    ) -> RepaOutput {
        let (velocity, tokens) = self.sit.forward_with(x, t, labels, self.encoder_depth);
        let project = |projector: &Projector| projector.forward(tokens.clone());
        RepaOutput {
            projected: self.projectors.iter().map(project).collect(),
            velocity,
        }
    }

    /// The same network without projectors, for sampling.
    pub fn without_projectors(self) -> Self {
        Self {
            projectors: vec![],
            ..self
        }
    }
}

impl Velocity for Repa {
    /// # Panics
    ///
    /// If the condition is not of classes, and as [`Sit::forward`].
    fn velocity(&self, x: Tensor<3>, t: Tensor<1>, condition: &Condition) -> Tensor<3> {
        self.sit.velocity(x, t.neg() + 1.0, condition).neg()
    }

    fn unconditional(&self, condition: &Condition) -> Condition {
        self.sit.unconditional(condition)
    }

    fn spec(&self) -> VelocitySpec {
        self.sit.spec()
    }

    fn parameters(&self) -> Option<usize> {
        Some(self.num_params())
    }
}

fn usual_depth(d_model: usize) -> usize {
    match d_model {
        768 => 4,
        _ => 8,
    }
}

/// The tensors of the network, in newer names, and all others.
fn split(
    tensors: Vec<StoredTensor>,
    encoder_depth: usize,
) -> (Vec<StoredTensor>, Vec<StoredTensor>) {
    let (projectors, mut network): (Vec<_>, Vec<_>) = tensors
        .into_iter()
        .partition(|tensor| tensor.name.starts_with(PROJECTORS));
    for tensor in &mut network {
        let newer = tensor.name.strip_prefix(LEGACY).and_then(|rest| {
            let (index, rest) = rest.split_once('.')?;
            let index = index.parse::<usize>().ok()?.checked_add(encoder_depth)?;
            Some(format!("blocks.{index}.{rest}"))
        });
        if let Some(newer) = newer {
            tensor.name = newer;
        }
    }
    (network, projectors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dit_weights::tests::{same, tiny};
    use crate::model::tests::{samples, woken_module};

    fn config() -> RepaConfig {
        let config = RepaConfig::new(tiny().without_variance(), 1);
        config.with_hidden(10).with_encoders(vec![7, 5])
    }

    fn repa() -> Repa {
        woken_module(config().init(&Device::default()))
    }

    #[test]
    fn the_velocity_is_reversed_in_time_and_sign() {
        let device = Device::default();
        let (x, t) = samples(&config().dit.sit, 2, &device);
        let classes = Condition::classes(&[1, 2], &device);
        let labels = classes.expect_classes();
        let repa = repa();
        let own = repa.forward_projected(x.clone(), t.clone().neg() + 1.0, labels);
        let found = repa.velocity(x, t, &classes).into_data();
        found.assert_eq(&own.velocity.neg().into_data(), true);
        let shapes: Vec<_> = own.projected.iter().map(Tensor::dims).collect();
        assert_eq!(shapes, [[2, 6, 7], [2, 6, 5]]);
    }

    #[test]
    fn a_network_survives_the_way_to_a_file_and_back_in_old_and_new_names() {
        let written = config().tensors(&repa());
        assert!(
            written
                .iter()
                .any(|tensor| tensor.name == "projectors.1.4.bias")
        );
        let device = Device::default();
        let loaded = config().load(written.clone(), "memory", &device).unwrap();
        same(&written, &config().tensors(&loaded));
        let mut older = written.clone();
        for tensor in &mut older {
            tensor.name = tensor.name.replace("blocks.1.", "decoder_blocks.0.");
        }
        let loaded = config().load(older, "memory", &device).unwrap();
        same(&written, &config().tensors(&loaded));
        let bare = loaded.without_projectors();
        assert_eq!(bare.num_params(), config().dit.sit.n_params());
    }

    #[test]
    fn what_does_not_fit_the_projectors_is_told() {
        let mut tensors = config().tensors(&repa());
        tensors.retain(|tensor| tensor.name != "projectors.1.2.weight");
        for tensor in &mut tensors {
            tensor.name = tensor
                .name
                .replace("projectors.0.4.bias", "projectors.2.0.bias");
        }
        let error = config().load(tensors, "test", &Device::default());
        let Err(LoadError::Mismatch(found)) = error else {
            panic!("expected a mismatch");
        };
        assert_eq!(
            found.missing,
            ["projectors.0.4.bias", "projectors.1.2.weight"]
        );
        assert_eq!(found.unexpected, ["projectors.2.0.bias"]);
    }
}
