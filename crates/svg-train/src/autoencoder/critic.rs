//! The network that tells photographs from reconstructions.

use burn::module::Initializer;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::prelude::*;
use burn::tensor::activation::leaky_relu;
use svg_nn::{
    Checked, LoadError, StoredTensor, draw_parameters, first, load_exact, module_tensors, outside,
};

use crate::TrainError;
use crate::run::Network;

/// Configuration of [`Critic`].
#[derive(Config, Debug, PartialEq)]
pub struct CriticConfig {
    /// Channels after the first convolution. Default: 64
    #[config(default = 64)]
    pub width: usize,
    /// Number of normalised convolutions; all but the last halve the image. Default: 3
    #[config(default = 3)]
    pub n_layers: usize,
}

/// One logit for each patch of an image: positive for photographs (PatchGAN of Isola et al., "Image-to-
/// Image Translation with Conditional Adversarial Networks", 2017).
///
/// ```text
/// conv 4x4/2 -> leaky -> { conv 4x4 -> batch norm -> leaky } n_layers times -> conv 4x4
/// ```
///
/// Its batch norm uses the statistics of the batch while gradients are possible, and the running ones
/// otherwise; in training a batch of photographs and one of reconstructions must not be mixed.
#[derive(Module, Debug)]
pub struct Critic {
    /// Image to `width` channels, with bias.
    pub conv_in: Conv2d,
    /// The normalised convolutions.
    pub blocks: Vec<CriticBlock>,
    /// To one channel, with bias.
    pub conv_out: Conv2d,
}

/// `leaky(norm(conv(x)))`, the convolution without bias.
#[derive(Module, Debug)]
pub struct CriticBlock {
    /// The convolution.
    pub conv: Conv2d,
    /// The norm over batch and positions.
    pub norm: BatchNorm,
}

impl Checked for CriticConfig {
    fn problem(&self) -> Option<String> {
        first([
            outside("width", self.width, 1..=4096),
            outside("n_layers", self.n_layers, 1..=10),
        ])
    }
}

impl CriticConfig {
    /// The side of the smallest images that it has a logit for.
    pub(crate) fn smallest_side(&self) -> usize {
        // The first convolution and all but the last of the others halve; the last two take a pixel each.
        3 << self.n_layers
    }

    /// Initialises the network: convolutions from N(0, 0.02) with Burn's biases, which are PyTorch's;
    /// scales of norms from N(1, 0.02).
    ///
    /// # Panics
    ///
    /// If there can be no such network; [`problem`](Checked::problem) says so beforehand.
    pub fn init(&self, device: &Device) -> Critic {
        if let Some(problem) = self.problem() {
            panic!("{problem}");
        }
        let channels = |level: usize| self.width * (1 << level.min(3));
        let block = |index: usize| {
            let stride = if index + 1 < self.n_layers { 2 } else { 1 };
            let (from, to) = (channels(index), channels(index + 1));
            let mut norm = BatchNormConfig::new(to).with_epsilon(1e-5).init(device);
            norm.gamma = normal(1.0).init([to], device);
            CriticBlock {
                conv: convolution([from, to], stride, false, device),
                norm,
            }
        };
        Critic {
            conv_in: convolution([3, self.width], 2, true, device),
            blocks: (0..self.n_layers).map(block).collect(),
            conv_out: convolution([channels(self.n_layers), 1], 1, true, device),
        }
    }
}

impl Critic {
    /// The logit of every patch.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, 3, height, width]` in `[-1, 1]`
    /// - output: `[batch, 1, rows, columns]`; 30 by 30 for 256 by 256 pixels
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let x = leaky_relu(self.conv_in.forward(images), 0.2);
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        self.conv_out.forward(x)
    }

    /// The same network as a constant: gradients flow through it and not into it.
    ///
    /// Its norms still use the statistics of the batch, and the running ones are shared, so that its
    /// batches are counted. `freeze` would switch both off.
    pub fn constant(&self) -> Critic {
        // Without gradients on a copy of parameters that are not drawn yet, the original has none either.
        draw_parameters(self);
        self.clone().no_grad()
    }
}

impl Network for Critic {
    type Config = CriticConfig;

    fn init(config: &CriticConfig, device: &Device) -> Self {
        config.init(device)
    }

    /// Weights and running statistics.
    fn tensors(&self) -> Vec<StoredTensor> {
        // Running statistics are up to date in a copy for validation; the original is one step behind.
        let mut tensors = module_tensors(&self.valid());
        for tensor in &mut tensors {
            tensor.name = name(&tensor.name, self.blocks.len());
        }
        tensors
    }

    /// From the weights and running statistics of a checkpoint, named `main.0.weight` and so on. Counts of
    /// batches, `num_batches_tracked`, are not needed.
    fn load(
        config: &CriticConfig,
        mut tensors: Vec<StoredTensor>,
        source: &str,
        device: &Device,
    ) -> Result<Self, TrainError> {
        tensors.retain(|tensor| !tensor.name.ends_with(".num_batches_tracked"));
        for tensor in &mut tensors {
            tensor.name = path(&tensor.name, config.n_layers);
        }
        load_exact(config.init(device), tensors, source).map_err(|mut error| {
            if let LoadError::Mismatch(mismatch) = &mut error {
                for missing in &mut mismatch.missing {
                    *missing = name(missing, config.n_layers);
                }
            }
            error.into()
        })
    }
}

impl CriticBlock {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        leaky_relu(self.norm.forward(self.conv.forward(x)), 0.2)
    }
}

fn normal(mean: f64) -> Initializer {
    Initializer::Normal { mean, std: 0.02 }
}

/// The weight is replaced, because an initialiser in the configuration would fill the bias as well.
fn convolution(channels: [usize; 2], stride: usize, bias: bool, device: &Device) -> Conv2d {
    let config = Conv2dConfig::new(channels, [4, 4])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
        .with_bias(bias);
    let mut conv = config.init(device);
    conv.weight = normal(0.0).init([channels[1], channels[0], 4, 4], device);
    conv
}

/// The module's path of a checkpoint's name; an unknown name stays as it is, so that loading reports it.
///
/// Checkpoints number all layers, the activations with them:
///
/// | name | path |
/// |---|---|
/// | `main.0` | `conv_in` |
/// | `main.{2 + 3 k}`, `main.{3 + 3 k}` | `blocks.{k}.conv`, `blocks.{k}.norm` |
/// | `main.{2 + 3 n_layers}` | `conv_out` |
fn path(name: &str, n_layers: usize) -> String {
    let numbered = name.strip_prefix("main.").and_then(|rest| {
        let (place, leaf) = rest.split_once('.')?;
        Some((place.parse::<usize>().ok()?, leaf))
    });
    let last = 2 + 3 * n_layers;
    match numbered {
        Some((0, leaf)) => format!("conv_in.{leaf}"),
        Some((place, leaf)) if place == last => format!("conv_out.{leaf}"),
        Some((place, leaf)) if (2..last).contains(&place) && place % 3 != 1 => {
            let part = if place % 3 == 2 { "conv" } else { "norm" };
            format!("blocks.{}.{part}.{leaf}", (place - 2) / 3)
        }
        _ => name.to_string(),
    }
}

/// The other direction of [`path`].
fn name(path: &str, n_layers: usize) -> String {
    let places = (0..=2 + 3 * n_layers).map(|place| format!("main.{place}."));
    let found = places.into_iter().find_map(|prefix| {
        let ours = self::path(&prefix, n_layers);
        let leaf = path.strip_prefix(&ours)?;
        (ours != prefix).then(|| format!("{prefix}{leaf}"))
    });
    found.unwrap_or_else(|| path.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    const STATISTICS: usize = 2 * (128 + 256 + 512);

    fn images(device: &Device) -> Tensor<4> {
        Tensor::random([2, 3, 32, 32], Distribution::Uniform(-1.0, 1.0), device)
    }

    fn small() -> CriticConfig {
        CriticConfig::new().with_width(4).with_n_layers(2)
    }

    #[test]
    fn the_published_critic_has_two_point_eight_million_parameters() {
        let critic = CriticConfig::new().init(&Device::default());
        // Burn counts the running statistics, PyTorch does not.
        assert_eq!(critic.num_params() - STATISTICS, 2_765_633);
    }

    #[test]
    fn an_image_of_256_has_900_patches() {
        let critic = CriticConfig::new().with_width(2).init(&Device::default());
        let logits = critic.forward(Tensor::zeros([1, 3, 256, 256], &Device::default()));
        assert_eq!(logits.dims(), [1, 1, 30, 30]);
    }

    #[test]
    fn names_are_those_of_the_checkpoint_in_both_directions() {
        let tensors = CriticConfig::new().init(&Device::default()).tensors();
        let mut names: Vec<_> = tensors.iter().map(|t| t.name.as_str()).collect();
        names.sort();
        let mut want = vec!["main.0.bias".to_string(), "main.0.weight".to_string()];
        for place in [2, 5, 8] {
            want.push(format!("main.{place}.weight"));
            let leaves = ["weight", "bias", "running_mean", "running_var"];
            want.extend(leaves.map(|leaf| format!("main.{}.{leaf}", place + 1)));
        }
        want.extend(["main.11.bias", "main.11.weight"].map(str::to_string));
        want.sort();
        assert_eq!(names, want);
        for name in names {
            assert_eq!(self::name(&path(name, 3), 3), name);
        }
    }

    #[test]
    fn a_checkpoint_holds_everything_that_training_has_changed() {
        let device = Device::default().autodiff();
        let critic = small().init(&device);
        critic.forward(images(&device));
        let mut tensors = critic.tensors();
        let mut count = tensors[0].clone();
        count.name = "main.3.num_batches_tracked".to_string();
        tensors.push(count);
        let loaded = Critic::load(&small(), tensors, "memory", &device).unwrap();
        let x = images(&Device::default());
        let (got, want) = (loaded.valid().forward(x.clone()), critic.valid().forward(x));
        got.into_data().assert_eq(&want.into_data(), true);
        let fresh = BatchNormConfig::new(8)
            .init(&Device::default())
            .running_var
            .value();
        assert_ne!(
            loaded.blocks[0].norm.running_var.value_sync().to_data(),
            fresh.to_data()
        );
        assert!(loaded.conv_in.weight.is_require_grad());
    }

    #[test]
    fn a_missing_tensor_has_the_name_of_the_checkpoint() {
        let device = Device::default();
        let mut tensors = small().init(&device).tensors();
        tensors.retain(|tensor| tensor.name != "main.6.running_var");
        let error = Critic::load(&small(), tensors, "disc.pth", &device);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("main.6.running_var"), "{error}");
    }

    #[test]
    fn a_constant_critic_gives_the_same_logits_and_has_no_gradients() {
        let device = Device::default().autodiff();
        let critic = small().init(&device);
        let constant = critic.constant();
        let x = images(&device).require_grad();
        let logits = constant.forward(x.clone());
        let same = critic.forward(x.clone());
        logits.to_data().assert_eq(&same.to_data(), true);
        let grads = logits.sum().backward();
        assert!(x.grad(&grads).is_some());
        assert!(critic.conv_in.weight.grad(&grads).is_none());
        assert!(critic.blocks[0].norm.gamma.grad(&grads).is_none());
        assert!(critic.conv_in.weight.is_require_grad());
    }

    #[test]
    fn weights_are_drawn_with_a_small_deviation_and_scales_around_one() {
        let critic = CriticConfig::new().init(&Device::default());
        let deviation = |t: Tensor<1>| t.var(0).sqrt().into_scalar::<f32>();
        let weight = deviation(critic.blocks[2].conv.weight.val().flatten(0, 3));
        assert!((weight - 0.02).abs() < 1e-3, "{weight}");
        let gamma = critic.blocks[2].norm.gamma.val();
        let mean: f32 = gamma.clone().mean().into_scalar();
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        assert!((deviation(gamma) - 0.02).abs() < 5e-3);
        let beta: f32 = critic.blocks[2].norm.beta.val().abs().max().into_scalar();
        assert_eq!(beta, 0.0);
    }

    #[test]
    fn the_smallest_image_has_one_logit() {
        let device = Device::default();
        for config in [small(), small().with_n_layers(1), small().with_n_layers(3)] {
            let side = config.smallest_side();
            let logits = config
                .init(&device)
                .forward(Tensor::zeros([1, 3, side, side], &device));
            assert_eq!(logits.dims(), [1, 1, 1, 1]);
        }
    }

    #[test]
    #[should_panic(expected = "n_layers is 0; it must lie between 1 and 10")]
    fn a_critic_without_layers_panics() {
        CriticConfig::new()
            .with_n_layers(0)
            .init(&Device::default());
    }
}
