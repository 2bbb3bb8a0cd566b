//! Noise and latents as a file.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use burn::store::bridge;
use burn::tensor::TensorData;
use svg_nn::{StoredTensor, TensorFile, save_tensors};
use svg_store::listed;

use crate::gathered::stored;

/// Noise that somebody has given.
pub struct NoiseFile {
    /// Flat, one sample after the other.
    pub noise: Vec<f32>,
    pub count: usize,
    /// The class of each sample, if the file says it.
    pub labels: Option<Vec<usize>>,
}

impl NoiseFile {
    /// Reads `noise` of the shape that a flow takes, and `labels` if there are any.
    pub fn read(path: &Path, [tokens, channels]: [usize; 2]) -> Result<Self> {
        let file = TensorFile::open(path)?;
        let what = path.display();
        let find = |name: &str| file.tensors().iter().find(|tensor| tensor.name == name);
        let tensor = find("noise").with_context(|| {
            let names: Vec<_> = file.tensors().iter().map(|tensor| &tensor.name).collect();
            let names = listed(&names);
            format!("{what} holds no tensor called noise, but {names}; `svg sample --latents` writes such files")
        })?;
        let found = tensor.shape.to_vec();
        let count = found.first().copied().unwrap_or(0);
        ensure!(
            count > 0 && found == [count, tokens, channels],
            "noise of {what} has the shape {found:?}, this model takes [n, {tokens}, {channels}]: samples, \
             tokens, channels"
        );
        let values = |tensor: &StoredTensor| {
            bridge::to_data(tensor).with_context(|| format!("{} of {what}", tensor.name))
        };
        let labels = match find("labels") {
            None => None,
            Some(tensor) => {
                let labels: Vec<i64> = values(tensor)?.iter().collect();
                if let Some(label) = labels.iter().find(|label| **label < 0) {
                    bail!("labels of {what} hold {label}; classes count from 0");
                }
                ensure!(
                    labels.len() == count,
                    "{what} has {} labels for noise of {count} samples; it needs one for each",
                    labels.len()
                );
                Some(labels.into_iter().map(|label| label as usize).collect())
            }
        };
        let noise: Vec<f32> = values(tensor)?.iter().collect();
        ensure!(
            noise.iter().all(|value| value.is_finite()),
            "noise of {what} holds values that are not finite"
        );
        Ok(Self {
            noise,
            count,
            labels,
        })
    }
}

/// Writes `noise`, `latents` and `labels`, with words about them.
pub fn write(
    path: &Path,
    noise: Vec<f32>,
    latents: Vec<f32>,
    labels: &[usize],
    [tokens, channels]: [usize; 2],
    words: &str,
) -> Result<()> {
    let count = labels.len();
    let shape = [count, tokens, channels];
    let labels: Vec<i64> = labels.iter().map(|&label| label as i64).collect();
    let tensors = [
        stored("noise", TensorData::new(noise, shape)),
        stored("latents", TensorData::new(latents, shape)),
        stored("labels", TensorData::new(labels, [count])),
    ];
    let metadata = HashMap::from([("settings".to_string(), words.to_string())]);
    Ok(save_tensors(path, &tensors, metadata)?)
}
