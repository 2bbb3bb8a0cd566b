//! Numbers of tensors on the host, and as tensors of a file.

use anyhow::{Result, anyhow};
use burn::prelude::*;
use burn::store::bridge;
use burn::tensor::TensorData;
use svg_nn::StoredTensor;

/// A tensor of a file.
pub fn stored(name: &str, data: TensorData) -> StoredTensor {
    bridge::from_data(data, name.to_string(), None)
}

/// The numbers of a tensor, in f32.
pub fn numbers<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let numbers = tensor.into_data().convert::<f32>().try_into_vec();
    numbers.map_err(|error| anyhow!("{error:?}"))
}
