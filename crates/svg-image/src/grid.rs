//! Contact sheets.

use image::RgbImage;

/// A contact sheet with `columns` pictures per row and `gap` white pixels between cells.
///
/// All cells have the size of the largest picture; smaller ones are centred. The sheet has no border and no
/// more columns than pictures.
///
/// # Panics
///
/// If there are no pictures or `columns` is 0.
pub fn grid(images: &[RgbImage], columns: usize, gap: u32) -> RgbImage {
    assert!(!images.is_empty(), "a grid needs at least one picture");
    assert!(columns > 0, "a grid needs at least one column");
    let columns = columns.min(images.len());
    let rows = images.len().div_ceil(columns);
    let cell_width = images.iter().map(RgbImage::width).max().unwrap_or(0);
    let cell_height = images.iter().map(RgbImage::height).max().unwrap_or(0);
    let extent = |cells: usize, cell: u32| cells as u32 * (cell + gap) - gap;

    let (width, height) = (extent(columns, cell_width), extent(rows, cell_height));
    let mut sheet = RgbImage::from_pixel(width, height, image::Rgb([255; 3]));
    for (index, image) in images.iter().enumerate() {
        let (column, row) = ((index % columns) as u32, (index / columns) as u32);
        let x = column * (cell_width + gap) + (cell_width - image.width()) / 2;
        let y = row * (cell_height + gap) + (cell_height - image.height()) / 2;
        image::imageops::replace(&mut sheet, image, x.into(), y.into());
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One letter per pixel that encodes its level, `.` for white.
    fn drawn(sheet: &RgbImage) -> Vec<String> {
        let letter = |pixel: &image::Rgb<u8>| match pixel.0[0] {
            255 => '.',
            level => char::from(b'a' + level),
        };
        sheet.rows().map(|row| row.map(letter).collect()).collect()
    }

    fn square(level: u8, width: u32, height: u32) -> RgbImage {
        RgbImage::from_pixel(width, height, image::Rgb([level; 3]))
    }

    #[test]
    fn pictures_fill_rows_with_gaps_between() {
        let images = [square(0, 2, 1), square(1, 2, 1), square(2, 2, 1)];
        assert_eq!(drawn(&grid(&images, 2, 1)), ["aa.bb", ".....", "cc..."]);
    }

    #[test]
    fn small_pictures_are_centred_in_their_cells() {
        let images = [square(0, 3, 3), square(1, 1, 1)];
        assert_eq!(drawn(&grid(&images, 2, 0)), ["aaa...", "aaa.b.", "aaa..."]);
    }

    #[test]
    fn empty_columns_are_omitted() {
        assert_eq!(drawn(&grid(&[square(4, 2, 2)], 8, 3)), ["ee", "ee"]);
    }

    #[test]
    #[should_panic(expected = "at least one picture")]
    fn a_grid_without_pictures_panics() {
        grid(&[], 3, 0);
    }
}
