//! Noise and latents as a file.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use burn::store::bridge;
use burn::tensor::TensorData;
use svg_nn::{StoredTensor, TensorFile, save_tensors};

/// Noise that somebody has given.
pub struct NoiseFile {
    /// Flat, one sample after the other.
    pub noise: Vec<f32>,
    /// `[samples, tokens, channels]`
    pub shape: [usize; 3],
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
            format!("{what} holds no tensor called noise; `svg sample --latents` writes such files")
        })?;
        let shape = tensor.shape.to_vec();
        let count = match shape[..] {
            [count, t, c] if count > 0 && [t, c] == [tokens, channels] => count,
            _ => bail!(
                "noise of {what} has the shape {shape:?}, this model takes [n, {tokens}, {channels}]: \
                 samples, tokens, channels"
            ),
        };
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
                if labels.len() != count {
                    bail!(
                        "{what} has {} labels for noise of {count} samples; it needs one for each",
                        labels.len()
                    );
                }
                Some(labels.into_iter().map(|label| label as usize).collect())
            }
        };
        let noise: Vec<f32> = values(tensor)?.iter().collect();
        if noise.iter().any(|value| !value.is_finite()) {
            bail!("noise of {what} holds values that are not finite");
        }
        Ok(Self {
            noise,
            shape: [count, tokens, channels],
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
    let shape = [labels.len(), tokens, channels];
    let numbers = |name: &str, values: Vec<f32>| {
        bridge::from_data(TensorData::new(values, shape), name.to_string(), None)
    };
    let labels: Vec<i64> = labels.iter().map(|&label| label as i64).collect();
    let count = labels.len();
    let labels = bridge::from_data(TensorData::new(labels, [count]), "labels".to_string(), None);
    let tensors = [numbers("noise", noise), numbers("latents", latents), labels];
    let metadata = HashMap::from([("settings".to_string(), words.to_string())]);
    Ok(save_tensors(path, &tensors, metadata)?)
}
