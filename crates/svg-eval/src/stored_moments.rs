//! Moments stored in a file, so that a reference is computed once.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use burn::store::bridge;
use burn::tensor::TensorData;
use svg_nn::{LoadError, TensorFile, save_tensors};

use crate::Moments;

/// Error of reading or writing moments.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MomentsError {
    /// The file cannot be read or written.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The file does not hold moments.
    #[error("{} holds no moments of features: {reason}; compute them again", path.display())]
    NotMoments {
        /// The file.
        path: PathBuf,
        /// What is missing or invalid.
        reason: String,
    },
}

/// Moments of several kinds of features of the same images, by name.
///
/// In the safetensors file, a kind `k` is stored as `k.count` (u64, `[1]`), `k.mean` (f64, `[channels]`) and
/// `k.squares` (f64, `[channels, channels]`), the sum of squared deviations, so that stored moments can be
/// merged. If the number of features is not known, the count is 0 and `k.squares` is the covariance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredMoments {
    /// Moments of each kind of features.
    pub kinds: BTreeMap<String, Moments>,
    /// Identifies how the features are computed; moments with different texts cannot be compared.
    pub features: String,
    /// Description of the images.
    pub source: String,
}

impl StoredMoments {
    /// Writes the file atomically.
    ///
    /// # Errors
    ///
    /// [`MomentsError::Load`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), MomentsError> {
        let tensors = self.kinds.iter().flat_map(|(kind, moments)| {
            let stored = |name: &str, data| bridge::from_data(data, format!("{kind}.{name}"), None);
            let channels = moments.channels();
            [
                stored(
                    "count",
                    TensorData::new(vec![moments.count().unwrap_or(0)], [1]),
                ),
                stored("mean", TensorData::new(moments.mean.clone(), [channels])),
                stored(
                    "squares",
                    TensorData::new(moments.squares.clone(), [channels, channels]),
                ),
            ]
        });
        let metadata = HashMap::from([
            ("features".to_string(), self.features.clone()),
            ("source".to_string(), self.source.clone()),
        ]);
        Ok(save_tensors(path, &tensors.collect::<Vec<_>>(), metadata)?)
    }

    /// Reads the file.
    ///
    /// # Errors
    ///
    /// [`MomentsError::Load`] if it cannot be read, [`MomentsError::NotMoments`] if a tensor is missing, of
    /// another shape, or not finite.
    pub fn load(path: &Path) -> Result<Self, MomentsError> {
        let file = TensorFile::open(path)?;
        let refuse = |reason: String| MomentsError::NotMoments {
            path: path.to_path_buf(),
            reason,
        };
        let names = file.tensors().iter().map(|tensor| &tensor.name);
        let kinds: Vec<_> = names.filter_map(|n| n.strip_suffix(".count")).collect();
        if kinds.is_empty() {
            return Err(refuse("it has no tensor whose name ends in .count".into()));
        }
        let mut stored = Self {
            features: file.metadata().get("features").cloned().unwrap_or_default(),
            source: file.metadata().get("source").cloned().unwrap_or_default(),
            ..Self::default()
        };
        for kind in kinds {
            let find = |name: &str| {
                let name = format!("{kind}.{name}");
                let numbers = file.numbers(&name).map_err(refuse)?;
                match numbers.iter().all(|value| value.is_finite()) {
                    true => Ok(numbers),
                    false => Err(refuse(format!("{name} is not finite"))),
                }
            };
            let (count, mean, squares) = (find("count")?, find("mean")?, find("squares")?);
            let channels = mean.len();
            if count.len() != 1 || squares.len() != channels * channels {
                return Err(refuse(format!(
                    "{kind} has {} counts, {channels} means and {} squares",
                    count.len(),
                    squares.len()
                )));
            }
            let moments = Moments {
                count: count[0] as u64,
                mean,
                squares,
            };
            stored.kinds.insert(kind.to_string(), moments);
        }
        Ok(stored)
    }
}

#[cfg(test)]
mod tests {
    use burn::prelude::*;
    use svg_nn::StoredTensor;

    use super::*;

    fn stored() -> StoredMoments {
        let mut moments = Moments::new();
        let features = [[0.1, 2.0], [0.3, -1.0], [7.0, 0.0]];
        moments.push(Tensor::from_floats(features, &Device::default()));
        StoredMoments {
            kinds: BTreeMap::from([("class".into(), moments.clone()), ("patch".into(), moments)]),
            features: "test features".into(),
            source: "three numbers".into(),
        }
    }

    #[test]
    fn moments_roundtrip_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        stored().save(&path).unwrap();
        assert_eq!(StoredMoments::load(&path).unwrap(), stored());
    }

    #[test]
    fn moments_without_a_number_of_features_roundtrip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        let given = Moments::from_mean_and_covariance(None, vec![1.0], vec![4.0]).unwrap();
        let stored = StoredMoments {
            kinds: BTreeMap::from([("class".into(), given)]),
            ..StoredMoments::default()
        };
        stored.save(&path).unwrap();
        let loaded = StoredMoments::load(&path).unwrap();
        assert_eq!(loaded, stored);
        assert_eq!(loaded.kinds["class"].count(), None);
    }

    #[test]
    fn errors_name_what_is_missing_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        let said = |tensors: &[StoredTensor]| {
            save_tensors(&path, tensors, HashMap::new()).unwrap();
            StoredMoments::load(&path).unwrap_err().to_string()
        };
        let tensor = |name: &str, values: &[f64]| {
            let data = TensorData::new(values.to_vec(), [values.len()]);
            bridge::from_data(data, name.to_string(), None)
        };
        assert!(said(&[tensor("weight", &[1.0])]).contains("ends in .count"));
        let count = tensor("a.count", &[3.0]);
        assert!(said(std::slice::from_ref(&count)).contains("a.mean is missing"));
        let (mean, squares) = (
            tensor("a.mean", &[1.0, 2.0]),
            tensor("a.squares", &[1.0; 3]),
        );
        let said = said(&[count, mean, squares]);
        assert!(said.contains("2 means and 3 squares"), "{said}");
    }
}
