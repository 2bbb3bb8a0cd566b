//! Changed bytes are an error or another value: never a panic, a hang or a wrong number that a checksum excludes.

use svg_store::{Random, TorchError, TorchFile};
use tempfile::NamedTempFile;

use crate::path;

const WRITTEN: [&str; 12] = [
    "beside.pt",
    // Without a checksum over the pickle.
    "legacy_beside.pt",
    "types.pt",
    "views.pt",
    "module.pt",
    "state_dict.pt",
    "deflated.pt",
    "zip64.pt",
    "unchecked.pt",
    "legacy_types.pt",
    "legacy_views.pt",
    "legacy_module.pt",
];

/// Opens bytes as a file and reads every tensor in them.
fn read(place: &NamedTempFile, bytes: &[u8]) -> Result<Vec<Result<Vec<u8>, String>>, TorchError> {
    std::fs::write(place, bytes).unwrap();
    let file = TorchFile::open(place.path())?;
    let small = file
        .tensors()
        .iter()
        .filter(|tensor| tensor.shape.iter().product::<usize>() < 1 << 16);
    Ok(small.map(|tensor| file.read(tensor)).collect())
}

#[test]
fn every_truncation_of_a_file_is_an_error() {
    let place = NamedTempFile::new().unwrap();
    for name in [
        "state_dict.pt",
        "zip64.pt",
        "deflated.pt",
        "legacy.pt",
        "legacy_module.pt",
    ] {
        let whole = std::fs::read(path(name)).unwrap();
        // Every length of a small file, some of a large one.
        for length in (0..whole.len()).step_by(1 + whole.len() / 2000) {
            assert!(
                read(&place, &whole[..length]).is_err(),
                "{length} bytes of {name} were opened"
            );
        }
    }
}

#[test]
fn changed_bytes_of_tensors_do_not_pass_their_checksum() {
    let place = NamedTempFile::new().unwrap();
    for name in ["state_dict.pt", "zip64.pt"] {
        let whole = std::fs::read(path(name)).unwrap();
        let expected: Vec<_> = read(&place, &whole)
            .unwrap()
            .into_iter()
            .map(Result::unwrap)
            .collect();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            let Ok(tensors) = read(&place, &changed) else {
                continue;
            };
            for (found, expected) in tensors.iter().zip(&expected) {
                // The first byte of a checksum of zero would be none.
                assert!(
                    found.as_ref().map_or(true, |found| found == expected),
                    "byte {at} of {name}"
                );
            }
        }
    }
}

#[test]
fn no_change_of_bytes_is_a_panic_or_a_hang() {
    let place = NamedTempFile::new().unwrap();
    let mut random = Random::keyed([1, 2, 3, 4]);
    for name in WRITTEN {
        let whole = std::fs::read(path(name)).unwrap();
        for _ in 0..200 {
            let mut changed = whole.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(changed.len() as u64) as usize;
                match random.below(4) {
                    0 => changed[at] = random.below(256) as u8,
                    1 => changed[at] ^= 1 << random.below(8),
                    2 => drop(changed.remove(at)),
                    _ => {
                        let other = random.below(changed.len() as u64) as usize;
                        changed[at] = changed[other];
                    }
                }
            }
            let _ = read(&place, &changed);
        }
    }
}
