//! Files of NumPy, read as numbers, as rows and as pictures.

use std::collections::HashSet;
use std::path::Path;
use std::sync::OnceLock;

use anyhow::Result;
use svg_image::ImageSet;
use svg_store::{NpyArray, Npz, sha256};

use super::Target;
use crate::input::{Input, Seed};
use crate::verdict::Verdict;
use crate::world::{World, repository};

/// Pictures of a set that are read.
const READ: usize = 12;

/// The beginning of an array by itself, which has no checksum.
const ARRAY: &[u8] = b"\x93NUMPY";

pub fn targets() -> Vec<Target> {
    vec![Target {
        name: "npz",
        about: "archives of NumPy, stored and deflated, as statistics and as pictures",
        share: 80,
        seeds: |_| seeds(),
        made: false,
        anew: false,
        check,
    }]
}

fn seeds() -> Result<Vec<Seed>> {
    let files = repository("crates/svg-store/tests/npz/files");
    Seed::files(&files, &["npz", "npy"])
}

/// Every array and picture of an archive is that of a seed, or an error: a checksum covers all of them.
fn check(input: &Input, _: &World) -> Verdict {
    let mut found = Found::default();
    let refused = [
        arrays(&input.file, &mut found),
        pictures(&input.file, &mut found),
    ];
    let has_checksums = !std::fs::read(&input.file).is_ok_and(|bytes| bytes.starts_with(ARRAY));
    let strange = found.0.iter().find(|one| !known().0.contains(*one));
    if let Some(strange) = strange.filter(|_| has_checksums) {
        return Verdict::Wrong(
            strange
                .split_once(' ')
                .map_or("", |(what, _)| what)
                .to_string(),
        );
    }
    match found.0.is_empty() {
        false => Verdict::Accepted,
        true => {
            let reasons = refused.into_iter().filter_map(Result::err);
            let reasons: Vec<_> = reasons.map(|error| error.to_string()).collect();
            Verdict::Refused(reasons.join("; "))
        }
    }
}

/// What was read: its kind, and a hash of its sizes and its bytes.
#[derive(Default)]
struct Found(HashSet<String>);

impl Found {
    fn add(&mut self, kind: &str, sizes: &str, bytes: &[u8]) {
        let hash = sha256([sizes.as_bytes(), bytes].concat());
        self.0.insert(format!("{kind} {hash}"));
    }
}

/// What the seeds hold.
fn known() -> &'static Found {
    static KNOWN: OnceLock<Found> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let mut found = Found::default();
        for seed in seeds().unwrap_or_default() {
            // Some are refused, as they should be.
            let _ = arrays(&seed.place, &mut found);
            let _ = pictures(&seed.place, &mut found);
        }
        found
    })
}

fn arrays(file: &Path, found: &mut Found) -> Result<()> {
    let npz = Npz::open(file)?;
    let mut read = Ok(());
    for name in npz.names() {
        let array = npz.array(name).map_err(anyhow::Error::from);
        read = read.and(array.and_then(|array| numbers(&array, found)));
    }
    read
}

fn numbers(array: &NpyArray, found: &mut Found) -> Result<()> {
    let numbers = array.read_f64()?;
    let bytes: Vec<u8> = numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    let sizes = format!("{} {:?}", array.dtype(), array.shape());
    found.add("array", &sizes, &bytes);
    if let Ok(mut rows) = array.rows_u8() {
        let mut all = Vec::new();
        for index in 0..rows.len() {
            all.extend_from_slice(rows.read(index)?);
        }
        found.add("rows", &sizes, &all);
    }
    Ok(())
}

fn pictures(file: &Path, found: &mut Found) -> Result<()> {
    let set = ImageSet::open(&[file.to_path_buf()])?;
    let _ = set.classes();
    for index in 0..set.len().min(READ) {
        let label = set.class_name(index).unwrap_or_default();
        let sizes = format!("{} {label}", set.inner_name(index));
        found.add("picture", &sizes, &set.read(index)?);
    }
    Ok(())
}
