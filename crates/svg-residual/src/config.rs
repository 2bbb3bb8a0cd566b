//! Sizes and options of the residual encoder.

use burn::prelude::*;
use svg_nn::{CHANNELS, Checked, LAYERS, PATCH, SIDE, StoredTensor, first, heads, outside};

use crate::ResidualEncoder;

/// Configuration of [`ResidualEncoder`]. All defaults are those of the published model.
///
/// ```
/// use svg_residual::ResidualConfig;
///
/// let config = ResidualConfig::svg();
/// assert_eq!((config.d_model, config.n_layers, config.channels), (384, 6, 8));
/// ```
#[derive(Config, Debug, PartialEq)]
pub struct ResidualConfig {
    /// Side of the square images whose patches have learned positions, in pixels; a multiple of
    /// `patch_size`. Other sizes are encoded with interpolated positions. Default: 256
    #[config(default = 256)]
    pub image_size: usize,
    /// Side of a square patch in pixels. Default: 16
    #[config(default = 16)]
    pub patch_size: usize,
    /// Number of blocks. Default: 6
    #[config(default = 6)]
    pub n_layers: usize,
    /// Number of attention heads; must divide `d_model`. Default: 8
    #[config(default = 8)]
    pub n_heads: usize,
    /// Number of channels of a token inside the network. Default: 384
    #[config(default = 384)]
    pub d_model: usize,
    /// Number of hidden channels of the feed-forward layers. Default: 1536
    #[config(default = 1536)]
    pub d_ff: usize,
    /// Number of channels of the residual. Default: 8
    #[config(default = 8)]
    pub channels: usize,
    /// Probability that a value is dropped in training: of the embedded tokens, of attention
    /// probabilities and of both branches of a block. Default: 0.1
    #[config(default = 0.1)]
    pub dropout: f64,
    /// Fraction of the samples whose residual is [masked](ResidualEncoder::mask) in training. The network
    /// has a mask token if it is positive. Default: 0.1
    #[config(default = 0.1)]
    pub mask_ratio: f64,
}

/// Channels of one head in the published model.
const HEAD_DIM: usize = 48;

impl ResidualConfig {
    /// The published model (arXiv 2510.15301): 11.2 M parameters. The same as [`ResidualConfig::new`].
    pub fn svg() -> Self {
        Self::new()
    }

    /// Number of patches along one side of a native image.
    pub fn side(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// Infers the configuration from the shapes of tensors with the names that [`load`](crate::load) takes.
    ///
    /// Shapes do not determine the number of heads: heads of 48 channels are assumed, as published, or else
    /// eight heads. `mask_ratio` is its default if there is a mask token and 0 otherwise. Dropout is its
    /// default. `None` if a required tensor is missing or of another rank, if the positions are not those of
    /// a square, or if the width fits neither rule.
    pub fn infer(tensors: &[StoredTensor]) -> Option<Self> {
        let shape = |name: &str| {
            let tensor = tensors.iter().find(|tensor| tensor.name == name)?;
            Some(tensor.shape.to_vec())
        };
        let &[d_model, 3, patch_size, _] = shape("conv_proj.weight")?.as_slice() else {
            return None;
        };
        let &[_, tokens, _] = shape("encoder.pos_embedding")?.as_slice() else {
            return None;
        };
        let patches = tokens.checked_sub(1)?;
        let side = patches.isqrt();
        let n_heads = match d_model {
            width if width > 0 && width % HEAD_DIM == 0 => width / HEAD_DIM,
            width if width > 0 && width % 8 == 0 => 8,
            _ => return None,
        };
        let block = |i: usize| {
            let name = format!("encoder.layers.encoder_layer_{i}.mlp.0.weight");
            shape(&name)?.first().copied()
        };
        let default = Self::new();
        let mask_ratio = match shape("mask_token") {
            Some(_) => default.mask_ratio,
            None => 0.0,
        };
        let config = default
            .with_image_size(side * patch_size)
            .with_patch_size(patch_size)
            .with_n_layers((0..).take_while(|i| block(*i).is_some()).count())
            .with_n_heads(n_heads)
            .with_d_model(d_model)
            .with_d_ff(block(0)?)
            .with_channels(*shape("heads.2.weight")?.first()?)
            .with_mask_ratio(mask_ratio);
        (patch_size > 0 && side > 0 && side * side == patches).then_some(config)
    }

    /// Initialises a network for training from scratch like the published one: zero class token,
    /// Xavier-uniform fused projections and feed-forward layers, normal positions (deviation 0.02) and
    /// patch embedding (deviation `1 / sqrt(fan_in)`), the rest as burn and PyTorch do by default.
    ///
    /// # Panics
    ///
    /// If there can be no such network; [`problem`](Checked::problem) says so beforehand.
    pub fn init(&self, device: &Device) -> ResidualEncoder {
        ResidualEncoder::new(self, device)
    }
}

/// `n_heads` divides `d_model`, and `patch_size` divides `image_size`.
impl Checked for ResidualConfig {
    fn problem(&self) -> Option<String> {
        let (image, patch) = (self.image_size, self.patch_size);
        let ranges = [
            outside("image_size", image, SIDE),
            outside("patch_size", patch, PATCH),
            outside("n_layers", self.n_layers, LAYERS),
            outside("d_ff", self.d_ff, CHANNELS),
            outside("channels", self.channels, CHANNELS),
            outside("dropout", self.dropout, 0.0..=0.99),
            outside("mask_ratio", self.mask_ratio, 0.0..=1.0),
            heads(self.n_heads, self.d_model, 1),
        ];
        first(ranges).or_else(|| {
            (!image.is_multiple_of(patch)).then(|| {
                format!(
                    "image_size is {image}, and patches of {patch} pixels do not tile images of {image}"
                )
            })
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::checkpoint_tensors;
    use burn::module::Module;

    /// A grid of 2 x 2 patches and heads of four channels.
    pub(crate) fn tiny() -> ResidualConfig {
        ResidualConfig::new()
            .with_image_size(8)
            .with_patch_size(4)
            .with_n_layers(2)
            .with_n_heads(4)
            .with_d_model(16)
            .with_d_ff(32)
    }

    #[test]
    fn the_published_model_has_the_published_number_of_parameters() {
        let device = Default::default();
        let count = |config: ResidualConfig| config.init(&device).num_params();
        assert_eq!(count(ResidualConfig::svg()), 11_192_840 + 8);
        assert_eq!(
            count(ResidualConfig::svg().with_mask_ratio(0.0)),
            11_192_840
        );
    }

    #[test]
    fn the_configuration_is_inferred_from_a_checkpoint() {
        let device = Default::default();
        for config in [
            ResidualConfig::svg(),
            ResidualConfig::svg().with_mask_ratio(0.0).with_n_layers(3),
            tiny().with_n_heads(8).with_channels(5),
        ] {
            let tensors = checkpoint_tensors(&config.init(&device));
            assert_eq!(ResidualConfig::infer(&tensors), Some(config));
        }
        assert_eq!(ResidualConfig::infer(&[]), None);
    }

    #[test]
    fn numbers_that_make_no_network_are_named() {
        assert_eq!(ResidualConfig::svg().problem(), None);
        assert_eq!(tiny().problem(), None);
        for (config, expected) in [
            (
                tiny().with_image_size(9),
                "image_size is 9, and patches of 4",
            ),
            (
                tiny().with_image_size(1 << 40),
                "image_size is 1099511627776; it must",
            ),
            (
                tiny().with_patch_size(0),
                "patch_size is 0; it must lie between 1 and 1024",
            ),
            (
                tiny().with_n_layers(1 << 32),
                "n_layers is 4294967296; it must",
            ),
            (
                tiny().with_n_heads(1 << 62),
                "n_heads is 4611686018427387904; it must lie between 1 and 16",
            ),
            (
                tiny().with_n_heads(3),
                "n_heads is 3, and 3 heads do not divide 16 channels",
            ),
            (tiny().with_d_ff(0), "d_ff is 0; it must"),
            (tiny().with_channels(0), "channels is 0; it must"),
            (
                tiny().with_dropout(3.0),
                "dropout is 3; it must lie between 0 and 0.99",
            ),
            (tiny().with_mask_ratio(-0.5), "mask_ratio is -0.5; it must"),
        ] {
            let problem = config.problem().unwrap();
            assert!(problem.starts_with(expected), "{problem}");
        }
    }

    #[test]
    #[should_panic(expected = "patches of 5 pixels do not tile images of 8")]
    fn patches_must_tile_the_image() {
        tiny().with_patch_size(5).init(&Default::default());
    }
}
