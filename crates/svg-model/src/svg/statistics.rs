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
        Self::of(&TensorFile::open(path)?)
    }

    pub(super) fn of(file: &TensorFile) -> Result<Self, ModelError> {
        let refuse = |reason: String| ModelError::Statistics {
            path: file.path().to_path_buf(),
            reason,
        };
        let number = |name: String| -> Result<f64, ModelError> {
            let values = file.numbers(&name).map_err(refuse)?;
            match values[..] {
                [value] => Ok(value),
                _ => Err(refuse(format!("{name} is {values:?}"))),
            }
        };
        let moments = |of: &str| -> Result<Moments, ModelError> {
            Ok(Moments {
                mean: number(format!("{of}.mean"))?,
                std: number(format!("{of}.std"))?,
            })
        };
        let statistics = Statistics {
            semantic: moments("semantic")?,
            residual: moments("residual")?,
        };
        check(&statistics).map_err(refuse)?;
        Ok(Self {
            statistics,
            source: file.metadata().get("source").cloned().unwrap_or_default(),
        })
    }
}

/// Whether all numbers are finite and what is divided by is positive, as they are used in f32.
pub(super) fn check(statistics: &Statistics) -> Result<(), String> {
    let branches = [
        ("semantic", statistics.semantic),
        ("residual", statistics.residual),
    ];
    for (name, Moments { mean, std }) in branches {
        let fits = (mean as f32).is_finite() && (std as f32).is_finite() && std as f32 > 0.0;
        if !fits {
            return Err(format!("{name}.mean is {mean} and {name}.std is {std}"));
        }
    }
    Ok(())
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
        assert!(error.contains("residual.std is 0;"), "{error}");
    }
}
