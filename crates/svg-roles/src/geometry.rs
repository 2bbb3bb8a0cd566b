//! Sizes of images and latents.

use serde::{Deserialize, Serialize};

/// Native sizes of the images and latents of a space.
///
/// ```
/// use svg_roles::Geometry;
///
/// let geometry = Geometry::of_patches([256, 256], 16, 392);
/// assert_eq!((geometry.grid(), geometry.tokens()), ([16, 16], 256));
/// assert_eq!(geometry.at([512, 384]).grid(), [32, 24]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Geometry {
    /// Height and width of an image in pixels.
    pub image: [usize; 2],
    /// Number of rows of tokens.
    pub rows: usize,
    /// Number of columns of tokens.
    pub columns: usize,
    /// Number of channels of a token.
    pub channels: usize,
}

impl Geometry {
    /// Geometry with one token for each square of `patch` x `patch` pixels.
    ///
    /// # Panics
    ///
    /// If `patch` is 0.
    pub fn of_patches([height, width]: [usize; 2], patch: usize, channels: usize) -> Self {
        assert!(patch > 0, "`patch` must be at least 1");
        Self {
            image: [height, width],
            rows: height / patch,
            columns: width / patch,
            channels,
        }
    }

    /// Rows and columns.
    pub fn grid(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// Number of tokens of an image.
    pub fn tokens(&self) -> usize {
        self.rows * self.columns
    }

    /// Height and width of a patch in pixels.
    pub fn patch(&self) -> [usize; 2] {
        [
            self.image[0] / self.rows.max(1),
            self.image[1] / self.columns.max(1),
        ]
    }

    /// Rows and columns of tokens for an image of another size.
    pub fn grid_of(&self, [height, width]: [usize; 2]) -> [usize; 2] {
        let [patch_height, patch_width] = self.patch();
        [height / patch_height.max(1), width / patch_width.max(1)]
    }

    /// Geometry of the same space for images of another size.
    pub fn at(&self, image: [usize; 2]) -> Self {
        let [rows, columns] = self.grid_of(image);
        Self {
            image,
            rows,
            columns,
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_tokens_scales_with_the_image() {
        let geometry = Geometry::of_patches([256, 256], 16, 392);
        assert_eq!(geometry.grid(), [16, 16]);
        assert_eq!(geometry.patch(), [16, 16]);
        assert_eq!(geometry.grid_of([512, 384]), [32, 24]);
        let wide = geometry.at([128, 256]);
        assert_eq!((wide.grid(), wide.tokens()), ([8, 16], 128));
        assert_eq!(wide.patch(), geometry.patch());
    }
}
