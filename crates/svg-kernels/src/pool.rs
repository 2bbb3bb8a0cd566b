//! Pools of three by three pixels.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::ModuleOps;
use burn::prelude::*;
use burn::tensor::IntDType;
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};

use crate::array::{array, contiguous, dims, numbers};
use crate::kernel::pool;
pub use crate::kernel::pool::Taken;
use crate::operation::{Operation, on_host, run};

/// A pool of squares of three by three pixels.
///
/// On Burn's CPU backend in f32 it takes rows before columns, in vectors, and its gradients are Burn's; elsewhere it
/// is Burn's `max_pool2d` and `avg_pool2d`.
///
/// # Shapes
///
/// - x: `[batch, channels, height, width]`
/// - padding: 0 or 1, on each side
/// - output: `[batch, channels, (height + 2 padding - 3) / stride + 1, ...]`
///
/// # Panics
///
/// If the stride is 0, the padding is more than 1, or a side with its border is below 3.
pub fn pool3x3(taken: Taken, x: Tensor<4>, stride: usize, padding: usize) -> Tensor<4> {
    let [.., height, width] = x.dims();
    assert!(
        stride > 0 && padding < 2 && height.min(width) + 2 * padding > 2,
        "no pool of three by three pixels with stride {stride} and a border of {padding} in {height} by {width}"
    );
    if on_host(&x) {
        let pool = Pool {
            taken,
            stride,
            padding,
        };
        return run(pool, [x.into_dispatch()]);
    }
    let (strides, border) = ([stride; 2], [padding; 2]);
    match taken {
        Taken::Largest => {
            let options = MaxPoolOptions::new([3, 3]).with_stride(strides);
            max_pool2d(x, options.with_padding(border))
        }
        Taken::Mean | Taken::MeanWithBorder => {
            let options = AvgPoolOptions::new([3, 3]).with_stride(strides);
            let options = options.with_padding(border);
            avg_pool2d(
                x,
                options.with_count_include_pad(taken == Taken::MeanWithBorder),
            )
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Pool {
    taken: Taken,
    stride: usize,
    padding: usize,
}

impl Operation<1> for Pool {
    fn forward(&self, [x]: [FlexTensor; 1]) -> FlexTensor {
        let x = contiguous(x);
        let [batch, channels, height, width] = dims(&x);
        let sides = [height, width];
        let y = pool::pool(self.taken, numbers(&x), sides, self.stride, self.padding);
        let [rows, columns] = sides.map(|side| pool::side(side, self.stride, self.padding));
        array(y, [batch, channels, rows, columns])
    }

    fn backward(
        &self,
        [x]: [FlexTensor; 1],
        dy: FlexTensor,
        _: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        let (side, stride, padding) = ([3; 2], [self.stride; 2], [self.padding; 2]);
        let dx = match self.taken {
            Taken::Largest => {
                let seen = Flex::max_pool2d_with_indices(
                    x.clone(),
                    side,
                    stride,
                    padding,
                    [1; 2],
                    false,
                    IntDType::I64,
                );
                let dx = Flex::max_pool2d_with_indices_backward(
                    x,
                    side,
                    stride,
                    padding,
                    [1; 2],
                    false,
                    dy,
                    seen.indices,
                );
                dx.x_grad
            }
            Taken::Mean | Taken::MeanWithBorder => {
                let counted = self.taken == Taken::MeanWithBorder;
                Flex::avg_pool2d_backward(x, dy, side, stride, padding, counted, false)
            }
        };
        [Some(dx)]
    }
}
