//! Random resized crops.

use serde::{Deserialize, Serialize};
use svg_store::Random;

use crate::resample::Region;

/// Number of attempts before a centre crop is used, as in torchvision.
const TRIES: usize = 10;

/// Settings of random crops.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CropSettings {
    /// Side of the view, in pixels.
    pub size: u32,
    /// Minimum and maximum of the crop's fraction of the picture's area, which is uniform.
    pub scale: [f64; 2],
}

/// Region of torchvision's `RandomResizedCrop`: random area, aspect ratio and position. If no attempt fits
/// into the picture, it is the largest centred region with an allowed aspect ratio.
pub(super) fn region(
    crop: CropSettings,
    ratio: [f64; 2],
    width: u32,
    height: u32,
    random: &mut Random,
) -> Region {
    let (columns, rows) = (f64::from(width), f64::from(height));
    for _ in 0..TRIES {
        let area = columns * rows * random.between(crop.scale[0], crop.scale[1]);
        let aspect = random.between(ratio[0].ln(), ratio[1].ln()).exp();
        // Python's `round`: halves go to the even neighbour.
        let across = (area * aspect).sqrt().round_ties_even() as u32;
        let down = (area / aspect).sqrt().round_ties_even() as u32;
        if (1..=width).contains(&across) && (1..=height).contains(&down) {
            return Region {
                left: random.below(u64::from(width - across) + 1) as u32,
                top: random.below(u64::from(height - down) + 1) as u32,
                width: across,
                height: down,
            };
        }
    }
    let aspect = (columns / rows).clamp(ratio[0], ratio[1]);
    let fitting = |side: f64, most: u32| (side.round_ties_even() as u32).clamp(1, most);
    let across = fitting(rows * aspect, width);
    let down = fitting(columns / aspect, height);
    Region {
        left: (width - across) / 2,
        top: (height - down) / 2,
        width: across,
        height: down,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random() -> Random {
        Random::keyed([5, 1, 0, 0])
    }

    #[test]
    fn crops_respect_area_and_aspect_ratio_and_reach_every_edge() {
        let crop = CropSettings {
            size: 8,
            scale: [0.1, 0.4],
        };
        let ratio = [0.75, 4.0 / 3.0];
        let (width, height) = (300, 200);
        let mut random = random();
        let (mut shares, mut shapes) = (Vec::new(), Vec::new());
        let (mut right, mut bottom) = (0, 0);
        for _ in 0..4000 {
            let region = region(crop, ratio, width, height, &mut random);
            let (across, down) = (f64::from(region.width), f64::from(region.height));
            shares.push(across * down / 60_000.0);
            shapes.push((across / down).ln());
            right = right.max(region.left + region.width);
            bottom = bottom.max(region.top + region.height);
        }
        // Rounding a side of at least 65 pixels changes shares and shapes by less than 2 %.
        assert!(shares.iter().all(|share| (0.098..0.408).contains(share)));
        assert!(
            shapes
                .iter()
                .all(|shape| shape.abs() < (4.0_f64 / 3.0).ln() + 0.02)
        );
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean(&shares) - 0.25).abs() < 0.006, "{}", mean(&shares));
        assert!(mean(&shapes).abs() < 0.012, "{}", mean(&shapes));
        assert_eq!((right, bottom), (width, height));
    }

    #[test]
    fn the_largest_centred_crop_is_used_if_none_fits() {
        let crop = CropSettings {
            size: 8,
            scale: [1.0, 1.0],
        };
        let mut random = random();
        let mut check = |width, height, [left, top, across, down]: [u32; 4]| {
            let expected = Region {
                left,
                top,
                width: across,
                height: down,
            };
            let found = region(crop, [0.75, 4.0 / 3.0], width, height, &mut random);
            assert_eq!(found, expected);
        };
        check(100, 30, [30, 0, 40, 30]);
        check(30, 100, [0, 30, 30, 40]);
        check(1, 1000, [0, 499, 1, 1]);
    }
}
