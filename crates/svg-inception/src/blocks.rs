//! The blocks of Inception v3: branches side by side, concatenated along the channels.

use burn::prelude::*;
use svg_nn::{Taken, pool3x3};

use crate::unit::{Unit, UnitConfig};

/// The pool of three by three in a block's last branch, before a unit.
fn pooled(pool: Taken, x: Tensor<4>, unit: &Unit) -> Tensor<4> {
    let pools = |x| pool3x3(pool, x, 1, 1);
    match pool {
        Taken::Mean | Taken::MeanWithBorder => unit.forward_pooled(x, pools),
        Taken::Largest => unit.forward(pools(x)),
    }
}

/// The largest of three by three pixels at every second row and column.
pub(crate) fn halving_pool(x: Tensor<4>) -> Tensor<4> {
    pool3x3(Taken::Largest, x, 2, 0)
}

fn concatenated<const N: usize>(branches: [Tensor<4>; N]) -> Tensor<4> {
    Tensor::cat(branches.to_vec(), 1)
}

/// Declares a block: units by the names in the checkpoint, with their sizes given `inputs` and `width`.
macro_rules! block {
    (
        $(#[$doc:meta])*
        $name:ident($inputs:ident, $width:ident) { $($unit:ident: $config:expr,)* }
    ) => {
        $(#[$doc])*
        #[derive(Module, Debug)]
        #[allow(missing_docs)]
        pub struct $name {
            $(pub $unit: Unit,)*
            /// The pool, in blocks that keep the size.
            #[module(skip)]
            pub pool: Taken,
        }

        impl $name {
            pub(crate) fn init($inputs: usize, $width: usize, pool: Taken, device: &Device) -> Self {
                Self { $($unit: $config.init(device),)* pool }
            }

            pub(crate) fn units(&mut self) -> Vec<(&'static str, &mut Unit)> {
                vec![$((stringify!($unit), &mut self.$unit),)*]
            }
        }
    };
}

fn unit(inputs: usize, outputs: usize, filter: [usize; 2]) -> UnitConfig {
    UnitConfig::new(inputs, outputs, filter)
}

block! {
    /// Block A, 35 x 35: `Mixed_5b`, `5c`, `5d`. `width` is that of the pool's branch.
    BlockA(inputs, width) {
        branch1x1: unit(inputs, 64, [1, 1]),
        branch5x5_1: unit(inputs, 48, [1, 1]),
        branch5x5_2: unit(48, 64, [5, 5]),
        branch3x3dbl_1: unit(inputs, 64, [1, 1]),
        branch3x3dbl_2: unit(64, 96, [3, 3]),
        branch3x3dbl_3: unit(96, 96, [3, 3]),
        branch_pool: unit(inputs, width, [1, 1]),
    }
}

block! {
    /// Block B, 35 x 35 to 17 x 17: `Mixed_6a`. `width` is that of the first unit of the double branch.
    BlockB(inputs, width) {
        branch3x3: unit(inputs, 384, [3, 3]).halving(),
        branch3x3dbl_1: unit(inputs, width, [1, 1]),
        branch3x3dbl_2: unit(width, 96, [3, 3]),
        branch3x3dbl_3: unit(96, 96, [3, 3]).halving(),
    }
}

block! {
    /// Block C, 17 x 17: `Mixed_6b` to `6e`. `width` is that of the filters of seven.
    BlockC(inputs, width) {
        branch1x1: unit(inputs, 192, [1, 1]),
        branch7x7_1: unit(inputs, width, [1, 1]),
        branch7x7_2: unit(width, width, [1, 7]),
        branch7x7_3: unit(width, 192, [7, 1]),
        branch7x7dbl_1: unit(inputs, width, [1, 1]),
        branch7x7dbl_2: unit(width, width, [7, 1]),
        branch7x7dbl_3: unit(width, width, [1, 7]),
        branch7x7dbl_4: unit(width, width, [7, 1]),
        branch7x7dbl_5: unit(width, 192, [1, 7]),
        branch_pool: unit(inputs, 192, [1, 1]),
    }
}

block! {
    /// Block D, 17 x 17 to 8 x 8: `Mixed_7a`.
    BlockD(inputs, width) {
        branch3x3_1: unit(inputs, width, [1, 1]),
        branch3x3_2: unit(width, 320, [3, 3]).halving(),
        branch7x7x3_1: unit(inputs, width, [1, 1]),
        branch7x7x3_2: unit(width, width, [1, 7]),
        branch7x7x3_3: unit(width, width, [7, 1]),
        branch7x7x3_4: unit(width, width, [3, 3]).halving(),
    }
}

block! {
    /// Block E, 8 x 8: `Mixed_7b`, `7c`.
    BlockE(inputs, width) {
        branch1x1: unit(inputs, 320, [1, 1]),
        branch3x3_1: unit(inputs, width, [1, 1]),
        branch3x3_2a: unit(width, width, [1, 3]),
        branch3x3_2b: unit(width, width, [3, 1]),
        branch3x3dbl_1: unit(inputs, 448, [1, 1]),
        branch3x3dbl_2: unit(448, width, [3, 3]),
        branch3x3dbl_3a: unit(width, width, [1, 3]),
        branch3x3dbl_3b: unit(width, width, [3, 1]),
        branch_pool: unit(inputs, 192, [1, 1]),
    }
}

impl BlockA {
    /// # Shapes
    ///
    /// - x: `[batch, inputs, height, width]`
    /// - output: `[batch, 224 + pool, height, width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let one = self.branch1x1.forward(x.clone());
        let five = self.branch5x5_1.forward(x.clone());
        let five = self.branch5x5_2.forward(five);
        let double = self.branch3x3dbl_1.forward(x.clone());
        let double = self.branch3x3dbl_2.forward(double);
        let double = self.branch3x3dbl_3.forward(double);
        let pooled = pooled(self.pool, x, &self.branch_pool);
        concatenated([one, five, double, pooled])
    }
}

impl BlockB {
    /// # Shapes
    ///
    /// - x: `[batch, inputs, height, width]`
    /// - output: `[batch, 480 + inputs, (height - 1) / 2, (width - 1) / 2]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let three = self.branch3x3.forward(x.clone());
        let double = self.branch3x3dbl_1.forward(x.clone());
        let double = self.branch3x3dbl_2.forward(double);
        let double = self.branch3x3dbl_3.forward(double);
        concatenated([three, double, halving_pool(x)])
    }
}

impl BlockC {
    /// # Shapes
    ///
    /// - x: `[batch, inputs, height, width]`
    /// - output: `[batch, 768, height, width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let one = self.branch1x1.forward(x.clone());
        let seven = self.branch7x7_1.forward(x.clone());
        let seven = self.branch7x7_2.forward(seven);
        let seven = self.branch7x7_3.forward(seven);
        let double = self.branch7x7dbl_1.forward(x.clone());
        let double = self.branch7x7dbl_2.forward(double);
        let double = self.branch7x7dbl_3.forward(double);
        let double = self.branch7x7dbl_4.forward(double);
        let double = self.branch7x7dbl_5.forward(double);
        let pooled = pooled(self.pool, x, &self.branch_pool);
        concatenated([one, seven, double, pooled])
    }
}

impl BlockD {
    /// # Shapes
    ///
    /// - x: `[batch, inputs, height, width]`
    /// - output: `[batch, 512 + inputs, (height - 1) / 2, (width - 1) / 2]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let three = self.branch3x3_1.forward(x.clone());
        let three = self.branch3x3_2.forward(three);
        let seven = self.branch7x7x3_1.forward(x.clone());
        let seven = self.branch7x7x3_2.forward(seven);
        let seven = self.branch7x7x3_3.forward(seven);
        let seven = self.branch7x7x3_4.forward(seven);
        concatenated([three, seven, halving_pool(x)])
    }
}

impl BlockE {
    /// # Shapes
    ///
    /// - x: `[batch, inputs, height, width]`
    /// - output: `[batch, 2048, height, width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let one = self.branch1x1.forward(x.clone());
        let three = self.branch3x3_1.forward(x.clone());
        let three = [&self.branch3x3_2a, &self.branch3x3_2b].map(|u| u.forward(three.clone()));
        let double = self.branch3x3dbl_1.forward(x.clone());
        let double = self.branch3x3dbl_2.forward(double);
        let double =
            [&self.branch3x3dbl_3a, &self.branch3x3dbl_3b].map(|u| u.forward(double.clone()));
        let pooled = pooled(self.pool, x, &self.branch_pool);
        let ([a, b], [c, d]) = (three, double);
        concatenated([one, a, b, c, d, pooled])
    }
}
