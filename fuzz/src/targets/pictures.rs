//! Pictures of every kind.

use svg_image::{DecodeOptions, Orientation, decode, dimensions, read_note};

use super::Target;
use crate::input::{Input, Seed};
use crate::verdict::Verdict;
use crate::world::{World, repository};

/// Larger pictures are refused by their header, so that an input cannot ask for gigabytes.
const MOST_PIXELS: u64 = 1 << 24;

pub fn targets() -> Vec<Target> {
    let target = |name, about, share, seeds| Target {
        name,
        about,
        share,
        seeds,
        made: false,
        anew: false,
        check,
    };
    vec![
        target("pictures", "PNG, JPEG, GIF, BMP, WebP and PNM", 250, |_| {
            of(&[
                "png", "jpg", "gif", "bmp", "webp", "pbm", "pgm", "ppm", "pnm",
            ])
        }),
        target("tiff", "TIFF of every layout and compression", 150, |_| {
            of(&["tif"])
        }),
        Target {
            made: true,
            check: note,
            ..target(
                "notes",
                "the settings that samples carry",
                10,
                |world: &World| Seed::files(&world.path("samples"), &["png"]),
            )
        },
    ]
}

/// Pictures of the golden tests.
fn of(endings: &[&str]) -> anyhow::Result<Vec<Seed>> {
    Seed::files(&repository("crates/svg-image/tests/golden"), endings)
}

fn check(input: &Input, _: &World) -> Verdict {
    let bytes = match std::fs::read(&input.file) {
        Ok(bytes) => bytes,
        Err(error) => return Verdict::Refused(error.to_string()),
    };
    let size = dimensions(&bytes);
    let options = DecodeOptions {
        orientation: Orientation::Exif,
        max_pixels: MOST_PIXELS,
    };
    let picture = decode(&bytes, &options);
    // The frame of a GIF may be larger than its screen.
    if let (Ok((width, height)), Ok(picture), false) = (&size, &picture, bytes.starts_with(b"GIF"))
    {
        let found = picture.dimensions();
        if found != (*width, *height) && found != (*height, *width) {
            return Verdict::Wrong(format!(
                "the header says {width} x {height}, the picture has {found:?}"
            ));
        }
    }
    Verdict::of(picture)
}

fn note(input: &Input, _: &World) -> Verdict {
    match read_note(&input.file, "Parameters") {
        Some(_) => Verdict::Accepted,
        None => Verdict::Refused("no note".to_string()),
    }
}
