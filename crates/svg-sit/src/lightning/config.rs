//! Sizes of LightningDiT.

use burn::prelude::*;
use svg_nn::{CHANNELS, CLASSES, Checked, GRID, LAYERS, StoredTensor, first, heads, outside};

use super::LightningDit;
use crate::config::{POSITIONS, heads_of};

/// Configuration of [`LightningDit`].
///
/// ```
/// use svg_sit::LightningConfig;
///
/// let config = LightningConfig::preset("xl/1").unwrap();
/// assert_eq!((config.in_channels, config.d_model, config.d_ff), (32, 1152, 3072));
/// assert_eq!(config.published_numbers(), 675_256_736);
/// ```
#[derive(Config, Debug, PartialEq)]
pub struct LightningConfig {
    /// Number of channels of a latent.
    pub in_channels: usize,
    /// Rows of the grid of tokens.
    pub rows: usize,
    /// Columns of the grid of tokens.
    pub columns: usize,
    /// Number of classes, to which the network adds that of no class. Default: 1000
    #[config(default = 1000)]
    pub n_classes: usize,
    /// Number of channels of a token inside the network; a multiple of four.
    pub d_model: usize,
    /// Number of blocks.
    pub n_layers: usize,
    /// Number of attention heads, whose channels are a multiple of four.
    pub n_heads: usize,
    /// Number of hidden channels of the feed-forward layers, behind the gate.
    pub d_ff: usize,
    /// Whether queries and keys are normalised per head. Default: false
    #[config(default = false)]
    pub qk_norm: bool,
}

/// Width, layers and heads of the named sizes.
const SIZES: [(&str, [usize; 3]); 3] = [
    ("b/1", [768, 12, 12]),
    ("l/1", [1024, 24, 16]),
    ("xl/1", [1152, 28, 16]),
];

impl LightningConfig {
    /// `b/1`, `l/1` or `xl/1`, for the latents of VA-VAE at 256 x 256: 32 channels on a grid of 16 x 16.
    pub fn preset(name: &str) -> Option<Self> {
        let (_, [d_model, n_layers, n_heads]) = SIZES.iter().find(|(known, _)| *known == name)?;
        // Two thirds of what a layer without a gate has.
        let d_ff = 8 * d_model / 3;
        Some(Self::new(32, 16, 16, *d_model, *n_layers, *n_heads, d_ff))
    }

    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.rows * self.columns
    }

    /// Number of channels of a head.
    pub fn head_dim(&self) -> usize {
        self.d_model / self.n_heads
    }

    /// Number of parameters. The positions are not among them.
    pub fn n_params(&self) -> usize {
        let Self { d_model, d_ff, .. } = *self;
        let linear = |inputs: usize, outputs: usize| (inputs + 1) * outputs;
        let norms = match self.qk_norm {
            true => 2 * self.head_dim(),
            false => 0,
        };
        let block = 2 * d_model
            + norms
            + linear(d_model, 3 * d_model)
            + linear(d_model, d_model)
            + linear(d_model, 2 * d_ff)
            + linear(d_ff, d_model)
            + linear(d_model, 6 * d_model);
        linear(self.in_channels, d_model)
            + linear(256, d_model)
            + linear(d_model, d_model)
            + (self.n_classes + 1) * d_model
            + self.n_layers * block
            + d_model
            + linear(d_model, 2 * d_model)
            + linear(d_model, self.in_channels)
    }

    /// Numbers in a published file that are learned, and positions. The tables of the turns are not among them.
    pub fn published_numbers(&self) -> usize {
        self.n_params() + self.tokens() * self.d_model
    }

    /// The sizes that the tensors of a file show, under the published names. Heads as for
    /// [`SitConfig::infer`](crate::SitConfig::infer).
    ///
    /// # Errors
    ///
    /// In words: a tensor that is needed is absent or of another rank, the positions are not those of a square, the
    /// patches are larger than a latent, there are outputs for a variance, or nothing tells the number of heads.
    pub fn infer(tensors: &[StoredTensor]) -> Result<Self, String> {
        let find = |name: &str| tensors.iter().find(|tensor| tensor.name == name);
        let sizes = |name: &str, rank: usize| {
            let tensor = find(name).ok_or_else(|| {
                format!("{name} is missing: the file is of another network than LightningDiT")
            })?;
            let shape = tensor.shape.to_vec();
            match shape.len() == rank {
                true => Ok(shape),
                false => Err(format!(
                    "{name} has the shape {shape:?} where {rank} sizes are expected: the file is of another network"
                )),
            }
        };
        let embedder = sizes("x_embedder.proj.weight", 4)?;
        let [d_model, in_channels, 1, 1] = embedder[..] else {
            return Err(format!(
                "x_embedder.proj.weight has the shape {embedder:?}, where LightningDiT has patches of one latent, \
                 [width, channels, 1, 1]"
            ));
        };
        let tokens = sizes("pos_embed", 3)?[1];
        let side = tokens.isqrt();
        if side * side != tokens {
            return Err(format!(
                "pos_embed has {tokens} tokens, which are no square: give the configuration"
            ));
        }
        let outputs = sizes("final_layer.linear.weight", 2)?[0];
        if outputs != in_channels {
            return Err(format!(
                "final_layer.linear.weight has {outputs} outputs for {in_channels} channels, where LightningDiT has as \
                 many"
            ));
        }
        let norm = find("blocks.0.attn.q_norm.weight").map(|tensor| tensor.shape.num_elements());
        let layer = |i: &usize| find(&format!("blocks.{i}.attn.qkv.weight")).is_some();
        Ok(Self {
            in_channels,
            rows: side,
            columns: side,
            n_classes: sizes("y_embedder.embedding_table.weight", 2)?[0].saturating_sub(1),
            d_model,
            n_layers: (0..).take_while(layer).count(),
            n_heads: heads_of(d_model, norm)
                .map_err(|reason| reason.replace("ln1.", "x_embedder.proj."))?,
            d_ff: sizes("blocks.0.mlp.w3.weight", 2)?[1],
            qk_norm: norm.is_some(),
        })
    }

    /// Initialises a network for training from scratch, as [`SitConfig::init`](crate::SitConfig::init).
    ///
    /// # Panics
    ///
    /// If there can be no such network; [`problem`](Checked::problem) says so beforehand.
    pub fn init(&self, device: &Device) -> LightningDit {
        LightningDit::new(self, device)
    }
}

/// `n_heads` divides `d_model` into heads of a multiple of four channels, and there is a class.
impl Checked for LightningConfig {
    fn problem(&self) -> Option<String> {
        let (rows, columns, d_model) = (self.rows, self.columns, self.d_model);
        let ranges = [
            outside("in_channels", self.in_channels, CHANNELS),
            outside("rows", rows, GRID),
            outside("columns", columns, GRID),
            outside("n_classes", self.n_classes, CLASSES),
            outside("n_layers", self.n_layers, LAYERS),
            outside("d_ff", self.d_ff, CHANNELS),
            heads(self.n_heads, d_model, 4),
        ];
        first(ranges).or_else(|| {
            let numbers = rows * columns * d_model;
            outside("rows * columns * d_model", numbers, 1..=POSITIONS)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Module;

    #[test]
    fn the_formula_counts_what_a_network_has() {
        let device = Device::default();
        for name in ["b/1", "l/1", "xl/1"] {
            let config = LightningConfig::preset(name).unwrap();
            assert_eq!(config.problem(), None);
            for config in [config.clone(), config.with_qk_norm(true)] {
                assert_eq!(config.init(&device).num_params(), config.n_params());
            }
        }
        let hidden = ["b/1", "l/1", "xl/1"].map(|name| LightningConfig::preset(name).unwrap().d_ff);
        assert_eq!(hidden, [2048, 2730, 3072]);
        assert_eq!(LightningConfig::preset("xl/2"), None);
    }

    #[test]
    fn heads_of_two_channels_are_named() {
        let config = LightningConfig::new(6, 2, 3, 16, 1, 8, 20);
        let problem = config.problem().unwrap();
        assert!(
            problem.ends_with("16 channels into heads of a multiple of four"),
            "{problem}"
        );
    }
}
