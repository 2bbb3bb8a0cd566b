//! Sizes of DiT and SiT, whose tokens are patches of latents.

use burn::prelude::*;
use svg_nn::{Checked, PATCH, StoredTensor, first, outside};

use crate::layout::{patching, to_tokens};
use crate::{Sit, SitConfig};

/// Configuration of a DiT or a SiT: [`Sit`] on patches of latents, without norms of queries and keys.
///
/// The convolution with which DiT (Peebles and Xie, arXiv 2212.09748) cuts latents into patches is a linear layer of
/// tokens that are patches already, as `svg_roles::Patchified` makes them. So the network is a [`Sit`].
///
/// ```
/// use svg_sit::DitConfig;
///
/// let config = DitConfig::preset("xl/2").unwrap();
/// assert_eq!((config.sit.in_channels, config.channels(), config.sit.rows), (16, 4, 16));
/// assert_eq!(config.published_numbers(), 675_129_632);
/// ```
#[derive(Config, Debug, PartialEq)]
pub struct DitConfig {
    /// Sizes of the network on tokens.
    pub sit: SitConfig,
    /// Rows and columns of latents in a token.
    pub patch: usize,
}

/// Width, layers and heads of the named sizes (arXiv 2212.09748, table 1).
const SIZES: [(&str, [usize; 3]); 4] = [
    ("s", [384, 12, 6]),
    ("b", [768, 12, 12]),
    ("l", [1024, 24, 16]),
    ("xl", [1152, 28, 16]),
];

impl DitConfig {
    /// A network of DiT on latents of `channels` channels on a grid of `side` x `side`, with outputs for a variance.
    ///
    /// `size` is `s`, `b`, `l` or `xl`, for 1000 classes.
    pub fn sized(size: &str, patch: usize, side: usize, channels: usize) -> Option<Self> {
        let (_, [d_model, n_layers, n_heads]) = SIZES.iter().find(|(name, _)| *name == size)?;
        let side = side.checked_div(patch)?;
        let in_channels = patch * patch * channels;
        let sit = SitConfig::new(
            in_channels,
            side,
            side,
            *d_model,
            *n_layers,
            *n_heads,
            4 * d_model,
        );
        let sit = sit.with_qk_norm(false).with_learn_sigma(true);
        Some(Self { sit, patch })
    }

    /// A named size such as `xl/2`, with the patch behind the slash, for the latents of Stable Diffusion's autoencoder
    /// at 256 x 256: 4 channels on a grid of 32 x 32.
    pub fn preset(name: &str) -> Option<Self> {
        let (size, patch) = name.split_once('/')?;
        let patch = patch
            .parse()
            .ok()
            .filter(|patch| [2, 4, 8].contains(patch))?;
        Self::sized(size, patch, 32, 4)
    }

    /// The same without outputs for a variance, as REPA trains it.
    pub fn without_variance(mut self) -> Self {
        self.sit.learn_sigma = false;
        self
    }

    /// Channels of a latent.
    pub fn channels(&self) -> usize {
        self.sit.in_channels / (self.patch * self.patch)
    }

    /// Numbers in a published file: parameters and positions.
    pub fn published_numbers(&self) -> usize {
        self.sit.n_params() + self.sit.tokens() * self.sit.d_model
    }

    /// The sizes that the tensors of a file show, under the published names; see [`SitConfig::infer`].
    ///
    /// # Errors
    ///
    /// In words, as [`SitConfig::infer`], and if the patches are no squares.
    pub fn infer(tensors: &[StoredTensor]) -> Result<Self, String> {
        let patching = patching(tensors)?;
        let tokens = to_tokens(tensors.to_vec(), patching);
        let sit = SitConfig::infer(&tokens);
        Ok(Self {
            sit: sit.map_err(|reason| reason.replace("ln1.", "x_embedder.proj."))?,
            patch: patching.patch,
        })
    }

    /// Initialises a network for training from scratch; see [`SitConfig::init`].
    ///
    /// # Panics
    ///
    /// As [`SitConfig::init`].
    pub fn init(&self, device: &Device) -> Sit {
        if let Some(problem) = self.problem() {
            panic!("{problem}");
        }
        self.sit.init(device)
    }
}

/// Those of [`SitConfig`], and whole patches.
impl Checked for DitConfig {
    fn problem(&self) -> Option<String> {
        let area = self.patch.saturating_mul(self.patch);
        let ranges = [outside("patch", self.patch, PATCH), self.sit.problem()];
        first(ranges).or_else(|| {
            let channels = self.sit.in_channels;
            (!channels.is_multiple_of(area))
                .then(|| format!("in_channels is {channels}; patches need a multiple of {area}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Module;

    #[test]
    fn the_named_sizes_have_the_published_numbers() {
        let device = Device::default();
        for (name, want) in [
            ("s/2", 32_963_360),
            ("b/2", 130_512_416),
            ("l/2", 458_102_816),
            ("xl/2", 675_129_632),
        ] {
            let config = DitConfig::preset(name).unwrap();
            assert_eq!(config.problem(), None);
            let parameters = config.init(&device).num_params();
            assert_eq!(parameters, config.sit.n_params());
            assert_eq!(config.published_numbers(), want, "{name}");
        }
        let repa = DitConfig::preset("xl/2").unwrap().without_variance();
        assert_eq!(repa.published_numbers() + 8_131_328, 683_242_512);
        for unknown in ["xl", "xl/3", "xs/2", "xl/"] {
            assert_eq!(DitConfig::preset(unknown), None);
        }
    }

    #[test]
    fn channels_that_are_no_patches_are_named() {
        let mut config = DitConfig::preset("s/2").unwrap();
        config.sit.in_channels = 18;
        let problem = config.problem().unwrap();
        assert_eq!(problem, "in_channels is 18; patches need a multiple of 4");
        config.patch = 0;
        assert!(config.problem().unwrap().starts_with("patch is 0; it must"));
    }
}
