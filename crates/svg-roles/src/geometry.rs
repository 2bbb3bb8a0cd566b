//! How latents lie over an image.

use serde::{Deserialize, Serialize};

/// Sizes of the images and latents that a space was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Geometry {
    /// Height and width of an image in pixels.
    pub image: [usize; 2],
    /// Tokens from top to bottom.
    pub rows: usize,
    /// Tokens from left to right.
    pub columns: usize,
    /// Numbers of one token.
    pub channels: usize,
}

impl Geometry {
    /// One token for each square of `patch` pixels.
    ///
    /// # Panics
    ///
    /// If `patch` is 0.
    pub fn of_patches([height, width]: [usize; 2], patch: usize, channels: usize) -> Self {
        assert!(patch > 0, "a patch has at least one pixel");
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

    /// Tokens of an image.
    pub fn tokens(&self) -> usize {
        self.rows * self.columns
    }

    /// Height and width of the pixels under one token.
    pub fn patch(&self) -> [usize; 2] {
        [
            self.image[0] / self.rows.max(1),
            self.image[1] / self.columns.max(1),
        ]
    }

    /// Rows and columns of an image of another size.
    pub fn grid_of(&self, [height, width]: [usize; 2]) -> [usize; 2] {
        let [patch_height, patch_width] = self.patch();
        [height / patch_height.max(1), width / patch_width.max(1)]
    }

    /// The same space for images of another size.
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
    fn larger_images_have_more_tokens_of_the_same_patches() {
        let geometry = Geometry::of_patches([256, 256], 16, 392);
        assert_eq!(geometry.grid(), [16, 16]);
        assert_eq!(geometry.patch(), [16, 16]);
        assert_eq!(geometry.grid_of([512, 384]), [32, 24]);
        let wide = geometry.at([128, 256]);
        assert_eq!((wide.grid(), wide.tokens()), ([8, 16], 128));
        assert_eq!(wide.patch(), geometry.patch());
    }
}
