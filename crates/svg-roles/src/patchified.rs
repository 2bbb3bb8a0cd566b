//! Latents in patches.

use burn::prelude::*;

use crate::{Draw, Geometry, LatentSpace};

/// Tokens on a grid to one token for each square of `patch` x `patch` of them.
///
/// The channels of a patch are ordered by row in the patch, column in the patch and channel, so that every run of
/// `channels` numbers is one token of the input.
///
/// ```
/// use burn::prelude::*;
/// use svg_roles::{patchify, unpatchify};
///
/// let latents = Tensor::<3>::zeros([1, 32 * 32, 4], &Device::default());
/// let tokens = patchify(latents, [32, 32], 2);
/// assert_eq!(tokens.dims(), [1, 16 * 16, 16]);
/// assert_eq!(unpatchify(tokens, [16, 16], 2).dims(), [1, 32 * 32, 4]);
/// ```
///
/// # Shapes
///
/// - x: `[batch, rows * columns, channels]`, row by row
/// - output: `[batch, (rows / patch) * (columns / patch), patch * patch * channels]`
///
/// # Panics
///
/// If `patch` does not divide the grid, or `x` has another number of tokens.
pub fn patchify(x: Tensor<3>, [rows, columns]: [usize; 2], patch: usize) -> Tensor<3> {
    let [batch, tokens, channels] = x.dims();
    assert!(
        patch > 0 && rows.is_multiple_of(patch) && columns.is_multiple_of(patch),
        "patches of {patch} x {patch} do not fit into a grid of {rows} x {columns}"
    );
    assert!(
        tokens == rows * columns,
        "{tokens} tokens are not a grid of {rows} x {columns}"
    );
    let (high, wide) = (rows / patch, columns / patch);
    x.reshape([batch, high, patch, wide, patch, channels])
        .permute([0, 1, 3, 2, 4, 5])
        .reshape([batch, high * wide, patch * patch * channels])
}

/// The inverse of [`patchify`].
///
/// # Shapes
///
/// - x: `[batch, rows * columns, patch * patch * channels]`
/// - output: `[batch, (rows * patch) * (columns * patch), channels]`
///
/// # Panics
///
/// If the channels are no multiple of `patch * patch`, or `x` has another number of tokens.
pub fn unpatchify(x: Tensor<3>, [rows, columns]: [usize; 2], patch: usize) -> Tensor<3> {
    let [batch, tokens, channels] = x.dims();
    let area = patch * patch;
    assert!(
        area > 0 && channels.is_multiple_of(area),
        "{channels} channels are no patches of {patch} x {patch}"
    );
    assert!(
        tokens == rows * columns,
        "{tokens} tokens are not a grid of {rows} x {columns}"
    );
    x.reshape([batch, rows, columns, patch, patch, channels / area])
        .permute([0, 1, 3, 2, 4, 5])
        .reshape([batch, tokens * area, channels / area])
}

/// A latent space of which a network sees patches: DiT and SiT cut the 32 x 32 latents of 4 channels of Stable
/// Diffusion's autoencoder into 16 x 16 tokens of 16 channels.
#[derive(Clone, Copy, Debug)]
pub struct Patchified<L> {
    space: L,
    patch: usize,
}

impl<L: LatentSpace> Patchified<L> {
    /// Cuts the latents of `space` into patches of `patch` x `patch`.
    ///
    /// # Panics
    ///
    /// If `patch` does not divide the native grid of the space.
    pub fn new(space: L, patch: usize) -> Self {
        let [rows, columns] = space.geometry().grid();
        assert!(
            patch > 0 && rows.is_multiple_of(patch) && columns.is_multiple_of(patch),
            "patches of {patch} x {patch} do not fit into a grid of {rows} x {columns}"
        );
        Self { space, patch }
    }

    /// The space without patches.
    pub fn inner(&self) -> &L {
        &self.space
    }

    fn finer(&self, [rows, columns]: [usize; 2]) -> [usize; 2] {
        [rows * self.patch, columns * self.patch]
    }
}

impl<L: LatentSpace> LatentSpace for Patchified<L> {
    /// The noise of [`Draw::Sample`] has the shape of the patches.
    fn encode(&self, images: Tensor<4>, draw: Draw) -> Tensor<3> {
        let [_, _, height, width] = images.dims();
        let fine = self.space.geometry().grid_of([height, width]);
        let coarse = fine.map(|side| side / self.patch);
        let draw = match draw {
            Draw::Mode => Draw::Mode,
            Draw::Sample(noise) => Draw::Sample(unpatchify(noise, coarse, self.patch)),
        };
        patchify(self.space.encode(images, draw), fine, self.patch)
    }

    fn decode(&self, latents: Tensor<3>, grid: [usize; 2]) -> Tensor<4> {
        let latents = unpatchify(latents, grid, self.patch);
        self.space.decode(latents, self.finer(grid))
    }

    fn decode_tiled(&self, latents: Tensor<3>, grid: [usize; 2], tile: usize) -> Tensor<4> {
        let latents = unpatchify(latents, grid, self.patch);
        let tile = tile * self.patch;
        self.space.decode_tiled(latents, self.finer(grid), tile)
    }

    fn geometry(&self) -> Geometry {
        let Geometry {
            image,
            rows,
            columns,
            channels,
        } = self.space.geometry();
        Geometry {
            image,
            rows: rows / self.patch,
            columns: columns / self.patch,
            channels: channels * self.patch * self.patch,
        }
    }

    fn depends_on_batch(&self) -> bool {
        self.space.depends_on_batch()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    /// Each pixel is a token; noise is added to it.
    #[derive(Debug)]
    struct Pixels;

    impl LatentSpace for Pixels {
        fn encode(&self, images: Tensor<4>, draw: Draw) -> Tensor<3> {
            let tokens = images.flatten::<3>(2, 3).swap_dims(1, 2);
            match draw {
                Draw::Mode => tokens,
                Draw::Sample(noise) => tokens + noise,
            }
        }

        fn decode(&self, latents: Tensor<3>, [rows, columns]: [usize; 2]) -> Tensor<4> {
            let [batch, _, channels] = latents.dims();
            latents
                .swap_dims(1, 2)
                .reshape([batch, channels, rows, columns])
        }

        fn geometry(&self) -> Geometry {
            Geometry::of_patches([4, 6], 1, 3)
        }
    }

    fn images(height: usize, width: usize) -> Tensor<4> {
        let count = 2 * 3 * height * width;
        let values: Vec<f32> = (0..count).map(|i| i as f32).collect();
        let data = TensorData::new(values, [2, 3, height, width]);
        Tensor::from_data(data, &Device::default())
    }

    #[test]
    fn a_patch_has_its_rows_first_and_the_channels_of_a_token_together() {
        // Tokens 0 to 7 of two channels, on a grid of 2 x 4.
        let values: Vec<f32> = (0..16).map(|i| i as f32).collect();
        let x = Tensor::from_data(TensorData::new(values, [1, 8, 2]), &Device::default());
        let found = patchify(x, [2, 4], 2).into_data();
        let expected = [
            [0.0f32, 1.0, 2.0, 3.0, 8.0, 9.0, 10.0, 11.0],
            [4.0, 5.0, 6.0, 7.0, 12.0, 13.0, 14.0, 15.0],
        ];
        found.assert_eq(&TensorData::from([expected]), true);
    }

    #[test]
    fn a_space_in_patches_gives_images_back_at_every_size() {
        let space = Patchified::new(Pixels, 2);
        assert_eq!(space.geometry().grid(), [2, 3]);
        assert_eq!(
            (space.geometry().channels, space.geometry().tokens()),
            (12, 6)
        );
        for [height, width] in [[4, 6], [8, 2]] {
            let images = images(height, width);
            let grid = space.geometry().grid_of([height, width]);
            let latents = space.encode(images.clone(), Draw::Mode);
            assert_eq!(latents.dims(), [2, grid[0] * grid[1], 12]);
            let back = space.decode(latents.clone(), grid).into_data();
            back.assert_eq(&images.clone().into_data(), true);
            let tiled = space.decode_tiled(latents, grid, 1).into_data();
            tiled.assert_eq(&images.into_data(), true);
        }
    }

    #[test]
    fn noise_has_the_shape_of_the_patches() {
        let space = Patchified::new(Pixels, 2);
        let noise = patchify(Pixels.encode(images(4, 6), Draw::Mode), [4, 6], 2);
        let drawn = space.encode(images(4, 6), Draw::Sample(noise.clone()));
        drawn
            .into_data()
            .assert_eq(&(noise * 2.0).into_data(), true);
    }

    #[test]
    #[should_panic(expected = "patches of 4 x 4 do not fit into a grid of 4 x 6")]
    fn patches_that_do_not_fit_panic() {
        Patchified::new(Pixels, 4);
    }

    #[test]
    #[should_panic(expected = "6 channels are no patches of 2 x 2")]
    fn channels_that_are_no_patches_panic() {
        unpatchify(Tensor::zeros([1, 6, 6], &Device::default()), [2, 3], 2);
    }
}
