//! Cutting and stacking stored tensors along their first axis, without reading them.
//!
//! Rows are contiguous bytes in every format, so a third of a fused projection is a range and three
//! projections are a concatenation, whatever the number type.

use std::ops::Range;

use burn::store::burn_pack::{Bytes, Error};

use crate::StoredTensor;

/// The third number `third` (0, 1, 2) of a fused tensor.
///
/// # Panics
///
/// If the number of rows is no multiple of three.
pub fn third(fused: &StoredTensor, name: String, third: usize) -> StoredTensor {
    let rows = fused.shape[0];
    assert!(rows.is_multiple_of(3), "{} has no thirds", fused.name);
    cut(fused, name, third * rows / 3..(third + 1) * rows / 3)
}

/// Some rows of a tensor.
///
/// # Panics
///
/// If the tensor has no such rows.
pub fn cut(whole: &StoredTensor, name: String, rows: Range<usize>) -> StoredTensor {
    let mut shape = whole.shape.to_vec();
    let (count, all) = (rows.len(), shape[0]);
    assert!(rows.end <= all, "{} has no rows {rows:?}", whole.name);
    shape[0] = count;
    let row = whole.byte_len() / all.max(1);
    let range = rows.start * row..rows.end * row;
    let whole = whole.clone();
    StoredTensor::deferred(name, whole.dtype, shape, None, range.len(), move || {
        let bytes = whole.to_bytes()?;
        let short = || format!("{} is shorter than its shape", whole.name);
        let cut = bytes.get(range.clone());
        let cut = cut.ok_or_else(|| Error::TensorBytesSizeMismatch(short()))?;
        Ok(Bytes::from_bytes_vec(cut.to_vec()))
    })
}

/// Tensors of one type that differ in the number of rows at most, one below the other.
///
/// # Panics
///
/// If there are none.
pub fn stack(parts: impl Into<Vec<StoredTensor>>, name: String) -> StoredTensor {
    let parts: Vec<StoredTensor> = parts.into();
    let mut shape = parts[0].shape.to_vec();
    shape[0] = parts.iter().map(|part| part.shape[0]).sum();
    let len = parts.iter().map(StoredTensor::byte_len).sum();
    StoredTensor::deferred(name, parts[0].dtype, shape, None, len, move || {
        let mut bytes = Vec::with_capacity(len);
        for part in &parts {
            bytes.extend_from_slice(&part.to_bytes()?);
        }
        Ok(Bytes::from_bytes_vec(bytes))
    })
}

/// Zeros of the shape and type of `like`.
pub fn zeros_like(like: &StoredTensor, name: String) -> StoredTensor {
    let len = like.byte_len();
    StoredTensor::deferred(
        name,
        like.dtype,
        like.shape.to_vec(),
        None,
        len,
        move || Ok(Bytes::from_bytes_vec(vec![0; len])),
    )
}

/// The same bytes under another name and shape.
pub fn renamed(tensor: StoredTensor, name: String, shape: Vec<usize>) -> StoredTensor {
    let (dtype, len) = (tensor.dtype, tensor.byte_len());
    StoredTensor::deferred(name, dtype, shape, None, len, move || tensor.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::store::bridge;
    use burn::tensor::TensorData;

    #[test]
    fn thirds_stack_back_into_the_whole() {
        let data = TensorData::from([[1.0f32, 2.0], [3.0, 4.0], [5.0, 6.0]]);
        let fused = bridge::from_data(data.clone(), "qkv".into(), None);
        let parts = [0, 1, 2].map(|i| third(&fused, format!("part{i}"), i));
        assert_eq!(parts[1].shape.to_vec(), [1, 2]);
        let middle = bridge::to_data(&parts[1]).unwrap();
        middle.assert_eq(&TensorData::from([[3.0f32, 4.0]]), true);
        let whole = bridge::to_data(&stack(parts, "qkv".into())).unwrap();
        whole.assert_eq(&data, true);
    }
}
