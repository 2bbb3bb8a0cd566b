//! Tensors of many pictures, written to a file while they are made.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use burn::prelude::*;
use burn::tensor::TensorData;
use svg_image::ImageSet;
use svg_store::{Dtype, RowFile, RowFileError, RowTensor};
use svg_train::data::{Fingerprint, PictureBatch};

use crate::commands::pictures::PictureOptions;
use crate::progress::{byte_bar, status};

/// What is computed of pictures, and where it goes.
///
/// Memory holds one batch. A process that is killed leaves what it has computed beside the file, and the same
/// command goes on from there to the same bytes.
pub struct Streamed<'a> {
    pub out: &'a Path,
    pub set: Arc<ImageSet>,
    pub pictures: PictureOptions,
    pub size: u32,
    /// One row for each picture.
    pub tensors: Vec<RowTensor>,
    /// What the numbers depend on beside the pictures, by name.
    pub from: BTreeMap<String, String>,
    /// The metadata of the file beside `paths`, the names of the pictures.
    pub metadata: BTreeMap<String, String>,
}

/// The time that is spent on keeping results, as a share of all.
const SHARE: u32 = 100;
/// Longest time between two moments from which the work can go on.
const LONGEST: Duration = Duration::from_secs(30);
/// When the speed is known.
const KNOWN: Duration = Duration::from_secs(10);

impl Streamed<'_> {
    /// Writes the file. `compute` makes one batch of all tensors from images, in f32. Returns the numbers of the
    /// pictures in it, which are all but the broken ones.
    pub fn write(
        mut self,
        device: &Device,
        compute: impl FnMut(Tensor<4>) -> Result<Vec<TensorData>>,
    ) -> Result<Vec<usize>> {
        let order = self.pictures.order(self.set.len());
        let what = self.what(device)?;
        let metadata = self.with_names(&order)?;
        let bar = byte_bar("checking what is there");
        let mut file = RowFile::open(
            self.out,
            &what,
            &self.tensors,
            order.len(),
            &metadata,
            |done, all| {
                bar.set_length(all);
                bar.set_position(done);
            },
        )?;
        bar.finish_and_clear();
        let (count, out) = (order.len(), self.out.display());
        let pictures = if count == 1 { "picture" } else { "pictures" };
        status!("{count} {pictures}, {} in {out}", in_words(file.bytes()));
        if file.done() > 0 {
            let (done, partial) = (file.done(), file.partial());
            status!(
                "going on with {}: {done} of {count} are there",
                partial.display()
            );
        }
        self.pictures.done = file.done();
        if let Err(error) = self.fill(&mut file, &order, device, compute) {
            keep(file, count);
            return Err(error);
        }
        let all = order.into_iter().enumerate();
        let there = all.filter(|(item, _)| file.left_out().binary_search(item).is_err());
        let there: Vec<usize> = there.map(|(_, index)| index).collect();
        file.finish(&self.with_names(&there)?)?;
        Ok(there)
    }

    fn fill(
        &self,
        file: &mut RowFile,
        order: &[usize],
        device: &Device,
        mut compute: impl FnMut(Tensor<4>) -> Result<Vec<TensorData>>,
    ) -> Result<()> {
        let mut pace = Pace::new(order.len() - file.done());
        let push = |batch: PictureBatch, images: Tensor<4>| -> Result<()> {
            let parts = compute(images)?;
            self.check(&parts, &batch.names)?;
            let items = file.done()..file.done() + batch.tried();
            let broken = |item: &usize| batch.indices.binary_search(&order[*item]).is_err();
            let left_out: Vec<usize> = items.clone().filter(broken).collect();
            let rows: Vec<&[u8]> = parts.iter().map(TensorData::as_bytes).collect();
            file.append(&rows, items.len(), &left_out)?;
            pace.tell(items.len());
            Ok(pace.commit(file)?)
        };
        if self.pictures.done < order.len() {
            let set = self.set.clone();
            let (size, options) = (self.size, &self.pictures);
            options.for_each_batch_of(set, size, "encoding", device, push)?;
        }
        // Broken pictures at the end come without a batch.
        let rest: Vec<usize> = (file.done()..order.len()).collect();
        file.append(&vec![&[][..]; self.tensors.len()], rest.len(), &rest)?;
        Ok(file.commit()?)
    }

    /// Numbers that are no numbers are not written.
    fn check(&self, parts: &[TensorData], names: &[String]) -> Result<()> {
        for (part, tensor) in parts.iter().zip(&self.tensors) {
            let values = part.as_slice::<f32>();
            let values = values.map_err(|error| anyhow::anyhow!("{}: {error:?}", tensor.name))?;
            let one = values.len() / names.len();
            let Some(place) = values.iter().position(|value| !value.is_finite()) else {
                continue;
            };
            bail!(
                "{} of {} has the value {}, so nothing is written; look for damaged weights with `svg info`, or \
                 compute with --dtype f32",
                tensor.name,
                names[place / one.max(1)],
                values[place]
            );
        }
        Ok(())
    }

    /// Everything that decides the bytes of the file.
    fn what(&self, device: &Device) -> Result<BTreeMap<String, String>> {
        let pictures = &self.pictures;
        let Fingerprint { count, sha256, .. } = Fingerprint::of(&self.set)?;
        let limit = pictures.limit.map_or("none".to_string(), |n| n.to_string());
        let own = [
            ("svg", env!("CARGO_PKG_VERSION").to_string()),
            ("images", pictures.reading.names(&pictures.images)),
            ("pictures", format!("{count} ({})", &sha256[..12])),
            ("limit", limit),
            ("size", self.size.to_string()),
            ("batch", pictures.batch.to_string()),
            ("decoding", format!("{:?}", self.set.options())),
            ("device", format!("{device:?}")),
        ];
        let own = own.map(|(name, value)| (name.to_string(), value));
        Ok(own.into_iter().chain(self.from.clone()).collect())
    }

    fn with_names(&self, pictures: &[usize]) -> Result<BTreeMap<String, String>> {
        let names: Vec<&str> = pictures.iter().map(|&index| self.set.name(index)).collect();
        let mut metadata = self.metadata.clone();
        metadata.insert("paths".to_string(), serde_json::to_string(&names)?);
        Ok(metadata)
    }
}

/// Leaves what was computed for the next start, if there is anything.
fn keep(mut file: RowFile, count: usize) {
    if file.rows() == 0 {
        // Nothing is lost if an empty file stays.
        let _ = file.discard();
        return;
    }
    // An earlier state is there if the disk is full.
    let _ = file.commit();
    let (done, partial) = (file.done(), file.partial());
    status!(
        "note: {} keeps {done} of {count} pictures; the same command goes on with them",
        partial.display()
    );
}

/// When results are kept, and what is said of the speed.
struct Pace {
    begun: Instant,
    pictures: usize,
    done: usize,
    told: bool,
    kept: Instant,
    /// Time that keeping took.
    cost: Duration,
}

impl Pace {
    fn new(pictures: usize) -> Self {
        Self {
            begun: Instant::now(),
            pictures,
            done: 0,
            // A bar shows the same.
            told: std::io::stderr().is_terminal(),
            kept: Instant::now(),
            cost: Duration::from_millis(2),
        }
    }

    /// Says the speed and the time that is left, once.
    fn tell(&mut self, pictures: usize) {
        self.done += pictures;
        let took = self.begun.elapsed();
        if self.told || took < KNOWN {
            return;
        }
        self.told = true;
        let rate = self.done as f64 / took.as_secs_f64();
        let left = (self.pictures - self.done) as f64 / rate / 60.0;
        status!("{rate:.1} pictures/s, about {left:.1} min left");
    }

    /// Keeps the results, if that was not done for long.
    fn commit(&mut self, file: &mut RowFile) -> Result<(), RowFileError> {
        if self.kept.elapsed() < (self.cost * SHARE).min(LONGEST) {
            return Ok(());
        }
        let begun = Instant::now();
        file.commit()?;
        self.cost = begun.elapsed();
        self.kept = Instant::now();
        Ok(())
    }
}

/// A tensor of f32 with these axes for each picture.
pub fn row_tensor(name: &str, row: &[usize]) -> RowTensor {
    RowTensor {
        name: name.to_string(),
        dtype: Dtype::F32,
        row: row.to_vec(),
    }
}

/// The numbers of a tensor on the host, in f32.
pub fn on_host<const D: usize>(tensor: Tensor<D>) -> TensorData {
    tensor.into_data().convert::<f32>()
}

/// Numbers as they are stored in a file.
pub fn f32s(bytes: &[u8]) -> Vec<f32> {
    let (words, _) = bytes.as_chunks();
    words.iter().map(|word| f32::from_le_bytes(*word)).collect()
}

/// `1.97 GB`
fn in_words(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        1e9.. => format!("{:.2} GB", bytes / 1e9),
        1e6.. => format!("{:.1} MB", bytes / 1e6),
        _ => format!("{:.1} kB", bytes / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use svg_image::{RgbImage, save_png};
    use svg_store::Safetensors;

    const COUNT: usize = 12;

    /// Pictures that are one pixel wide; those of `broken` are cut off.
    fn pictures(broken: &[usize]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..COUNT {
            let path = folder.path().join(format!("{number:02}.png"));
            save_png(
                &RgbImage::from_pixel(4, 4, [number as u8; 3].into()),
                &path,
                &[],
            )
            .unwrap();
            if broken.contains(&number) {
                std::fs::write(&path, b"\x89PNG cut").unwrap();
            }
        }
        folder
    }

    /// Encodes, fails at the batch `fails_at` if there is one, and says how large batches were.
    fn encode(images: &Path, out: &Path, fails_at: Option<usize>) -> Result<Vec<usize>> {
        let set = Arc::new(ImageSet::open(&[images.to_path_buf()])?);
        let streamed = Streamed {
            out,
            set,
            pictures: PictureOptions {
                images: vec![images.to_path_buf()],
                batch: 3,
                ..PictureOptions::default()
            },
            size: 4,
            tensors: vec![row_tensor("x", &[3, 4, 4]), row_tensor("a", &[])],
            from: BTreeMap::from([("weights".to_string(), "f".to_string())]),
            metadata: BTreeMap::new(),
        };
        let mut sizes = vec![];
        streamed.write(&Device::default(), |images| {
            if fails_at == Some(sizes.len()) {
                bail!("killed");
            }
            let [batch, ..] = images.dims();
            sizes.push(batch);
            let sums = images.clone().reshape([batch, 48]).sum_dim(1);
            Ok(vec![on_host(images), on_host(sums.reshape([batch]))])
        })?;
        Ok(sizes)
    }

    #[test]
    fn one_batch_is_held_at_a_time_and_a_restart_gives_the_same_bytes() {
        for broken in [&[][..], &[0, 5], &[10, 11]] {
            let (images, out) = (pictures(broken), tempfile::tempdir().unwrap());
            let (whole, parts) = (out.path().join("whole"), out.path().join("parts"));
            let sizes = encode(images.path(), &whole, None).unwrap();
            assert!(sizes.iter().all(|size| *size <= 3), "{sizes:?}");
            assert_eq!(sizes.iter().sum::<usize>(), COUNT - broken.len());
            let mut starts = 0;
            while !parts.exists() {
                assert!(starts < 10, "each start goes on with the one before");
                // The first batch of each start succeeds, the second fails.
                let _ = encode(images.path(), &parts, Some(1));
                starts += 1;
            }
            assert!(starts > 2, "{starts} starts");
            let same = std::fs::read(&whole).unwrap() == std::fs::read(&parts).unwrap();
            assert!(same, "{broken:?}");
            assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 2);
            let file = Safetensors::open(&whole).unwrap();
            let paths: Vec<String> = serde_json::from_str(&file.metadata()["paths"]).unwrap();
            assert_eq!(paths.len(), COUNT - broken.len());
            assert_eq!(file.tensor("x").unwrap().shape[0], COUNT - broken.len());
        }
    }

    #[test]
    fn what_is_not_finite_is_named_and_not_written() {
        let (images, out) = (pictures(&[]), tempfile::tempdir().unwrap());
        let set = Arc::new(ImageSet::open(&[images.path().to_path_buf()]).unwrap());
        let streamed = Streamed {
            out: &out.path().join("x"),
            set,
            pictures: PictureOptions {
                batch: 4,
                ..PictureOptions::default()
            },
            size: 4,
            tensors: vec![row_tensor("x", &[])],
            from: BTreeMap::new(),
            metadata: BTreeMap::new(),
        };
        let result = streamed.write(&Device::default(), |_| {
            Ok(vec![TensorData::from([1.0, 2.0, f32::NAN, 4.0])])
        });
        let error = result.unwrap_err().to_string();
        assert!(
            error.starts_with("x of ") && error.contains("02.png has the value NaN"),
            "{error}"
        );
        assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
    }

    #[test]
    fn sizes_are_said_in_the_unit_that_fits() {
        assert_eq!(in_words(7_940_000_000), "7.94 GB");
        assert_eq!(in_words(393_216_000), "393.2 MB");
        assert_eq!(in_words(1_500), "1.5 kB");
    }
}
