//! A picture of how well a decoder does.

use svg_image::{RgbImage, grid};

/// Pairs in a row of the sheet.
const PAIRS: usize = 8;

/// Each original above its reconstruction, eight pairs to a row.
///
/// White lines stand between pictures: two pixels within a pair, eight between pairs.
///
/// # Panics
///
/// If there are no pictures, or not as many reconstructions as originals.
pub fn comparison_sheet(originals: &[RgbImage], reconstructions: &[RgbImage]) -> RgbImage {
    assert_eq!(
        originals.len(),
        reconstructions.len(),
        "every original needs its reconstruction"
    );
    let pairs: Vec<_> = originals
        .iter()
        .zip(reconstructions)
        .map(|(original, reconstruction)| grid(&[original.clone(), reconstruction.clone()], 1, 2))
        .collect();
    grid(&pairs, PAIRS, 8)
}

#[cfg(test)]
mod tests {
    use svg_image::Rgb;

    use super::*;

    fn squares(levels: std::ops::Range<u8>) -> Vec<RgbImage> {
        levels
            .map(|level| RgbImage::from_pixel(4, 4, Rgb([level; 3])))
            .collect()
    }

    #[test]
    fn reconstructions_stand_under_their_originals() {
        let sheet = comparison_sheet(&squares(0..9), &squares(100..109));
        // Eight columns, two rows of pairs.
        assert_eq!(sheet.dimensions(), (8 * 12 - 8, 2 * (10 + 8) - 8));
        let level = |x, y| sheet.get_pixel(x, y).0[0];
        assert_eq!((level(12, 0), level(12, 6)), (1, 101));
        assert_eq!((level(0, 18), level(0, 24)), (8, 108));
        assert_eq!((level(12, 4), level(12, 18)), (255, 255));
    }

    #[test]
    #[should_panic(expected = "every original needs its reconstruction")]
    fn an_original_alone_is_a_mistake_of_the_caller() {
        comparison_sheet(&squares(0..2), &squares(0..1));
    }
}
