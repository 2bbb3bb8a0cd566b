//! Pictures of which classes are taken for which.

use std::path::Path;

use anyhow::Result;
use svg_eval::Confusion;
use svg_image::{Rgb, RgbImage, save_png};
use svg_report::{Anchor, Drawing, Text};
use svg_store::write_bytes;

/// With more classes than this, names and numbers would be too small to read.
const READABLE: usize = 64;

/// Letters of a name that are drawn.
const LONGEST: usize = 30;

/// The side of a square of the drawing, in pixels.
const SIDE: f64 = 40.0;

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
    let longest = names.iter().map(|name| name.chars().count()).max();
    let margin = 44.0 + 7.0 * longest.unwrap_or(0).min(LONGEST) as f64;
    let edge = margin + SIDE * names.len() as f64;
    let mut drawing = Drawing::new([edge + 20.0, edge + 60.0], title);
    draw(
        &mut drawing,
        confusion,
        names,
        title,
        [margin, margin + 40.0],
    );
    write_bytes(path, drawing.svg())?;
    Ok(true)
}

fn draw(
    drawing: &mut Drawing,
    confusion: &Confusion,
    names: &[String],
    title: &str,
    [left, above]: [f64; 2],
) {
    let plain = Text::default();
    drawing.text(
        [12.0, 20.0],
        title,
        Text {
            size: 16.0,
            ..plain
        },
    );
    let axes = "rows: the class, columns: what was said";
    drawing.text([12.0, 40.0], axes, plain);
    let anchored = |anchor| Text { anchor, ..plain };
    let upwards = Text {
        upwards: true,
        ..plain
    };
    for (row, name) in names.iter().enumerate() {
        let top = above + SIDE * row as f64;
        let middle = SIDE * (row as f64 + 0.5);
        let name: String = name.chars().take(LONGEST).collect();
        drawing.text([left - 6.0, above + middle], &name, anchored(Anchor::End));
        drawing.text([left + middle, above - 6.0], &name, upwards);
        for column in 0..names.len() {
            let x = left + SIDE * column as f64;
            let [r, g, b] = colour(confusion, row, column);
            let fill = format!("#{r:02x}{g:02x}{b:02x}");
            drawing.rectangle([x + 1.0, top + 1.0, SIDE - 2.0, SIDE - 2.0], &fill);
            let count = confusion.of(row, column);
            if count > 0 {
                let dark = share(confusion, row, column) > 0.5;
                let style = Text {
                    colour: if dark { "#ffffff" } else { "#000000" },
                    ..anchored(Anchor::Middle)
                };
                let place = [x + SIDE / 2.0, top + SIDE / 2.0];
                drawing.text(place, &count.to_string(), style);
            }
        }
    }
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
