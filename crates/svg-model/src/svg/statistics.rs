//! Alignment statistics as a file.

use std::collections::HashMap;
use std::path::Path;

use burn::store::bridge;
use burn::tensor::TensorData;
use svg_nn::TensorFile;
use svg_residual::{Moments, Statistics};

use super::part::STATISTICS;
use crate::{ModelError, NewFile};

/// Statistics and where they come from, as a safetensors file of four f64 numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredStatistics {
    /// The numbers.
    pub statistics: Statistics,
    /// How they were made, in words.
    pub source: String,
}

impl StoredStatistics {
    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`ModelError::Load`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        self.file().save(path)
    }

    pub(crate) fn file(&self) -> NewFile {
        let Statistics { semantic, residual } = self.statistics;
        let tensors = [
            ("semantic.mean", semantic.mean),
            ("semantic.std", semantic.std),
            ("residual.mean", residual.mean),
            ("residual.std", residual.std),
        ];
        let tensors = tensors.map(|(name, value)| {
            bridge::from_data(TensorData::new(vec![value], [1]), name.to_string(), None)
        });
        let metadata = HashMap::from([("source".to_string(), self.source.clone())]);
        NewFile::new(STATISTICS, tensors.into(), metadata)
    }

    /// Reads the file.
    ///
    /// # Errors
    ///
    /// [`ModelError::Load`] if it cannot be read, [`ModelError::Statistics`] if a number is missing, not
    /// finite or a deviation not positive.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        let file = TensorFile::open(path)?;
        let refuse = |reason: String| ModelError::Statistics {
            path: path.to_path_buf(),
            reason,
        };
        let number = |name: String| -> Result<f64, ModelError> {
            let values = file.numbers(&name).map_err(refuse)?;
            let bad = |value: f64| !value.is_finite() || (name.ends_with("std") && value <= 0.0);
            match values[..] {
                [value] if !bad(value) => Ok(value),
                _ => Err(refuse(format!("{name} is {values:?}"))),
            }
        };
        let moments = |of: &str| -> Result<Moments, ModelError> {
            Ok(Moments {
                mean: number(format!("{of}.mean"))?,
                std: number(format!("{of}.std"))?,
            })
        };
        Ok(Self {
            statistics: Statistics {
                semantic: moments("semantic")?,
                residual: moments("residual")?,
            },
            source: file.metadata().get("source").cloned().unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_keep_every_bit_and_nonsense_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("statistics.safetensors");
        let moments = |mean, std| Moments { mean, std };
        let mut stored = StoredStatistics {
            statistics: Statistics {
                semantic: moments(1.0 / 3.0, 0.1),
                residual: moments(-1e-17, 2.0 / 7.0),
            },
            source: "a test".to_string(),
        };
        stored.save(&path).unwrap();
        assert_eq!(StoredStatistics::load(&path).unwrap(), stored);
        stored.statistics.residual.std = 0.0;
        stored.save(&path).unwrap();
        let error = StoredStatistics::load(&path).unwrap_err().to_string();
        assert!(error.contains("residual.std is [0.0]"), "{error}");
    }
}
