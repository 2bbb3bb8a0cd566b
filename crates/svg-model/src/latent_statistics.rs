//! What features are normalised by.

use std::collections::HashMap;
use std::path::Path;

use burn::prelude::*;
use burn::store::bridge;
use burn::tensor::TensorData;
use svg_nn::{TensorFile, contents};
use svg_residual::Accumulator;
use svg_store::Sha256;

use crate::bundle::LATENTS;
use crate::{ModelError, NewFile};

/// The mean and deviation of each channel of the features of a data set: `latent = (feature - mean) / std`
/// (arXiv 2510.15301, released code).
#[derive(Clone, Debug, PartialEq)]
pub struct LatentStatistics {
    /// Of each channel.
    pub mean: Vec<f64>,
    /// Of each channel; positive.
    pub std: Vec<f64>,
}

impl LatentStatistics {
    /// The statistics of the features of a data set, with deviations over `n - 1`, as those of `torch.std`; `None`
    /// before the second token.
    pub fn of(features: &Accumulator) -> Option<Self> {
        Some(Self {
            mean: features.means().to_vec(),
            std: features.deviations()?,
        })
    }

    /// Reads `mean` and `std`, or the published `dinov3_sp_mean` and `dinov3_sp_std`, of any shape, from a
    /// safetensors file or one of `torch.save`, which may also hold them as lists of numbers. Other names may
    /// stand before them.
    ///
    /// # Errors
    ///
    /// [`ModelError::Load`] if the file cannot be read, [`ModelError::LatentStatistics`] if one of the two is
    /// missing or there several times, they differ in length, or a number is not finite or a deviation not
    /// positive.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let refuse = |reason: String| ModelError::LatentStatistics {
            path: path.to_path_buf(),
            reason,
        };
        let file = TensorFile::open(path)?;
        Self::read(&file).map_err(refuse)
    }

    fn read(file: &TensorFile) -> Result<Self, String> {
        let names = file.tensors().iter().map(|tensor| tensor.name.as_str());
        Self::from_names(&names.collect::<Vec<_>>(), |name| file.numbers(name))
    }

    /// From the one name for the means and the one for the deviations among these.
    fn from_names(
        names: &[&str],
        find: impl Fn(&str) -> Result<Vec<f64>, String>,
    ) -> Result<Self, String> {
        let numbers = |what: &str| -> Result<Vec<f64>, String> {
            let published = format!("_{what}");
            let is = |name: &&&str| {
                let last = name.rsplit('.').next().unwrap_or(name);
                last == what || last.ends_with(&published)
            };
            let mut found = names.iter().filter(is);
            match (found.next(), found.next()) {
                (Some(name), None) => find(name),
                (None, _) => Err(format!(
                    "{what} is missing; it holds {}, and statistics are called mean and std, or end in _mean and \
                     _std",
                    contents(names.iter().copied())
                )),
                (Some(one), Some(two)) => Err(format!("both {one} and {two} are there")),
            }
        };
        let statistics = Self {
            mean: numbers("mean")?,
            std: numbers("std")?,
        };
        statistics.check().map(|()| statistics)
    }

    /// Whether features can be normalised by these.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (means, deviations) = (self.mean.len(), self.std.len());
        if means != deviations || means == 0 {
            return Err(format!(
                "there are {means} means and {deviations} deviations"
            ));
        }
        let mut channels = self.mean.iter().zip(&self.std).enumerate();
        // As latents are computed, in f32.
        let fits = |mean: f64, std: f64| {
            let (mean, std) = (mean as f32, std as f32);
            mean.is_finite() && std.is_finite() && std > 0.0
        };
        match channels.find(|(_, (mean, std))| !fits(**mean, **std)) {
            None => Ok(()),
            Some((channel, (mean, std))) => Err(format!(
                "channel {channel} has the mean {mean} and the deviation {std}, and features are divided by the latter"
            )),
        }
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.mean.len()
    }

    /// Whether features of so many channels can be normalised.
    pub(crate) fn check_channels(&self, expected: usize) -> Result<(), ModelError> {
        let found = self.channels();
        match found == expected {
            true => Ok(()),
            false => Err(ModelError::Misfit(format!(
                "the statistics have {found} channels, the bundle's features {expected}; compute them with \
                 `svg stats`"
            ))),
        }
    }

    /// `(features - mean) / std`
    ///
    /// # Shapes
    ///
    /// - features and output: `[batch, tokens, channels]`
    ///
    /// # Panics
    ///
    /// If the number of channels is another.
    pub fn normalise(&self, features: Tensor<3>) -> Tensor<3> {
        let [mean, std] = self.beside(&features);
        (features - mean) / std
    }

    /// `latents * std + mean`
    ///
    /// # Shapes
    ///
    /// - latents and output: `[batch, tokens, channels]`
    ///
    /// # Panics
    ///
    /// If the number of channels is another.
    pub fn denormalise(&self, latents: Tensor<3>) -> Tensor<3> {
        let [mean, std] = self.beside(&latents);
        latents * std + mean
    }

    fn beside(&self, tokens: &Tensor<3>) -> [Tensor<3>; 2] {
        let (channels, device) = (self.channels(), tokens.device());
        assert_shape!(tokens, [_, _, channels]);
        [&self.mean, &self.std].map(|values| {
            let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
            Tensor::from_data(TensorData::new(values, [1, 1, channels]), &device)
        })
    }

    /// The SHA-256, in hexadecimal, of the means and then the deviations as little-endian f64.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for value in self.mean.iter().chain(&self.std) {
            hash.update(value.to_le_bytes());
        }
        hash.finish()
    }
}

/// Latent statistics and what they belong to, as a safetensors file of `mean` and `std` in f64.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredLatentStatistics {
    /// The numbers.
    pub statistics: LatentStatistics,
    /// Of which features: [`Bundle::features_fingerprint`](crate::Bundle::features_fingerprint).
    pub features: String,
    /// Over how many tokens; 0 if that is not known.
    pub tokens: u64,
    /// How they were made, in words.
    pub source: String,
}

impl StoredLatentStatistics {
    pub(crate) fn file(&self) -> NewFile {
        let LatentStatistics { mean, std } = &self.statistics;
        let tensor = |(name, values): (&str, &Vec<f64>)| {
            let data = TensorData::new(values.clone(), [values.len()]);
            bridge::from_data(data, name.to_string(), None)
        };
        let metadata = HashMap::from([
            ("features".to_string(), self.features.clone()),
            ("tokens".to_string(), self.tokens.to_string()),
            ("source".to_string(), self.source.clone()),
        ]);
        let tensors = [("mean", mean), ("std", std)].map(tensor);
        NewFile::new(LATENTS, tensors.into(), metadata)
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`ModelError::Load`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        self.file().save(path)
    }

    /// Reads the file.
    ///
    /// # Errors
    ///
    /// As [`LatentStatistics::open`], and if the file does not say what it belongs to.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        Self::of(&TensorFile::open(path)?)
    }

    pub(crate) fn of(file: &TensorFile) -> Result<Self, ModelError> {
        let refuse = |reason: String| ModelError::LatentStatistics {
            path: file.path().to_path_buf(),
            reason,
        };
        let said = |name: &str| file.metadata().get(name).cloned();
        Ok(Self {
            statistics: LatentStatistics::read(file).map_err(refuse)?,
            features: said("features")
                .ok_or_else(|| refuse("the fingerprint of its features is missing".to_string()))?,
            tokens: said("tokens")
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
            source: said("source").unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Tolerance;
    use svg_nn::save_tensors;

    fn statistics() -> LatentStatistics {
        LatentStatistics {
            mean: vec![1.0 / 3.0, -2.0],
            std: vec![0.5, 3.0],
        }
    }

    #[test]
    fn statistics_are_those_of_each_channel_with_unbiased_deviations() {
        let device = Device::default();
        let mut all = Accumulator::new();
        assert_eq!(LatentStatistics::of(&all), None);
        all.push(Tensor::from_data([[[1.0f32, 10.0], [2.0, 10.5]]], &device));
        let mut other = Accumulator::new();
        other.push(Tensor::from_data(
            [[[3.0f32, 11.0]], [[6.0, 12.5]]],
            &device,
        ));
        all.merge(other);
        let LatentStatistics { mean, std } = LatentStatistics::of(&all).unwrap();
        assert_eq!(all.count(), 4);
        assert_eq!(mean, [3.0, 11.0]);
        // Sums of squares 14 and 3.5, over three.
        for (found, expected) in std.iter().zip([14.0 / 3.0, 3.5 / 3.0]) {
            assert!((found - f64::sqrt(expected)).abs() < 1e-15, "{found}");
        }
    }

    #[test]
    fn denormalising_undoes_normalising_and_the_formula_is_that_of_the_paper() {
        let device = Device::default();
        let features = Tensor::from_data([[[1.0f32, 1.0], [0.0, -2.0]]], &device);
        let latents = statistics().normalise(features.clone());
        let expected = TensorData::from([[[4.0f32 / 3.0, 1.0], [-2.0 / 3.0, 0.0]]]);
        let tolerance = Tolerance::absolute(1e-6);
        latents
            .to_data()
            .assert_approx_eq::<f32>(&expected, tolerance);
        let back = statistics().denormalise(latents).into_data();
        back.assert_approx_eq::<f32>(&features.into_data(), tolerance);
    }

    #[test]
    #[should_panic(expected = "axis 2 expected 2, got 3")]
    fn another_number_of_channels_panics() {
        statistics().normalise(Tensor::zeros([1, 4, 3], &Device::default()));
    }

    #[test]
    fn a_file_keeps_every_bit_and_nonsense_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latents.safetensors");
        let mut stored = StoredLatentStatistics {
            statistics: statistics(),
            features: "f".repeat(64),
            tokens: 256,
            source: "a test".to_string(),
        };
        stored.save(&path).unwrap();
        assert_eq!(StoredLatentStatistics::load(&path).unwrap(), stored);
        assert_eq!(LatentStatistics::open(&path).unwrap(), stored.statistics);
        stored.statistics.std[1] = 0.0;
        stored.save(&path).unwrap();
        let error = StoredLatentStatistics::load(&path).unwrap_err().to_string();
        assert!(
            error.contains("channel 1 has the mean -2 and the deviation 0"),
            "{error}"
        );
    }

    #[test]
    fn the_published_names_and_shapes_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("published.safetensors");
        let tensor = |name: &str, values: [f32; 2]| {
            bridge::from_data(
                TensorData::new(values.to_vec(), [1, 1, 2]),
                name.to_string(),
                None,
            )
        };
        let (mean, std) = (
            tensor("dinov3_sp_mean", [1.0, 2.0]),
            tensor("dinov3_sp_std", [0.5, 0.25]),
        );
        save_tensors(&path, &[mean.clone(), std], HashMap::new()).unwrap();
        let found = LatentStatistics::open(&path).unwrap();
        assert_eq!((found.mean, found.std), (vec![1.0, 2.0], vec![0.5, 0.25]));
        save_tensors(&path, &[mean], HashMap::new()).unwrap();
        let error = LatentStatistics::open(&path).unwrap_err().to_string();
        assert!(
            error.contains("std is missing; it holds dinov3_sp_mean"),
            "{error}"
        );
    }
}
