//! Rows of stored tensors in another order, apart or one above the other.

use burn::store::bridge;
use burn::tensor::{DType, Shape, TensorData};
use svg_nn::StoredTensor;

/// The same numbers in another order: number `i` is number `from(i)` of the tensor. In f32.
pub(crate) fn permuted(
    tensor: StoredTensor,
    name: String,
    shape: Vec<usize>,
    from: impl Fn(usize) -> usize + Send + Sync + 'static,
) -> StoredTensor {
    let shape = Shape::from(shape);
    let after = shape.clone();
    bridge::map_data(tensor, name, DType::F32, shape, move |data| {
        let data = data.convert::<f32>();
        let numbers: &[f32] = data.as_slice().expect("it was converted to f32");
        let moved = (0..numbers.len()).map(|i| numbers[from(i)]).collect();
        TensorData::new::<f32, _>(moved, after.clone())
    })
}

/// Part `index` of `of` equal parts of the rows. In f32.
///
/// # Panics
///
/// If `of` does not divide the rows.
pub(crate) fn part(tensor: &StoredTensor, name: String, index: usize, of: usize) -> StoredTensor {
    let mut shape = tensor.shape.to_vec();
    assert!(
        shape.first().is_some_and(|rows| rows.is_multiple_of(of)),
        "{name} has no {of} equal parts: its shape is {shape:?}"
    );
    shape[0] /= of;
    let count: usize = shape.iter().product();
    let shape = Shape::from(shape);
    let after = shape.clone();
    bridge::map_data(tensor.clone(), name, DType::F32, shape, move |data| {
        let data = data.convert::<f32>();
        let numbers: &[f32] = data.as_slice().expect("it was converted to f32");
        let part = numbers[index * count..(index + 1) * count].to_vec();
        TensorData::new::<f32, _>(part, after.clone())
    })
}

/// The rows of tensors of the same width, one above the other. In f32.
///
/// # Panics
///
/// If there are no tensors or one has no rows.
pub(crate) fn stacked(parts: &[&StoredTensor], name: String) -> StoredTensor {
    let mut shape = parts[0].shape.to_vec();
    shape[0] = parts.iter().map(|part| part.shape.to_vec()[0]).sum();
    let shape = Shape::from(shape);
    let after = shape.clone();
    let parts: Vec<StoredTensor> = parts.iter().map(|part| (*part).clone()).collect();
    bridge::deferred(name, DType::F32, shape, None, move || {
        let mut numbers = vec![];
        for part in &parts {
            numbers.extend(bridge::to_data(part)?.convert::<f32>().iter::<f32>());
        }
        Ok(TensorData::new::<f32, _>(numbers, after.clone()))
    })
}
