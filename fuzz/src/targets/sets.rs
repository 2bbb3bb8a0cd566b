//! Archives, lists and folders of pictures.

use svg_image::{DecodeOptions, ImageSet, decode};

use super::Target;
use crate::input::{Input, Seed};
use crate::verdict::Verdict;
use crate::world::World;

/// Pictures of a set that are read.
const READ: usize = 12;

pub fn targets() -> Vec<Target> {
    let target = |name, about, share, seeds| Target {
        name,
        about,
        share,
        seeds,
        made: true,
        anew: false,
        check,
    };
    vec![
        target(
            "archives",
            "tar, tar compressed by gzip, bzip2, zstd and xz, and zip",
            120,
            |world| {
                let endings = ["tar", "gz", "bz2", "zst", "xz", "zip"];
                Seed::files(&world.path("sets"), &endings)
            },
        ),
        target(
            "lists",
            "lists as text, CSV and JSON, with and without labels",
            80,
            |world| {
                let lists = world.path("sets/lists");
                let all = Seed::folder(&lists)?.into_iter();
                Ok(all.filter(|seed| is_list(&seed.file)).collect())
            },
        ),
    ]
}

/// A list lies beside the folders of its pictures.
fn is_list(file: &std::path::Path) -> bool {
    file.components().count() == 1
}

fn check(input: &Input, _: &World) -> Verdict {
    Verdict::of(read(input))
}

fn read(input: &Input) -> Result<(), svg_image::ImageError> {
    let set = ImageSet::open(std::slice::from_ref(&input.file))?;
    // What a command says of classes; that there are none is no error of a list.
    let _ = set.classes();
    let _ = set.notes();
    for index in 0..set.len().min(READ) {
        let _ = set.class_name(index);
        // A broken picture is an error of its own; a training leaves it out.
        let bytes = set.read(index)?;
        let options = DecodeOptions {
            max_pixels: 1 << 24,
            ..DecodeOptions::default()
        };
        let _ = decode(&bytes, &options);
    }
    Ok(())
}
