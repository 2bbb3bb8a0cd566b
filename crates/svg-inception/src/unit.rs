//! The one layer of the network: convolution, batch norm, ReLU.

use burn::module::{Initializer, Param};
use burn::prelude::*;
use burn::tensor::TensorData;
use burn::tensor::activation::relu;
use svg_nn::window_conv;

/// Filters without a bias, as the file has them.
#[derive(Module, Debug)]
pub struct Filters {
    /// `[out, in, rows, columns]`
    pub weight: Param<Tensor<4>>,
}

/// Batch norm with running statistics: `weight (x - running_mean) / sqrt(running_var + 1e-3) + bias`.
///
/// Burn's layer would take the statistics of the batch on an autodiff device.
#[derive(Module, Debug)]
pub struct Statistics {
    /// `[out]`
    pub weight: Param<Tensor<1>>,
    /// `[out]`
    pub bias: Param<Tensor<1>>,
    /// `[out]`
    pub running_mean: Param<Tensor<1>>,
    /// `[out]`, positive
    pub running_var: Param<Tensor<1>>,
}

/// The smallest variance, of TensorFlow's graph and of torchvision.
const EPSILON: f64 = 1e-3;

/// `relu(bn(conv(x)))`, with the norm folded into the filters or as it was loaded.
#[derive(Module, Debug)]
pub struct Unit {
    /// The convolution.
    pub conv: Filters,
    /// The norm; none after folding.
    pub bn: Option<Statistics>,
    /// What folding leaves of the norm beside the weights, `[out]`.
    folded: Option<Param<Tensor<1>>>,
    #[module(skip)]
    stride: usize,
    #[module(skip)]
    padding: [usize; 2],
}

/// Sizes of a [`Unit`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnitConfig {
    channels: [usize; 2],
    filter: [usize; 2],
    stride: usize,
    padding: [usize; 2],
}

impl UnitConfig {
    /// Filters that keep the size of an image.
    pub fn new(inputs: usize, outputs: usize, filter: [usize; 2]) -> Self {
        Self {
            channels: [inputs, outputs],
            filter,
            stride: 1,
            padding: filter.map(|side| side / 2),
        }
    }

    /// Without a border of zeros.
    pub fn valid(self) -> Self {
        Self {
            padding: [0, 0],
            ..self
        }
    }

    /// Every second row and column, without a border.
    pub fn halving(self) -> Self {
        Self {
            stride: 2,
            ..self.valid()
        }
    }

    /// Filters of zeros, and a norm that changes next to nothing.
    pub fn init(self, device: &Device) -> Unit {
        let ([inputs, outputs], [rows, columns]) = (self.channels, self.filter);
        let zeros = || Initializer::Zeros.init([outputs], device);
        let ones = || Initializer::Ones.init([outputs], device);
        Unit {
            conv: Filters {
                weight: Initializer::Zeros.init([outputs, inputs, rows, columns], device),
            },
            bn: Some(Statistics {
                weight: ones(),
                bias: zeros(),
                running_mean: zeros(),
                running_var: ones(),
            }),
            folded: None,
            stride: self.stride,
            padding: self.padding,
        }
    }
}

impl Unit {
    /// # Shapes
    ///
    /// - x: `[batch, in, height, width]`
    /// - output: `[batch, out, rows, columns]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let (weight, stride) = (self.conv.weight.val(), [self.stride; 2]);
        let Some(bn) = &self.bn else {
            let bias = self.folded.as_ref().map(Param::val);
            return window_conv(x, weight, bias, stride, self.padding, true);
        };
        let y = window_conv(x, weight, None, stride, self.padding, false);
        let across = |values: &Param<Tensor<1>>| values.val().reshape([1, -1, 1, 1]);
        let deviation = (across(&bn.running_var) + EPSILON).sqrt();
        let normed = (y - across(&bn.running_mean)) / deviation;
        relu(normed * across(&bn.weight) + across(&bn.bias))
    }

    /// [`forward`](Self::forward) of a pool, which must be a mean of pixels whose weights do not depend on the channel:
    /// after folding it is computed from the fewer channels of the output, since both are linear.
    pub fn forward_pooled(&self, x: Tensor<4>, pool: impl Fn(Tensor<4>) -> Tensor<4>) -> Tensor<4> {
        let Some(bias) = &self.folded else {
            return self.forward(pool(x));
        };
        let weight = self.conv.weight.val();
        let y = window_conv(x, weight, None, [self.stride; 2], self.padding, false);
        relu(pool(y) + bias.val().reshape([1, -1, 1, 1]))
    }

    /// Puts the norm into the filters, computed in f64. What is wrong with a variance, if anything is.
    pub(crate) fn fold(&mut self) -> Result<(), String> {
        let Some(bn) = self.bn.take() else {
            return Ok(());
        };
        let numbers = |values: &Param<Tensor<1>>| values.val().into_data().iter::<f64>().collect();
        let [weight, bias, mean, variance]: [Vec<f64>; 4] =
            [&bn.weight, &bn.bias, &bn.running_mean, &bn.running_var].map(numbers);
        if let Some(variance) = variance.iter().find(|v| **v < 0.0) {
            self.bn = Some(bn);
            return Err(format!("bn.running_var: a variance of {variance:e}"));
        }
        let deviations = variance.iter().map(|variance| (variance + EPSILON).sqrt());
        let factors: Vec<f64> = weight.iter().zip(deviations).map(|(w, d)| w / d).collect();
        let shifts = bias.iter().zip(&mean).zip(&factors);
        let shifts: Vec<f32> = shifts.map(|((b, m), f)| (b - m * f) as f32).collect();
        let filters = self.conv.weight.val();
        let (device, shape) = (filters.device(), filters.dims());
        let size = shape[1] * shape[2] * shape[3];
        let data = filters.into_data();
        let scaled = data.iter::<f64>().enumerate();
        let scaled: Vec<f32> = scaled
            .map(|(k, w)| (w * factors[k / size]) as f32)
            .collect();
        let of_data = |values, shape: &[usize]| TensorData::new(values, shape.to_vec());
        let filters = Tensor::from_data(of_data(scaled, &shape), &device);
        self.conv.weight = Param::from_tensor(filters);
        let count = shifts.len();
        let shifts = Tensor::from_data(of_data(shifts, &[count]), &device);
        self.folded = Some(Param::from_tensor(shifts));
        Ok(())
    }
}
