//! Pictures that a command has put into a folder.

use std::path::PathBuf;

use anyhow::{Result, bail};
use svg_image::{RgbImage, save_png};

/// The paths of pictures, which are all there at the end or the command has failed: somebody may remove a folder
/// while it is filled.
#[derive(Default)]
pub struct Saved(Vec<PathBuf>);

impl Saved {
    /// Saves a picture, as [`save_png`] does.
    pub fn save(&mut self, image: &RgbImage, path: PathBuf, notes: &[(&str, &str)]) -> Result<()> {
        save_png(image, &path, notes)?;
        self.keep(path);
        Ok(())
    }

    /// Counts a picture that was there already.
    pub fn keep(&mut self, path: PathBuf) {
        self.0.push(path);
    }

    /// An error if one is no longer there.
    pub fn check(&self) -> Result<()> {
        let mut gone = self.0.iter().filter(|path| !path.is_file());
        let Some(first) = gone.next() else {
            return Ok(());
        };
        bail!(
            "{} of {} pictures were removed while this command ran, such as {}; give the command again",
            1 + gone.count(),
            self.0.len(),
            first.display()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_that_are_removed_are_counted_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |number: u32| folder.path().join(format!("{number}.png"));
        let mut saved = Saved::default();
        let image = RgbImage::new(2, 2);
        (0..5).for_each(|number| saved.save(&image, path(number), &[]).unwrap());
        saved.check().unwrap();
        for number in [1, 3] {
            std::fs::remove_file(path(number)).unwrap();
        }
        let error = saved.check().unwrap_err().to_string();
        assert!(error.contains("2 of 5 pictures were removed"), "{error}");
        assert!(error.contains("1.png"), "{error}");
    }
}
