//! Cutting and stacking stored tensors along their first axis, without reading them.
//!
//! Rows are contiguous bytes in every format, so a third of a fused projection is a range and three
//! projections are a concatenation, whatever the number type.

use burn::store::burn_pack::{Bytes, Error};
use svg_nn::StoredTensor;

/// The third number `third` (0, 1, 2) of a fused tensor.
///
/// # Panics
///
/// If the number of rows is no multiple of three.
pub(crate) fn third(fused: &StoredTensor, name: String, third: usize) -> StoredTensor {
    let mut shape = fused.shape.to_vec();
    assert!(shape[0].is_multiple_of(3), "{} has no thirds", fused.name);
    shape[0] /= 3;
    let len = fused.byte_len() / 3;
    let fused = fused.clone();
    StoredTensor::deferred(name, fused.dtype, shape, None, len, move || {
        let bytes = fused.to_bytes()?;
        let range = third * len..(third + 1) * len;
        let short = || format!("{} is shorter than its shape", fused.name);
        let cut = bytes.get(range);
        let cut = cut.ok_or_else(|| Error::TensorBytesSizeMismatch(short()))?;
        Ok(Bytes::from_bytes_vec(cut.to_vec()))
    })
}

/// Three tensors of one shape and type, one below the other.
pub(crate) fn stack(parts: [StoredTensor; 3], name: String) -> StoredTensor {
    let mut shape = parts[0].shape.to_vec();
    shape[0] *= 3;
    let (dtype, len) = (parts[0].dtype, 3 * parts[0].byte_len());
    StoredTensor::deferred(name, dtype, shape, None, len, move || {
        let mut bytes = Vec::with_capacity(len);
        for part in &parts {
            bytes.extend_from_slice(&part.to_bytes()?);
        }
        Ok(Bytes::from_bytes_vec(bytes))
    })
}

/// Zeros of the shape and type of `like`.
pub(crate) fn zeros_like(like: &StoredTensor, name: String) -> StoredTensor {
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

/// The factors of a fused bias, of which a third are `width`: keys have none.
pub(crate) fn key_mask(width: usize) -> Vec<f32> {
    [1.0, 0.0, 1.0].map(|value| vec![value; width]).concat()
}

/// The same bytes under another name and shape.
pub(crate) fn renamed(tensor: StoredTensor, name: String, shape: Vec<usize>) -> StoredTensor {
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
