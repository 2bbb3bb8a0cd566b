//! Sizes of the velocity network.

use burn::prelude::*;
use svg_nn::{CHANNELS, CLASSES, Checked, GRID, LAYERS, StoredTensor, first, heads, outside};

use crate::Sit;

/// Configuration of [`Sit`].
///
/// ```
/// use svg_sit::SitConfig;
///
/// let config = SitConfig::xl();
/// assert_eq!((config.d_model, config.n_layers, config.n_heads), (1152, 28, 16));
/// assert_eq!(config.n_params(), 675_691_016);
/// ```
#[derive(Config, Debug, PartialEq)]
pub struct SitConfig {
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
    /// Number of attention heads; divides `d_model`.
    pub n_heads: usize,
    /// Number of hidden channels of the feed-forward layers.
    pub d_ff: usize,
    /// Whether queries and keys are normalised per head. Default: true
    #[config(default = true)]
    pub qk_norm: bool,
    /// Whether the network has outputs for a variance that nothing trains or uses, as the published one
    /// does. Default: false
    #[config(default = false)]
    pub learn_sigma: bool,
}

/// A size: its name and how to make it.
type Preset = (&'static str, fn() -> SitConfig);

const PRESETS: [Preset; 6] = [
    ("s", SitConfig::s),
    ("b", SitConfig::b),
    ("l", SitConfig::l),
    ("xl", SitConfig::xl),
    ("xxl", SitConfig::xxl),
    ("xxxl", SitConfig::xxxl),
];

/// Numbers of the table of positions, which is computed when a network is made.
pub(crate) const POSITIONS: usize = 1 << 27;

/// Channels of one head where nothing else is known.
const HEAD_DIM: usize = 64;

impl SitConfig {
    fn svg(d_model: usize, n_layers: usize, n_heads: usize) -> Self {
        Self::new(392, 16, 16, d_model, n_layers, n_heads, 4 * d_model)
    }

    /// 33 M parameters. As all that follow, for the latents of SVG at 256 x 256 and the classes of
    /// ImageNet.
    pub fn s() -> Self {
        Self::svg(384, 12, 6)
    }

    /// 131 M parameters (arXiv 2510.15301, SVG-B).
    pub fn b() -> Self {
        Self::svg(768, 12, 12)
    }

    /// 459 M parameters (arXiv 2510.15301, SVG-L).
    pub fn l() -> Self {
        Self::svg(1024, 24, 16)
    }

    /// 676 M parameters: the released model (arXiv 2510.15301, SVG-XL), which has
    /// [`learn_sigma`](Self::learn_sigma) in addition.
    pub fn xl() -> Self {
        Self::svg(1152, 28, 16)
    }

    /// 952 M parameters.
    pub fn xxl() -> Self {
        Self::svg(1280, 32, 20)
    }

    /// 1354 M parameters.
    pub fn xxxl() -> Self {
        Self::svg(1440, 36, 24)
    }

    /// A size by its name; see [`preset_names`](Self::preset_names).
    pub fn preset(name: &str) -> Option<Self> {
        let (_, config) = PRESETS.iter().find(|(known, _)| *known == name)?;
        Some(config())
    }

    /// The names of the sizes, from the smallest to the largest.
    pub fn preset_names() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.rows * self.columns
    }

    /// Number of output channels.
    pub fn out_channels(&self) -> usize {
        match self.learn_sigma {
            true => 2 * self.in_channels,
            false => self.in_channels,
        }
    }

    /// Number of parameters. The positions, `rows * columns * d_model` numbers in a checkpoint, are not
    /// among them.
    pub fn n_params(&self) -> usize {
        let Self { d_model, d_ff, .. } = *self;
        let linear = |inputs: usize, outputs: usize| (inputs + 1) * outputs;
        let norms = match self.qk_norm {
            true => 4 * (d_model / self.n_heads),
            false => 0,
        };
        let block = linear(d_model, 3 * d_model)
            + norms
            + linear(d_model, d_model)
            + linear(d_model, d_ff)
            + linear(d_ff, d_model)
            + linear(d_model, 6 * d_model);
        linear(self.in_channels, d_model)
            + linear(256, d_model)
            + linear(d_model, d_model)
            + (self.n_classes + 1) * d_model
            + self.n_layers * block
            + linear(d_model, 2 * d_model)
            + linear(d_model, self.out_channels())
    }

    /// The sizes that the tensors of a checkpoint show, under the names that [`load`](crate::load) takes.
    ///
    /// The number of heads follows from the norm of the queries. Without one, a width of one of the named
    /// sizes has the heads of that size, and any other width heads of 64 channels.
    ///
    /// # Errors
    ///
    /// In words: a tensor that is needed is absent or of another rank, the positions are not those of a
    /// square, the last layer fits neither form, or nothing tells the number of heads.
    pub fn infer(tensors: &[StoredTensor]) -> Result<Self, String> {
        let find = |name: &str| tensors.iter().find(|tensor| tensor.name == name);
        let needed = |name: &str, rank: usize| {
            let tensor = find(name).ok_or_else(|| {
                format!(
                    "{name} is missing: this is no checkpoint of SVG's velocity network, or its names \
                     have a prefix that is to be taken off first"
                )
            })?;
            let shape = tensor.shape.to_vec();
            match shape.len() == rank {
                true => Ok(shape),
                false => Err(format!(
                    "{name} has the shape {shape:?} where {rank} sizes are expected: the file is of \
                     another network"
                )),
            }
        };
        let matrix = |name: &str| needed(name, 2).map(|shape| [shape[0], shape[1]]);
        let [d_model, in_channels] = matrix("ln1.weight")?;
        let tokens = needed("pos_embed", 3)?[1];
        let side = tokens.isqrt();
        if side * side != tokens {
            return Err(format!(
                "pos_embed has {tokens} tokens, which are no square: give the configuration, since the \
                 file does not tell rows from columns"
            ));
        }
        let [labels, _] = matrix("y_embedder.embedding_table.weight")?;
        let [d_ff, _] = matrix("blocks.0.mlp.fc1.weight")?;
        let [out_channels, _] = matrix("final_layer.linear.weight")?;
        if out_channels != in_channels && out_channels != 2 * in_channels {
            return Err(format!(
                "final_layer.linear.weight has {out_channels} outputs for {in_channels} inputs of \
                 ln1.weight: expected {in_channels}, or {} with a variance",
                2 * in_channels
            ));
        }
        let layer = |i: &usize| find(&format!("blocks.{i}.attn.qkv.weight")).is_some();
        let norm = find("blocks.0.attn.q_norm.weight").map(|tensor| tensor.shape.num_elements());
        Ok(Self {
            in_channels,
            rows: side,
            columns: side,
            n_classes: labels.saturating_sub(1),
            d_model,
            n_layers: (0..).take_while(layer).count(),
            n_heads: heads_of(d_model, norm)?,
            d_ff,
            qk_norm: norm.is_some(),
            learn_sigma: out_channels != in_channels,
        })
    }

    /// Initialises a network for training from scratch, as the published one was: Xavier-uniform weights
    /// and zero biases; normal label vectors and time layers (deviation 0.02); zeros in everything that
    /// modulates and in the last layer, so that every velocity is zero.
    ///
    /// # Panics
    ///
    /// If there can be no such network; [`problem`](Checked::problem) says so beforehand.
    pub fn init(&self, device: &Device) -> Sit {
        Sit::new(self, device)
    }
}

/// `n_heads` and four divide `d_model`, and there is a class.
impl Checked for SitConfig {
    fn problem(&self) -> Option<String> {
        let (rows, columns, d_model) = (self.rows, self.columns, self.d_model);
        let ranges = [
            outside("in_channels", self.in_channels, CHANNELS),
            outside("rows", rows, GRID),
            outside("columns", columns, GRID),
            outside("n_classes", self.n_classes, CLASSES),
            outside("n_layers", self.n_layers, LAYERS),
            outside("d_ff", self.d_ff, CHANNELS),
            heads(self.n_heads, d_model, 1),
        ];
        first(ranges).or_else(|| {
            if !d_model.is_multiple_of(4) {
                return Some(format!(
                    "d_model is {d_model}; positions need a multiple of 4"
                ));
            }
            outside(
                "rows * columns * d_model",
                rows * columns * d_model,
                1..=POSITIONS,
            )
        })
    }
}

/// The number of heads of `d_model` channels, from the channels of their norm if there is one.
pub(crate) fn heads_of(d_model: usize, norm: Option<usize>) -> Result<usize, String> {
    let mut presets = PRESETS.iter().map(|(_, config)| config());
    let known = presets.find(|preset| preset.d_model == d_model);
    match (norm, known) {
        (Some(head_dim), _) if head_dim > 0 && d_model.is_multiple_of(head_dim) => {
            Ok(d_model / head_dim)
        }
        (Some(head_dim), _) => Err(format!(
            "blocks.0.attn.q_norm.weight has {head_dim} channels, which do not divide the {d_model} of \
             ln1.weight: the file is damaged or of another network"
        )),
        (None, Some(preset)) => Ok(preset.n_heads),
        (None, None) if d_model > 0 && d_model.is_multiple_of(HEAD_DIM) => Ok(d_model / HEAD_DIM),
        (None, None) => Err(format!(
            "nothing in the file tells the number of heads of its {d_model} channels: give the \
             configuration"
        )),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::checkpoint_tensors;
    use burn::module::Module;

    /// Two blocks of four heads on a grid that is no square, five classes.
    pub(crate) fn tiny() -> SitConfig {
        SitConfig::new(6, 2, 3, 16, 2, 4, 32).with_n_classes(5)
    }

    #[test]
    fn the_named_sizes_have_the_published_numbers_of_parameters() {
        let device = Device::default();
        for (name, want) in [
            ("s", 33_400_336),
            ("b", 131_382_544),
            ("l", 459_264_784),
            ("xl", 676_437_904),
            ("xxl", 952_705_296),
            ("xxxl", 1_354_579_984),
        ] {
            let config = SitConfig::preset(name).unwrap().with_learn_sigma(true);
            let positions = config.tokens() * config.d_model;
            assert_eq!(config.n_params() + positions, want, "{name}");
            assert_eq!(config.init(&device).num_params(), config.n_params());
        }
        assert!(SitConfig::preset_names().eq(["s", "b", "l", "xl", "xxl", "xxxl"]));
        assert_eq!(SitConfig::preset("xs"), None);
    }

    #[test]
    fn the_formula_counts_what_a_network_has() {
        let device = Device::default();
        for config in [
            tiny(),
            tiny().with_qk_norm(false),
            tiny().with_learn_sigma(true),
        ] {
            assert_eq!(config.init(&device).num_params(), config.n_params());
        }
        let xl = || SitConfig::xl().with_learn_sigma(true);
        let positions = 256 * 1152;
        let without_norm = xl().with_qk_norm(false).n_params();
        assert_eq!(without_norm + positions, 676_429_840);
        assert_eq!(SitConfig::xl().n_params() + positions, 675_985_928);
        let semantic = SitConfig {
            in_channels: 384,
            ..xl()
        };
        assert_eq!(semantic.n_params() + positions, 676_410_240);
    }

    /// Names and shapes of a checkpoint without its numbers.
    fn shapes(config: &SitConfig) -> Vec<StoredTensor> {
        let one_layer = SitConfig {
            n_layers: 1,
            ..config.clone()
        };
        let tensors = checkpoint_tensors(&one_layer.init(&Device::default()));
        let copies = |tensor: StoredTensor| {
            let layers = match tensor.name.starts_with("blocks.") {
                true => config.n_layers,
                false => 1,
            };
            (0..layers).map(move |i| {
                let mut copy = tensor.clone();
                copy.name = copy.name.replacen("blocks.0.", &format!("blocks.{i}."), 1);
                copy
            })
        };
        tensors.into_iter().flat_map(copies).collect()
    }

    #[test]
    fn a_checkpoint_shows_its_sizes() {
        let square = || SitConfig { rows: 3, ..tiny() };
        for config in [
            square(),
            square().with_learn_sigma(true),
            SitConfig::new(20, 16, 16, 96, 3, 4, 384).with_learn_sigma(true),
            SitConfig::new(8, 4, 4, 128, 1, 2, 256).with_qk_norm(false),
            SitConfig::xl().with_learn_sigma(true),
            SitConfig::xl().with_qk_norm(false),
        ] {
            assert_eq!(SitConfig::infer(&shapes(&config)), Ok(config));
        }
    }

    #[test]
    fn what_a_checkpoint_does_not_show_is_said() {
        let error = |config: SitConfig| SitConfig::infer(&shapes(&config)).unwrap_err();
        assert!(
            SitConfig::infer(&[])
                .unwrap_err()
                .contains("ln1.weight is missing")
        );
        assert!(error(tiny()).contains("pos_embed has 6 tokens, which are no square"));
        let narrow = SitConfig { rows: 3, ..tiny() };
        let narrow = error(narrow.with_qk_norm(false));
        assert!(
            narrow.contains("number of heads of its 16 channels: give"),
            "{narrow}"
        );
    }

    #[test]
    fn numbers_that_make_no_network_are_named() {
        assert_eq!(tiny().problem(), None);
        for name in SitConfig::preset_names() {
            assert_eq!(SitConfig::preset(name).unwrap().problem(), None, "{name}");
        }
        let wide = |rows, columns| SitConfig {
            rows,
            columns,
            ..tiny()
        };
        for (config, expected) in [
            (tiny().with_n_classes(0), "n_classes is 0; it must"),
            (
                SitConfig {
                    d_model: usize::MAX - 3,
                    ..tiny()
                },
                "d_model is 18446744073709551612; it must",
            ),
            (
                SitConfig {
                    d_model: 18,
                    n_heads: 2,
                    ..tiny()
                },
                "d_model is 18; positions",
            ),
            (
                SitConfig {
                    n_heads: 0,
                    ..tiny()
                },
                "n_heads is 0; it must lie between 1 and 16",
            ),
            (
                SitConfig {
                    n_heads: 1 << 62,
                    ..tiny()
                },
                "n_heads is 4611686018427387904; it must",
            ),
            (
                SitConfig {
                    n_layers: 1 << 32,
                    ..tiny()
                },
                "n_layers is 4294967296; it must",
            ),
            (SitConfig { d_ff: 0, ..tiny() }, "d_ff is 0; it must"),
            (
                SitConfig {
                    in_channels: 0,
                    ..tiny()
                },
                "in_channels is 0; it must",
            ),
            (wide(0, 1), "rows is 0; it must"),
            (wide(1 << 32, 1 << 32), "rows is 4294967296; it must"),
            (
                wide(4096, 4096),
                "rows * columns * d_model is 268435456; it must",
            ),
        ] {
            let problem = config.problem().unwrap();
            assert!(problem.starts_with(expected), "{problem}");
        }
    }

    #[test]
    #[should_panic(expected = "5 heads do not divide 16 channels")]
    fn heads_must_divide_the_channels() {
        let config = SitConfig {
            n_heads: 5,
            ..tiny()
        };
        config.init(&Device::default());
    }
}
