//! Products in f32 on cards whose tensor cores round to TF32.
//!
//! NVIDIA's tensor cores take operands of 10 bits behind the point (TF32), and Burn moves products of f32 to them
//! wherever a card has them, so that results are off by 1e-3. Here each operand is split in two, `x = high + low`, of
//! which `high` has 7 bits and `low` the 16 behind them, of which TF32 keeps 10. Then `x w` is
//! `high high' + low high' + high low'` up to 1e-6 (as in Ootomo and Yokota, arXiv 2203.03341), summed in f32 by one
//! product of three times the inner size.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::prelude::*;
use burn::tensor::DType;

static TF32: AtomicBool = AtomicBool::new(false);

/// Whether products of f32 may be rounded to TF32 where a card has tensor cores: as fast as it can, off by 1e-3. Until
/// somebody allows it they are f32, to a few units in the sixth digit; on a graph gradients of products are rounded to
/// TF32 in either case. It is a setting of the whole process, as PyTorch's `allow_tf32`.
///
/// Devices without TF32, the CPU among them, always compute in f32.
pub fn allow_tf32(allowed: bool) {
    TF32.store(allowed, Ordering::Relaxed);
}

/// Whether a device has TF32 and Burn uses it.
pub fn has_tf32(device: &Device) -> bool {
    // Names of devices, as the backends that are not compiled in have no variants.
    format!("{device:?}").contains("Cuda")
}

/// Whether the products of a tensor have to be split to be f32.
pub(crate) fn is_split<const D: usize>(x: &Tensor<D>) -> bool {
    x.dtype() == DType::F32 && !TF32.load(Ordering::Relaxed) && has_tf32(&x.device())
}

/// `a b`, in f32 on every device ([`allow_tf32`] aside).
///
/// # Shapes
///
/// - a: `[.., rows, inner]`
/// - b: `[.., inner, columns]`
/// - output: `[.., rows, columns]`
pub fn matmul<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    match is_split(&a) {
        true => matmul_of_parts(a, b),
        false => a.matmul(b),
    }
}

pub(crate) fn matmul_of_parts<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    left(a, D - 1).matmul(right(b, D - 2))
}

/// The parts of an operand, one after the other along its inner axis, that [`right`] pairs.
pub(crate) fn left<const D: usize>(x: Tensor<D>, inner: usize) -> Tensor<D> {
    let [high, low] = parts(x);
    Tensor::cat(vec![high.clone(), low, high], inner)
}

/// The parts of the other operand.
pub(crate) fn right<const D: usize>(x: Tensor<D>, inner: usize) -> Tensor<D> {
    let [high, low] = parts(x);
    Tensor::cat(vec![high.clone(), high, low], inner)
}

/// `x = high + low`. The first has the eight leading bits of each number, which every type of tensor cores keeps.
fn parts<const D: usize>(x: Tensor<D>) -> [Tensor<D>; 2] {
    let high = x.clone().cast(DType::BF16).cast(DType::F32);
    [high.clone(), x - high]
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    /// What a tensor core makes of an operand: ten bits behind the point, the rest cut off.
    fn rounded<const D: usize>(x: Tensor<D>) -> Tensor<D> {
        let (device, data) = (x.device(), x.into_data());
        let shape = data.shape().clone();
        let cut = |value: f32| f32::from_bits(value.to_bits() & !0x1fff);
        let values: Vec<f32> = data.iter::<f32>().map(cut).collect();
        Tensor::from_data(TensorData::new(values, shape), &device)
    }

    /// Numbers between -1 and 1 without a pattern that a product could follow.
    fn numbers<const D: usize>(shape: [usize; D], start: f64) -> Tensor<D> {
        let count = shape.iter().product::<usize>();
        let number = |i| ((start + 12.9898 * i as f64).sin() * 43_758.545_3).rem_euclid(2.0) - 1.0;
        let numbers: Vec<f32> = (0..count).map(|i| number(i) as f32).collect();
        Tensor::from_data(TensorData::new(numbers, shape), &Device::flex())
    }

    /// The largest error of a product, as a share of the largest number, against f64.
    fn error(product: Tensor<2>, a: &Tensor<2>, b: &Tensor<2>) -> f64 {
        let wide = |x: &Tensor<2>| x.clone().into_data().iter::<f64>().collect::<Vec<f64>>();
        let ([rows, inner], [_, columns]) = (a.dims(), b.dims());
        let (a, b, found) = (wide(a), wide(b), wide(&product));
        let (mut worst, mut largest) = (0.0f64, 0.0f64);
        for row in 0..rows {
            for column in 0..columns {
                let terms = (0..inner).map(|k| a[row * inner + k] * b[k * columns + column]);
                let want: f64 = terms.sum();
                worst = worst.max((found[row * columns + column] - want).abs());
                largest = largest.max(want.abs());
            }
        }
        worst / largest
    }

    #[test]
    fn a_product_of_parts_is_f32_where_operands_are_rounded_to_tf32() {
        let (a, b) = (numbers([24, 384], 0.1), numbers([384, 40], 0.7));
        let plain = error(rounded(a.clone()).matmul(rounded(b.clone())), &a, &b);
        let (left, right) = (left(a.clone(), 1), right(b.clone(), 0));
        let split = error(rounded(left).matmul(rounded(right)), &a, &b);
        let exact = error(a.clone().matmul(b.clone()), &a, &b);
        // Sums of 384 terms in f32 are off by about 6e-7 themselves.
        assert!(plain > 1e-4, "TF32 is off by {plain:e}");
        assert!(exact < 1.5e-6, "f32 is off by {exact:e}");
        assert!(split < 3e-6, "parts are off by {split:e}");
    }

    #[test]
    fn parts_add_up_to_the_number_and_the_first_is_what_tensor_cores_keep() {
        let device = Device::flex();
        let x = Tensor::<1>::from_floats([1.0, -0.1, 3.123_456_7, 1e-20, 6.5e4, 0.0], &device);
        let [high, low] = parts(x.clone());
        (high.clone() + low.clone())
            .into_data()
            .assert_eq(&x.into_data(), true);
        rounded(high.clone())
            .into_data()
            .assert_eq(&high.clone().into_data(), true);
        let share = low.abs() / high.abs().add_scalar(1e-30);
        assert!(share.max().into_scalar::<f32>() <= 1.0 / 256.0);
    }

    /// Gradients go through both parts.
    #[test]
    fn the_gradient_of_a_product_of_parts_is_that_of_the_product() {
        let device = Device::flex().autodiff();
        let leaf = |numbers: Tensor<3>| {
            Tensor::<3>::from_data(numbers.into_data(), &device).require_grad()
        };
        let a = leaf(numbers([2, 5, 16], 0.2));
        let b = leaf(numbers([2, 16, 7], 0.4));
        let gradients = |product: fn(Tensor<3>, Tensor<3>) -> Tensor<3>| {
            let weights = Tensor::<1>::from_floats([1.0, -2.0, 3.0, 0.5, 0.25, -1.0, 2.0], &device);
            let sum = (product(a.clone(), b.clone()) * weights.reshape([1, 1, 7])).sum();
            let found = sum.backward();
            [a.grad(&found).unwrap(), b.grad(&found).unwrap()].map(Tensor::into_data)
        };
        let want = gradients(|a, b| a.matmul(b));
        let found = gradients(matmul_of_parts);
        for (found, want) in found.iter().zip(&want) {
            found.assert_approx_eq::<f32>(want, burn::tensor::Tolerance::absolute(1e-4));
        }
    }

    #[test]
    fn the_cpu_has_no_tf32() {
        let device = Device::flex();
        assert!(!has_tf32(&device) && !has_tf32(&device.clone().autodiff()));
        assert!(!is_split(&Tensor::<1>::zeros([1], &device)));
    }
}
