//! Pictures in batches.

use burn::prelude::*;
use svg_image::{ImageError, Loaded, Loader, RgbImage};
use svg_roles::{Images, Signed};

use super::error::DataError;
use super::recipe::{Recipe, Smaller};

/// So many broken pictures are tolerated whatever their share.
const TOLERATED: u64 = 50;

/// What is done about pictures that cannot be read.
#[derive(Clone, Copy, Debug)]
pub enum Broken {
    /// The first is an error.
    Strict,
    /// They are left out.
    Skip,
    /// They are left out, until more than 50 and more than half of the pictures are broken: then something
    /// is wrong with all of them.
    Judge(Judge),
}

/// Counts broken pictures.
#[derive(Clone, Copy, Debug, Default)]
pub struct Judge {
    tried: u64,
    broken: u64,
    /// Counting begins anew after so many.
    window: Option<u64>,
}

impl Judge {
    /// Counts over all pictures.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a hundred pictures, then the next hundred.
    pub fn by_hundreds() -> Self {
        Self {
            window: Some(100),
            ..Self::default()
        }
    }

    /// Counts a picture. Whether too many are broken.
    fn count(&mut self, is_broken: bool) -> bool {
        if self.window == Some(self.tried) {
            (self.tried, self.broken) = (0, 0);
        }
        self.tried += 1;
        self.broken += u64::from(is_broken);
        is_broken && self.broken > TOLERATED && self.broken * 2 > self.tried
    }
}

/// Pictures that were read together.
#[derive(Debug, Default)]
pub struct PictureBatch {
    /// The pictures, prepared.
    pub images: Vec<RgbImage>,
    /// Their numbers in the set.
    pub indices: Vec<usize>,
    /// Their names in the set.
    pub names: Vec<String>,
    /// The numbers of broken pictures that were passed over, and what is wrong with each.
    pub broken: Vec<(usize, ImageError)>,
    /// Pictures that were smaller than the crop and have been enlarged.
    pub enlarged: u64,
}

impl PictureBatch {
    /// Pictures that were read or passed over.
    pub fn tried(&self) -> usize {
        self.images.len() + self.broken.len()
    }

    /// The pictures as networks take them, `[batch, 3, height, width]` in [-1, 1].
    pub fn to_tensor(&self, device: &Device) -> Tensor<4> {
        to_tensor(&self.images, device)
    }
}

/// Pictures of one size as networks take them, `[batch, 3, height, width]` in [-1, 1].
pub(crate) fn to_tensor(images: &[RgbImage], device: &Device) -> Tensor<4> {
    Images::<Signed>::from_rgb(images, device).into_tensor()
}

/// The pictures of a [`Loader`] in batches, in order.
///
/// All batches but the last are full. The last may hold no pictures but broken ones.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let picture = svg_image::RgbImage::new(40, 30);
/// # for name in ["1.png", "2.png", "3.png"] {
/// #     svg_image::save_png(&picture, folder.path().join(name), &[]).unwrap();
/// # }
/// # let folder = folder.path().to_path_buf();
/// use std::sync::Arc;
/// use svg_image::{ImageSet, Loader, adm_crop};
/// use svg_train::data::{Batches, Broken};
///
/// let set = Arc::new(ImageSet::open(&[folder])?);
/// let loader = Loader::new(set, |image| adm_crop(&image, 16), 1);
/// for batch in Batches::new(loader, 2, Broken::Strict) {
///     let images = batch?.to_tensor(&Default::default());
///     assert_eq!(images.dims()[1..], [3, 16, 16]);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Batches {
    loader: Loader,
    size: usize,
    broken: Broken,
    /// For what is smaller than its crop.
    recipe: Option<Recipe>,
}

impl Batches {
    /// Batches of `size` pictures.
    ///
    /// # Panics
    ///
    /// If `size` is 0.
    pub fn new(loader: Loader, size: usize, broken: Broken) -> Self {
        assert!(size > 0, "a batch needs at least one picture");
        Self {
            loader,
            size,
            broken,
            recipe: None,
        }
    }

    /// The same, with pictures that are smaller than the crop counted or refused as the recipe says.
    pub fn with_recipe(mut self, recipe: Recipe) -> Self {
        self.recipe = Some(recipe);
        self
    }

    /// How broken pictures are treated, with what was counted so far.
    pub(crate) fn broken(&self) -> Broken {
        self.broken
    }

    /// All pictures as one batch.
    ///
    /// # Errors
    ///
    /// As [`next`](Iterator::next), and [`DataError::Image`] with what is wrong with the last picture if all
    /// are broken.
    pub fn all(mut self) -> Result<PictureBatch, DataError> {
        self.size = usize::MAX;
        let mut all = self.next().transpose()?.unwrap_or_default();
        if all.images.is_empty()
            && let Some((_, error)) = all.broken.pop()
        {
            return Err(error.into());
        }
        Ok(all)
    }

    fn take(&mut self, loaded: Loaded, batch: &mut PictureBatch) -> Result<(), DataError> {
        if let (Some(recipe), Some((width, height))) = (&self.recipe, loaded.decoded)
            && recipe.is_smaller((width, height))
        {
            if recipe.smaller == Smaller::Refuse {
                return Err(DataError::Smaller {
                    name: loaded.name,
                    width,
                    height,
                    size: recipe.size,
                });
            }
            batch.enlarged += 1;
        }
        let too_many = match &mut self.broken {
            Broken::Judge(judge) => judge.count(loaded.image.is_err()),
            Broken::Strict | Broken::Skip => false,
        };
        match (loaded.image, self.broken) {
            (Ok(image), _) => {
                batch.images.push(image);
                batch.indices.push(loaded.index);
                batch.names.push(loaded.name);
            }
            (Err(error), Broken::Strict) => return Err(error.into()),
            (Err(last), Broken::Judge(judge)) if too_many => {
                let (broken, read) = (judge.broken, judge.tried);
                return Err(DataError::Broken { broken, read, last });
            }
            (Err(error), _) => batch.broken.push((loaded.index, error)),
        }
        Ok(())
    }
}

impl Iterator for Batches {
    type Item = Result<PictureBatch, DataError>;

    /// # Errors
    ///
    /// [`DataError`] if a picture is broken and that is not tolerated, or smaller than a recipe that refuses
    /// such. The batch is lost then.
    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = PictureBatch::default();
        while batch.images.len() < self.size
            && let Some(loaded) = self.loader.next()
        {
            if let Err(error) = self.take(loaded, &mut batch) {
                return Some(Err(error));
            }
        }
        (batch.tried() > 0).then_some(Ok(batch))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use svg_image::ImageSet;

    use super::*;

    /// Batches of two of pictures that are 4 x 4, those in `broken` cut off.
    fn batches(count: u8, broken: &[u8], policy: Broken) -> (tempfile::TempDir, Batches) {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..count {
            let mut bytes = b"P6 4 4 255\n".to_vec();
            bytes.extend([number; 48]);
            if broken.contains(&number) {
                bytes.pop();
            }
            std::fs::write(folder.path().join(format!("{number:03}.ppm")), bytes).unwrap();
        }
        let set = Arc::new(ImageSet::open(&[folder.path().into()]).unwrap());
        let loader = Loader::new(set, |image| image, 2);
        (folder, Batches::new(loader, 2, policy))
    }

    fn indices(batches: Batches) -> Vec<(Vec<usize>, usize)> {
        let batches = batches.map(Result::unwrap);
        batches
            .map(|batch| (batch.indices, batch.broken.len()))
            .collect()
    }

    #[test]
    fn batches_are_full_but_for_the_last() {
        let (_folder, batches) = batches(5, &[1], Broken::Skip);
        assert_eq!(indices(batches), [(vec![0, 2], 1), (vec![3, 4], 0)]);
    }

    #[test]
    fn the_last_batch_reports_broken_pictures_although_it_has_no_others() {
        let (_folder, batches) = batches(3, &[2], Broken::Skip);
        assert_eq!(indices(batches), [(vec![0, 1], 0), (vec![], 1)]);
    }

    #[test]
    fn strict_batches_end_with_the_first_broken_picture() {
        let (_folder, mut batches) = batches(4, &[3], Broken::Strict);
        assert!(batches.next().unwrap().is_ok());
        let error = batches.next().unwrap().unwrap_err().to_string();
        assert!(error.contains("003.ppm"), "{error}");
    }

    #[test]
    fn all_pictures_are_an_error_only_if_all_are_broken() {
        let (_folder, some) = batches(3, &[0, 2], Broken::Skip);
        assert_eq!(some.all().unwrap().indices, [1]);
        let (_folder, none) = batches(3, &[0, 1, 2], Broken::Skip);
        let error = none.all().unwrap_err().to_string();
        assert!(error.contains("002.ppm"), "{error}");
    }

    #[test]
    fn too_many_broken_pictures_are_an_error() {
        let broken: Vec<u8> = (0..60).collect();
        let (_folder, mut few) = batches(150, &broken[..50], Broken::Judge(Judge::new()));
        assert!(Iterator::all(&mut few, |batch| batch.is_ok()));
        let (_folder, mut many) = batches(150, &broken, Broken::Judge(Judge::new()));
        let error = many.find_map(Result::err).unwrap().to_string();
        assert!(error.contains("51 of 51"), "{error}");
    }
}
