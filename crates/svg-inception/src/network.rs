//! The network.

use burn::module::{Initializer, Param};
use burn::prelude::*;
use svg_nn::{Names, StoredTensor, Taken, matmul};

use crate::blocks::{BlockA, BlockB, BlockC, BlockD, BlockE, halving_pool};
use crate::unit::{Unit, UnitConfig};

/// Which Inception v3 a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// That of TensorFlow's graph of 2015-12-05, which FID, sFID and the Inception Score are defined on: 1008
    /// classes, mean pools that do not count the border, a max pool in the last block.
    Fid,
    /// torchvision's `inception_v3`: 1000 classes, mean pools that count the border, also in the last block. Its
    /// distances are not FID.
    Torchvision,
}

impl Kind {
    /// Number of classes.
    pub fn classes(self) -> usize {
        match self {
            Self::Fid => 1008,
            Self::Torchvision => 1000,
        }
    }

    /// The pools of blocks A, C and the first E, and of the last block.
    fn pools(self) -> [Taken; 2] {
        match self {
            Self::Fid => [Taken::Mean, Taken::Largest],
            Self::Torchvision => [Taken::MeanWithBorder; 2],
        }
    }
}

/// Blocks of one kind are a list: 94 layers by value would fill the stack of a thread whose code is not optimised.
pub(crate) const NAMES: Names = Names(&[
    ("stem.0.", "Conv2d_1a_3x3."),
    ("stem.1.", "Conv2d_2a_3x3."),
    ("stem.2.", "Conv2d_2b_3x3."),
    ("stem.3.", "Conv2d_3b_1x1."),
    ("stem.4.", "Conv2d_4a_3x3."),
    ("blocks_a.0.", "Mixed_5b."),
    ("blocks_a.1.", "Mixed_5c."),
    ("blocks_a.2.", "Mixed_5d."),
    ("block_b.", "Mixed_6a."),
    ("blocks_c.0.", "Mixed_6b."),
    ("blocks_c.1.", "Mixed_6c."),
    ("blocks_c.2.", "Mixed_6d."),
    ("blocks_c.3.", "Mixed_6e."),
    ("block_d.", "Mixed_7a."),
    ("blocks_e.0.", "Mixed_7b."),
    ("blocks_e.1.", "Mixed_7c."),
]);

/// The linear layer, in PyTorch's layout.
#[derive(Module, Debug)]
pub struct Classifier {
    /// `[classes, 2048]`
    pub weight: Param<Tensor<2>>,
    /// `[classes]`
    pub bias: Param<Tensor<1>>,
}

/// Inception v3 (Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2015).
#[derive(Module, Debug)]
pub struct InceptionV3 {
    /// `Conv2d_1a_3x3`, `2a`, `2b`, `3b_1x1` and `4a`.
    pub stem: Vec<Unit>,
    /// `Mixed_5b`, `5c` and `5d`.
    pub blocks_a: Vec<BlockA>,
    /// `Mixed_6a`.
    pub block_b: BlockB,
    /// `Mixed_6b` to `6e`.
    pub blocks_c: Vec<BlockC>,
    /// `Mixed_7a`.
    pub block_d: BlockD,
    /// `Mixed_7b` and `7c`.
    pub blocks_e: Vec<BlockE>,
    /// The last layer.
    pub fc: Classifier,
}

/// What one pass computes.
#[derive(Clone, Debug)]
pub struct InceptionOutput {
    /// Mean of the last block over the image: the features of FID and KID, `[batch, 2048]`.
    pub pool3: Tensor<2>,
    /// The features of sFID: the first 7 channels of the `branch1x1` of `Mixed_6d`, by rows, columns and channels,
    /// `[batch, 2023]`.
    pub spatial: Tensor<2>,
    /// `pool3` times the weight of the last layer: the logits of the Inception Score, `[batch, classes]`.
    pub logits_without_bias: Tensor<2>,
    /// The same with the bias, `[batch, classes]`.
    pub logits: Tensor<2>,
}

/// Channels of `Mixed_6d` that sFID takes.
const SPATIAL: usize = 7;

impl InceptionV3 {
    /// Side of the images.
    pub const SIDE: usize = 299;

    /// A network of zeros, which sees nothing; [`Inception::open`](crate::Inception::open) reads trained ones.
    pub fn init(kind: Kind, device: &Device) -> Self {
        let unit = |inputs, outputs, side| UnitConfig::new(inputs, outputs, [side; 2]);
        let [mean, last] = kind.pools();
        let a = |(inputs, width)| BlockA::init(inputs, width, mean, device);
        let c = |width| BlockC::init(768, width, mean, device);
        let classes = kind.classes();
        let stem = [
            unit(3, 32, 3).halving(),
            unit(32, 32, 3).valid(),
            unit(32, 64, 3),
            unit(64, 80, 1),
            unit(80, 192, 3).valid(),
        ];
        Self {
            stem: stem.map(|unit| unit.init(device)).into(),
            blocks_a: [(192, 32), (256, 64), (288, 64)].map(a).into(),
            block_b: BlockB::init(288, 64, Taken::Largest, device),
            blocks_c: [128, 160, 160, 192].map(c).into(),
            block_d: BlockD::init(768, 192, Taken::Largest, device),
            blocks_e: vec![
                BlockE::init(1280, 384, mean, device),
                BlockE::init(2048, 384, last, device),
            ],
            fc: Classifier {
                weight: Initializer::Zeros.init([classes, 2048], device),
                bias: Initializer::Zeros.init([classes], device),
            },
        }
    }

    /// # Shapes
    ///
    /// - x: `[batch, 3, 299, 299]`, scaled as the weights expect it
    ///
    /// # Panics
    ///
    /// If the images have another size.
    pub fn forward(&self, x: Tensor<4>) -> InceptionOutput {
        self.forward_seen(x, &mut |_, _| {})
    }

    /// [`forward`](Self::forward), which shows `see` the output of each block with its name in the file.
    pub fn forward_seen(
        &self,
        x: Tensor<4>,
        see: &mut dyn FnMut(&str, &Tensor<4>),
    ) -> InceptionOutput {
        let [batch, ..] = x.dims();
        let side = Self::SIDE;
        assert_shape!(x, [batch, 3, side, side]);
        let mut seen = |name: &str, x: Tensor<4>| {
            see(name, &x);
            x
        };
        let mut x = x;
        for (k, unit) in self.stem.iter().enumerate() {
            x = unit.forward(x);
            if k == 2 || k == 4 {
                x = halving_pool(x); // [batch, 64, 73, 73], [batch, 192, 35, 35]
            }
        }
        for (block, name) in self
            .blocks_a
            .iter()
            .zip(["Mixed_5b", "Mixed_5c", "Mixed_5d"])
        {
            x = seen(name, block.forward(x)); // [batch, 256 or 288, 35, 35]
        }
        x = seen("Mixed_6a", self.block_b.forward(x)); // [batch, 768, 17, 17]
        let mut spatial = x.clone();
        let names = ["Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"];
        for (block, name) in self.blocks_c.iter().zip(names) {
            x = seen(name, block.forward(x)); // [batch, 768, 17, 17]
            if name == "Mixed_6d" {
                spatial = x.clone().narrow(1, 0, SPATIAL).permute([0, 2, 3, 1]);
            }
        }
        x = seen("Mixed_7a", self.block_d.forward(x)); // [batch, 1280, 8, 8]
        for (block, name) in self.blocks_e.iter().zip(["Mixed_7b", "Mixed_7c"]) {
            x = seen(name, block.forward(x)); // [batch, 2048, 8, 8]
        }
        let pool3 = x.mean_dims(&[2, 3]).reshape([batch, 2048]);
        let logits = matmul(pool3.clone(), self.fc.weight.val().transpose());
        InceptionOutput {
            pool3,
            spatial: spatial.reshape([batch, 17 * 17 * SPATIAL]),
            logits: logits.clone() + self.fc.bias.val().unsqueeze(),
            logits_without_bias: logits,
        }
    }

    /// Parameters and statistics with the names and in the layout of PyTorch's files, sorted by name. After folding
    /// they are no such file any more.
    pub fn tensors(&self) -> Vec<StoredTensor> {
        NAMES.tensors(self)
    }

    /// All units with their names in the file.
    pub(crate) fn units(&mut self) -> Vec<(String, &mut Unit)> {
        let mut blocks = vec![("block_b".to_string(), self.block_b.units())];
        blocks.push(("block_d".to_string(), self.block_d.units()));
        for (k, block) in self.blocks_a.iter_mut().enumerate() {
            blocks.push((format!("blocks_a.{k}"), block.units()));
        }
        for (k, block) in self.blocks_c.iter_mut().enumerate() {
            blocks.push((format!("blocks_c.{k}"), block.units()));
        }
        for (k, block) in self.blocks_e.iter_mut().enumerate() {
            blocks.push((format!("blocks_e.{k}"), block.units()));
        }
        let stem = self.stem.iter_mut().enumerate();
        let mut units: Vec<_> = stem.map(|(k, unit)| (format!("stem.{k}."), unit)).collect();
        for (place, of_block) in blocks {
            let of_block = of_block.into_iter();
            units.extend(of_block.map(|(name, unit)| (format!("{place}.{name}."), unit)));
        }
        for (name, _) in &mut units {
            *name = NAMES.in_file(name).trim_end_matches('.').to_string();
        }
        units
    }
}
