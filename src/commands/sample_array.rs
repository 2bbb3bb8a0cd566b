//! Samples as one array of NumPy, the form in which ADM's evaluator and others take them.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use svg_image::RgbImage;
use svg_store::NpzWriter;

/// A file with `arr_0`, uint8 `[n, rows, columns, 3]`, and `arr_1`, the n classes as int64. Samples are written while they
/// are made, in their order; the file has its name when all are there.
pub struct SampleArray {
    path: PathBuf,
    file: NpzWriter,
    labels: Vec<i64>,
    size: [usize; 2],
    done: usize,
}

impl SampleArray {
    /// Begins a file for a sample of each class in `labels`, of so many rows and columns.
    pub fn create(path: &Path, labels: Vec<i64>, size: [usize; 2]) -> Result<Self> {
        let mut file = NpzWriter::create(path)?;
        file.begin::<u8>("arr_0", &[labels.len(), size[0], size[1], 3])?;
        Ok(Self {
            path: path.to_path_buf(),
            file,
            labels,
            size,
            done: 0,
        })
    }

    /// Number of the next sample.
    pub fn next(&self) -> usize {
        self.done
    }

    /// Appends the next sample.
    pub fn push(&mut self, image: &RgbImage) -> Result<()> {
        let found = [image.height() as usize, image.width() as usize];
        ensure!(
            found == self.size,
            "sample {} has {found:?} pixels and not {:?}, so {} is not written; say --force to make it anew",
            self.done,
            self.size,
            self.path.display()
        );
        self.file.append(image.as_raw().as_slice())?;
        self.done += 1;
        Ok(())
    }

    /// Gives the file its name.
    pub fn finish(mut self) -> Result<()> {
        self.file
            .array("arr_1", &[self.labels.len()], &self.labels)?;
        Ok(self.file.finish()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use svg_image::ImageSet;

    #[test]
    fn samples_are_pictures_again_and_one_of_another_size_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("samples.npz");
        let image = |level: u8| RgbImage::from_pixel(4, 2, [level, 7, 9].into());
        let mut array = SampleArray::create(&path, vec![3, 0], [2, 4]).unwrap();
        array.push(&image(1)).unwrap();
        assert_eq!(array.next(), 1);
        array.push(&image(2)).unwrap();
        assert!(!path.exists());
        array.finish().unwrap();
        let set = ImageSet::open(std::slice::from_ref(&path)).unwrap();
        assert_eq!(
            (set.len(), set.class_name(0), set.class_name(1)),
            (2, Some("3"), Some("0"))
        );
        let read = svg_image::decode(&set.read(1).unwrap(), &Default::default()).unwrap();
        assert_eq!(read, image(2));

        let other = folder.path().join("other.npz");
        let mut array = SampleArray::create(&other, vec![3, 0], [4, 2]).unwrap();
        let error = array.push(&image(1)).unwrap_err().to_string();
        assert!(
            error.contains("sample 0 has [2, 4] pixels and not [4, 2]"),
            "{error}"
        );
        drop(array);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
