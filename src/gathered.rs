//! Numbers of many pictures, as one tensor of a file.

use anyhow::{Result, anyhow};
use burn::prelude::*;
use burn::store::bridge;
use burn::tensor::TensorData;
use svg_nn::StoredTensor;

/// Batches of a tensor one after the other, on the host.
#[derive(Default)]
pub struct Gathered {
    count: usize,
    /// The shape of one picture's entry.
    pub one: Vec<usize>,
    pub numbers: Vec<f32>,
}

impl Gathered {
    /// Takes in `[batch, ..]`.
    pub fn push<const D: usize>(&mut self, batch: Tensor<D>) -> Result<()> {
        let shape = batch.dims();
        self.count += shape[0];
        self.one = shape[1..].to_vec();
        self.numbers.extend(numbers(batch)?);
        Ok(())
    }

    /// All of it, `[pictures, ..]`.
    pub fn stored(self, name: &str) -> StoredTensor {
        let shape = [&[self.count], self.one.as_slice()].concat();
        stored(name, TensorData::new(self.numbers, shape))
    }
}

pub fn stored(name: &str, data: TensorData) -> StoredTensor {
    bridge::from_data(data, name.to_string(), None)
}

/// The numbers of a tensor, in f32.
pub fn numbers<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let numbers = tensor.into_data().convert::<f32>().try_into_vec();
    numbers.map_err(|error| anyhow!("{error:?}"))
}
