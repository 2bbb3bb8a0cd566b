//! One side of a comparison: what a network says of a set of images.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Error, Result, anyhow, bail, ensure};
use burn::store::bridge;
use burn::tensor::TensorData;
use svg_eval::{Features, Moments};
use svg_nn::{StoredTensor, TensorFile, save_tensors};
use svg_store::{Npz, NpzWriter};

use crate::evaluation::judge::Rows;
use crate::gathered::stored;

/// Features of a set of images, or what is left of them in published statistics.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// What the features are of, and how they were computed.
    pub of: String,
    /// Where the images came from.
    pub source: String,
    /// SHA-256 of all pixels in order; empty where there are none, as for samples of a model.
    pub data: String,
    /// All features; none in published statistics.
    pub features: Option<Features>,
    /// Scores of classes.
    pub logits: Option<Features>,
    /// Moments of the features.
    pub moments: Moments,
    /// Moments of spatial features, for sFID.
    pub spatial_moments: Option<Moments>,
    /// Spatial features of some of the images, evenly spread, for the interval: all would be as many numbers again.
    pub spatial: Option<Features>,
    /// How far those are apart.
    pub spatial_every: usize,
    /// Images that will be added in all, for which room is made at once; 0 if that is not known.
    pub expected: usize,
}

/// Images of which spatial features are kept, at most.
const SPATIAL: usize = 4_096;

/// Features of some images, while they are gathered.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// SHA-256 of the pixels.
    pub data: String,
    features: Option<Features>,
    logits: Option<Features>,
    spatial: Option<Features>,
}

/// The moments of spatial features in a file.
const SPATIAL_MOMENTS: [&str; 3] = ["spatial.count", "spatial.mean", "spatial.covariance"];
/// The tensors of a part.
const NAMES: [&str; 3] = ["features", "logits", "spatial"];

impl Part {
    /// Adds what a network says of a batch.
    pub fn push(&mut self, rows: Rows) {
        let all = [
            (&mut self.features, Some(rows.features)),
            (&mut self.logits, rows.logits),
            (&mut self.spatial, rows.spatial),
        ];
        for (to, rows) in all {
            let Some(rows) = rows else { continue };
            let [_, channels] = rows.dims();
            to.get_or_insert_with(|| Features::new(channels)).push(rows);
        }
    }

    /// Images whose features it has.
    pub fn len(&self) -> usize {
        self.features.as_ref().map_or(0, Features::len)
    }

    /// Keeps the part.
    pub fn save(&self, path: &Path) -> Result<()> {
        let rows = [&self.features, &self.logits, &self.spatial];
        let tensors = NAMES.iter().zip(rows);
        let tensors = tensors.filter_map(|(name, rows)| Some(table(name, rows.as_ref()?)));
        let metadata = HashMap::from([("data".to_string(), self.data.clone())]);
        Ok(save_tensors(path, &tensors.collect::<Vec<_>>(), metadata)?)
    }

    /// Reads a kept part.
    pub fn read(path: &Path) -> Result<Self> {
        let file = TensorFile::open(path)?;
        let [features, logits, spatial] = NAMES.map(|name| rows(&file, name));
        Ok(Self {
            data: file.metadata().get("data").cloned().unwrap_or_default(),
            features: features?,
            logits: logits?,
            spatial: spatial?,
        })
    }
}

impl Side {
    /// Adds the images of a part that comes after these.
    pub fn add(&mut self, part: Part) -> Result<()> {
        let features = part.features.context("a part without images")?;
        let moments = features.moments();
        let spatial_moments = part.spatial.as_ref().map(Features::moments);
        let (before, every) = (self.len(), self.spatial_every.max(1));
        let spatial = part.spatial.map(|rows| {
            let kept = (0..rows.len()).filter(|row| (before + row).is_multiple_of(every));
            rows.select(&kept.collect::<Vec<_>>())
        });
        self.join(Self {
            of: self.of.clone(),
            source: self.source.clone(),
            data: part.data,
            features: Some(features),
            logits: part.logits,
            moments,
            spatial_moments,
            spatial,
            spatial_every: every,
            expected: self.expected,
        })
    }

    /// Images whose features are known.
    pub fn len(&self) -> usize {
        self.features.as_ref().map_or(0, Features::len)
    }

    /// Adds the images of another set after these.
    pub fn join(&mut self, other: Self) -> Result<()> {
        if self.moments.channels() == 0 {
            let expected = self.expected.max(other.expected);
            *self = Self { expected, ..other };
            let missing = expected.saturating_sub(self.len());
            for rows in [&mut self.features, &mut self.logits] {
                rows.iter_mut().for_each(|rows| rows.reserve(missing));
            }
            self.thin();
            return Ok(());
        }
        ensure!(
            self.of == other.of,
            "these are features of different kinds and cannot be joined: {} and {}",
            self.of,
            other.of
        );
        let both = [
            (&mut self.features, other.features),
            (&mut self.logits, other.logits),
            (&mut self.spatial, other.spatial),
        ];
        for (to, more) in both {
            match (to, more) {
                (Some(to), Some(more)) => to.merge(&more),
                (None, None) => {}
                _ => bail!("one of the sets has features of all images, the other has not"),
            }
        }
        self.moments.merge(&other.moments);
        let spatial = (&mut self.spatial_moments, &other.spatial_moments);
        if let (Some(to), Some(more)) = spatial {
            to.merge(more);
        }
        self.data = match other.data.is_empty() {
            true => String::new(),
            false => svg_store::sha256(format!("{}{}", self.data, other.data)),
        };
        self.thin();
        Ok(())
    }

    /// Lets go of every second of the spatial features while they are too many.
    fn thin(&mut self) {
        while let Some(rows) = self.spatial.as_ref().filter(|rows| rows.len() > SPATIAL) {
            let kept: Vec<usize> = (0..rows.len()).step_by(2).collect();
            self.spatial = Some(rows.select(&kept));
            self.spatial_every = 2 * self.spatial_every.max(1);
        }
    }

    /// Images; `None` for statistics that do not say it, whatever pictures are beside them.
    pub fn count(&self) -> Option<u64> {
        self.moments.count()
    }

    /// Writes everything into one file, from which [`read`](Self::read) has it again.
    pub fn save(&self, path: &Path) -> Result<()> {
        ensure!(
            self.count() == Some(self.len() as u64),
            "of statistics there are no features of all images to keep; copy the file, or keep an .npz"
        );
        let rows = [&self.features, &self.logits, &self.spatial];
        let tensors = NAMES.iter().zip(rows);
        let tensors = tensors.filter_map(|(name, rows)| Some(table(name, rows.as_ref()?)));
        let mut tensors: Vec<_> = tensors.collect();
        if let Some(moments) = &self.spatial_moments {
            let channels = moments.channels();
            let count = vec![moments.count().unwrap_or_default()];
            let mean = TensorData::new(moments.mean().to_vec(), [channels]);
            let covariance = TensorData::new(moments.covariance_matrix(), [channels, channels]);
            tensors.push(stored(SPATIAL_MOMENTS[0], TensorData::new(count, [1])));
            tensors.push(stored(SPATIAL_MOMENTS[1], mean));
            tensors.push(stored(SPATIAL_MOMENTS[2], covariance));
        }
        let metadata = [
            ("of", &self.of),
            ("source", &self.source),
            ("data", &self.data),
        ];
        let metadata = metadata.map(|(key, value)| (key.to_string(), value.clone()));
        Ok(save_tensors(path, &tensors, HashMap::from(metadata))?)
    }

    /// Reads a file of [`save`](Self::save).
    pub fn read(path: &Path) -> Result<Self> {
        Self::read_whole(path).with_context(|| {
            let path = path.display();
            format!(
                "{path} holds no features that `svg evaluate --save-samples` or --save-reference has kept"
            )
        })
    }

    fn read_whole(path: &Path) -> Result<Self> {
        let file = TensorFile::open(path)?;
        let said = |key: &str| {
            let text = file.metadata().get(key).cloned();
            text.with_context(|| format!("it does not say `{key}`"))
        };
        let features = rows(&file, "features")?.context("it has no features")?;
        let spatial = rows(&file, "spatial")?;
        let spatial_moments = || -> Result<Moments> {
            let numbers = SPATIAL_MOMENTS.map(|name| file.numbers(name).map_err(Error::msg));
            let [count, mean, covariance] = numbers;
            let count = count?.first().map(|count| *count as u64);
            Ok(Moments::from_mean_and_covariance(
                count,
                mean?,
                covariance?,
            )?)
        };
        let spatial_moments = spatial.is_some().then(spatial_moments).transpose()?;
        Ok(Self {
            of: said("of")?,
            source: said("source")?,
            data: said("data")?,
            moments: features.moments(),
            features: Some(features),
            logits: rows(&file, "logits")?,
            spatial_moments,
            spatial,
            spatial_every: 1,
            expected: 0,
        })
    }

    /// Reads published statistics: `mu` and `sigma`, and `mu_s` and `sigma_s` where they are.
    pub fn of_statistics(path: &Path, of: &str) -> Result<Self> {
        let file = Npz::open(path)?;
        let moments = |mean: &str, covariance: &str| -> Result<Moments> {
            let mean = file.array(mean)?.read_f64()?;
            let covariance = file.array(covariance)?.read_f64()?;
            Moments::from_mean_and_covariance(None, mean, covariance)
                .with_context(|| path.display().to_string())
        };
        let has = |name: &str| file.names().contains(&name);
        Ok(Self {
            of: of.to_string(),
            source: path.display().to_string(),
            moments: moments("mu", "sigma")?,
            spatial_moments: (has("mu_s") && has("sigma_s"))
                .then(|| moments("mu_s", "sigma_s"))
                .transpose()?,
            ..Self::default()
        })
    }

    /// Writes the statistics as the tools of the field read them.
    pub fn save_statistics(&self, path: &Path) -> Result<()> {
        let mut file = NpzWriter::create(path)?;
        let mut put = |names: [&str; 2], moments: &Moments| -> Result<()> {
            let channels = moments.channels();
            file.array(names[0], &[channels], moments.mean())?;
            let covariance = moments.covariance_matrix();
            file.array(names[1], &[channels, channels], &covariance)?;
            Ok(())
        };
        put(["mu", "sigma"], &self.moments)?;
        if let Some(spatial) = &self.spatial_moments {
            put(["mu_s", "sigma_s"], spatial)?;
        }
        Ok(file.finish()?)
    }
}

/// Rows as a tensor of a file.
fn table(name: &str, rows: &Features) -> StoredTensor {
    let shape = [rows.len(), rows.channels()];
    stored(name, TensorData::new(rows.values().to_vec(), shape))
}

/// Rows of a file, if they are there.
fn rows(file: &TensorFile, name: &str) -> Result<Option<Features>> {
    let found = file.tensors().iter().find(|tensor| tensor.name == name);
    let Some(tensor) = found else {
        return Ok(None);
    };
    let shape = tensor.shape.as_slice().to_vec();
    let [count, channels] = shape[..] else {
        bail!("{name} has the shape {shape:?} and is no table");
    };
    ensure!(count > 0 && channels > 0, "{name} is empty");
    let numbers = bridge::into_data(tensor.clone()).map_err(|error| anyhow!("{name}: {error}"))?;
    let values = numbers.convert::<f32>().try_into_vec::<f32>();
    let values = values.map_err(|error| anyhow!("{name}: {error:?}"))?;
    Ok(Some(Features::from_rows(channels, values)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_beside_statistics_are_not_their_number_and_are_not_kept_for_it() {
        let moments = Moments::from_mean_and_covariance(None, vec![0.0], vec![1.0]).unwrap();
        let side = Side {
            features: Some(Features::from_rows(1, vec![0.0, 1.0, 2.0])),
            moments,
            ..Side::default()
        };
        assert_eq!(side.count(), None);
        let place = tempfile::tempdir().unwrap();
        let error = side
            .save(&place.path().join("kept.safetensors"))
            .unwrap_err();
        assert!(error.to_string().contains("of statistics"), "{error}");
    }
}
