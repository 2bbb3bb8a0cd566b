//! Pictures of which classes are taken for which.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use svg_eval::Confusion;
use svg_image::{Rgb, RgbImage, save_png};
use svg_report::render;
use svg_store::write_bytes;

/// With more classes than this, names and numbers would be too small to read.
const READABLE: usize = 64;

/// Letters of a name that are drawn.
const LONGEST: usize = 30;

const RIGHT: [u8; 3] = [31, 119, 180];
const WRONG: [u8; 3] = [214, 39, 40];

/// The matrix as a PNG of coloured squares: rows are the truth, columns what was said. The stronger the
/// colour, the greater the share of the row; right is blue and wrong is red.
pub fn save_matrix(path: &Path, confusion: &Confusion, note: &str) -> Result<()> {
    let classes = confusion.classes() as u32;
    let side = (640 / classes.max(1)).clamp(1, 48);
    let line = u32::from(side > 4);
    let picture = RgbImage::from_fn(classes * side, classes * side, |x, y| {
        let on_line = x % side < line || y % side < line;
        match on_line {
            true => Rgb([255; 3]),
            false => Rgb(colour(confusion, (y / side) as usize, (x / side) as usize)),
        }
    });
    Ok(save_png(&picture, path, &[("Command", note)])?)
}

/// What the template draws.
#[derive(Serialize)]
struct Drawing<'a> {
    title: &'a str,
    /// Space for a name, in pixels.
    margin: usize,
    /// Of each class, what is drawn of its name, and its row.
    rows: Vec<(String, Vec<Cell>)>,
}

#[derive(Serialize)]
struct Cell {
    count: u64,
    fill: String,
    /// Whether a number on it must be light.
    dark: bool,
}

/// The matrix as an SVG with the names of the classes and the counts. Returns whether there is one: not with
/// more classes than can be read.
pub fn save_drawing(
    path: &Path,
    confusion: &Confusion,
    names: &[String],
    title: &str,
) -> Result<bool> {
    if confusion.classes() > READABLE {
        return Ok(false);
    }
    let cell = |row: usize, column: usize| {
        let [r, g, b] = colour(confusion, row, column);
        Cell {
            count: confusion.of(row, column),
            fill: format!("#{r:02x}{g:02x}{b:02x}"),
            dark: share(confusion, row, column) > 0.5,
        }
    };
    let rows = names.iter().enumerate().map(|(row, name)| {
        let cells = (0..names.len()).map(|column| cell(row, column));
        (name.chars().take(LONGEST).collect(), cells.collect())
    });
    let rows: Vec<(String, Vec<Cell>)> = rows.collect();
    let longest = rows.iter().map(|(name, _)| name.chars().count()).max();
    let margin = 44 + 7 * longest.unwrap_or(0);
    let drawing = Drawing {
        title,
        margin,
        rows,
    };
    write_bytes(path, render(include_str!("confusion.svg"), drawing))?;
    Ok(true)
}

/// What part of its row a cell is.
fn share(confusion: &Confusion, truth: usize, said: usize) -> f64 {
    confusion.of(truth, said) as f64 / confusion.asked(truth).max(1) as f64
}

/// From a light grey, nothing, to the full colour, all of the row.
fn colour(confusion: &Confusion, truth: usize, said: usize) -> [u8; 3] {
    let full = if truth == said { RIGHT } else { WRONG };
    let share = share(confusion, truth, said);
    full.map(|full| (242.0 + (f64::from(full) - 242.0) * share).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use svg_image::{DecodeOptions, read_image};

    #[test]
    fn a_matrix_is_blue_where_it_is_right_red_where_it_is_wrong_and_grey_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("matrix.png");
        let confusion = Confusion::new(2, &[0, 0, 1], &[0, 0, 0]);
        save_matrix(&path, &confusion, "svg probe").unwrap();
        let picture = read_image(&path, &DecodeOptions::default()).unwrap();
        assert_eq!(picture.dimensions(), (96, 96));
        let at = |x, y| picture.get_pixel(x, y).0;
        assert_eq!([at(24, 24), at(72, 24)], [RIGHT, [242; 3]]);
        assert_eq!([at(24, 72), at(72, 72)], [WRONG, [242; 3]]);
    }

    #[test]
    fn a_drawing_has_names_and_counts_as_long_as_they_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("matrix.svg");
        let names = |count: usize| {
            (0..count)
                .map(|i| format!("class <{i}>"))
                .collect::<Vec<_>>()
        };
        let confusion = Confusion::new(2, &[1; 37], &[0; 37]);
        assert!(save_drawing(&path, &confusion, &names(2), "20-nn").unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.contains("37") && text.contains("class &lt;1&gt;"),
            "{text}"
        );
        assert!(text.trim_end().ends_with("</svg>"));

        let path = folder.path().join("many.svg");
        let many = Confusion::new(65, &[0], &[64]);
        assert!(!save_drawing(&path, &many, &names(65), "20-nn").unwrap());
        assert!(!path.exists());
    }
}
