//! Pixels themselves as a latent space.

use burn::prelude::*;
use serde::{Deserialize, Serialize};
use svg_roles::{Draw, Geometry, LatentSpace};
use svg_store::{Checked, first, outside};

use crate::{NewPart, Provenance, kinds};

/// Patches of pixels, `3 patch²` channels each: the space of which nothing is learned, beside which others are judged.
///
/// Channels of a token are its pixels row by row, each as red, green and blue. Encoding and decoding lose nothing.
///
/// ```
/// use burn::prelude::*;
/// use burn::tensor::Distribution;
/// use svg_model::Pixels;
/// use svg_roles::{Draw, LatentSpace};
///
/// let pixels = Pixels { patch: 4, size: 32 };
/// let images = Tensor::<4>::random([2, 3, 32, 32], Distribution::Default, &Device::default());
/// let tokens = pixels.encode(images.clone(), Draw::Mode);
/// assert_eq!(tokens.dims(), [2, 64, 48]);
/// assert_eq!(pixels.decode(tokens, [8, 8]).into_data(), images.into_data());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pixels {
    /// Side of a patch.
    pub patch: usize,
    /// Side of the images that the space is made for.
    pub size: usize,
}

impl Pixels {
    /// The part of a bundle. It has no files.
    pub fn into_part(self) -> NewPart {
        let mut new = NewPart::new(kinds::PIXELS, &self);
        let name = format!("pixels, patches of {0} x {0}", self.patch);
        new.part.fingerprint = Some(svg_store::sha256(&name));
        new.part.name = name;
        new.part.geometry = Some(self.geometry());
        new.part.provenance = Provenance {
            notes: vec!["pixels themselves: nothing was learned".to_string()],
            ..Provenance::default()
        };
        new
    }
}

impl LatentSpace for Pixels {
    fn encode(&self, images: Tensor<4>, _: Draw) -> Tensor<3> {
        let ([batch, channels, height, width], patch) = (images.dims(), self.patch);
        let (rows, columns) = (height / patch, width / patch);
        images
            .reshape([batch, channels, rows, patch, columns, patch])
            .permute([0, 2, 4, 3, 5, 1])
            .reshape([batch, rows * columns, patch * patch * channels])
    }

    fn decode(&self, latents: Tensor<3>, [rows, columns]: [usize; 2]) -> Tensor<4> {
        let ([batch, _, _], patch) = (latents.dims(), self.patch);
        latents
            .reshape([batch, rows, columns, patch, patch, 3])
            .permute([0, 5, 1, 3, 2, 4])
            .reshape([batch, 3, rows * patch, columns * patch])
    }

    fn geometry(&self) -> Geometry {
        Geometry::of_patches([self.size; 2], self.patch, 3 * self.patch * self.patch)
    }
}

impl Checked for Pixels {
    fn problem(&self) -> Option<String> {
        let whole = || {
            let rest = self.size % self.patch;
            (rest > 0).then(|| {
                format!(
                    "patch is {}, which does not divide size {}",
                    self.patch, self.size
                )
            })
        };
        first([
            outside("patch", self.patch, 1..=128),
            outside("size", self.size, 1..=1 << 14),
        ])
        .or_else(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bundle, OpenOptions, Registry, SPACE};

    #[test]
    fn a_token_is_a_patch_row_by_row_and_a_bundle_opens_it() {
        let (device, place) = (Device::default(), tempfile::tempdir().unwrap());
        let pixels = Pixels { patch: 2, size: 4 };
        let folder = place.path().join("bundle");
        let bundle = Bundle::create(&folder, [(SPACE, pixels.into_part())], false).unwrap();
        let space = Registry::standard()
            .space(&bundle, &OpenOptions::default(), &device)
            .unwrap();
        let images = Tensor::<1, Int>::arange(0..48, &device)
            .float()
            .reshape([1, 3, 4, 4]);
        let tokens = space.encode(images.clone(), Draw::Mode);
        let second = tokens
            .clone()
            .narrow(1, 1, 1)
            .into_data()
            .iter::<f32>()
            .collect::<Vec<_>>();
        // The upper right patch: pixels 2, 3, 6 and 7 of each of the planes, which are 16 numbers long.
        let expected = [2, 3, 6, 7].map(|at| [at, at + 16, at + 32].map(|value| value as f32));
        assert_eq!(second, expected.concat());
        assert_eq!(space.decode(tokens, [2, 2]).into_data(), images.into_data());
        assert_eq!(space.geometry().channels, 12);
    }

    #[test]
    fn sizes_that_cannot_be_are_named() {
        let problem = |patch, size| Pixels { patch, size }.problem();
        assert_eq!(problem(4, 32), None);
        assert!(problem(0, 32).unwrap().contains("patch"));
        assert!(problem(5, 32).unwrap().contains("does not divide"));
    }
}
