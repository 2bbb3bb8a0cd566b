//! The database without a card: Burn's own, filled with what is no kernel.

use super::*;
use std::panic::AssertUnwindSafe;

use burn::cubecl::environment::{CacheOption, Store, StoreOptions};
use svg_store::Random;
use tempfile::tempdir;

/// As large as compiled kernels, and so many that there are inner pages.
const KERNELS: u32 = 60;

fn kernel(number: u32) -> Vec<u8> {
    let mut random = Random::keyed([7, u64::from(number), 0, 0]);
    (0..2_000 + 100 * number)
        .map(|_| random.below(256) as u8)
        .collect()
}

fn store() -> Store<u32, Vec<u8>> {
    let options = StoreOptions::new().storage("cuda/0/test");
    environment::store(options.cache(CacheOption::Lazy))
}

/// Fills a new database below a folder; its files.
fn filled(folder: &Path) -> Vec<PathBuf> {
    environment::set_root(folder);
    let mut store = store();
    for number in 0..KERNELS {
        store.insert(number, kernel(number)).unwrap();
    }
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| file.unwrap().path()).collect()
}

/// How many kernels a database still has, none of which may be another than was put there; what it lacks is put there
/// again.
fn found(folder: &Path) -> u32 {
    environment::set_root(folder);
    if !opens() {
        return 0;
    }
    let mut store = store();
    let mut found = 0;
    for number in 0..KERNELS {
        match store.get_mut(&number) {
            Some(read) => {
                assert!(*read == kernel(number), "kernel {number} is another");
                found += 1;
            }
            None => drop(store.insert(number, kernel(number))),
        }
    }
    found
}

/// One after the other, as Burn's environment is one of the process.
#[test]
fn a_damaged_database_loses_kernels_and_changes_none() {
    let place = tempdir().unwrap();
    let whole = place.path().join("whole");
    let files = filled(&whole);
    assert!(files.len() > 1, "{files:?}");
    let copy = |name: &str| {
        let copy = place.path().join(name);
        std::fs::create_dir(&copy).unwrap();
        for file in &files {
            std::fs::copy(file, copy.join(file.file_name().unwrap())).unwrap();
        }
        copy
    };
    assert_eq!(found(&copy("undamaged")), KERNELS);
    let mut random = Random::keyed([1, 2, 3, 4]);
    let mut lost = 0;
    for trial in 0..60 {
        let copy = copy(&trial.to_string());
        let which = files[random.below(files.len() as u64) as usize].file_name();
        let file = copy.join(which.unwrap());
        let mut bytes = std::fs::read(&file).unwrap();
        let size = bytes.len() as u64;
        match trial % 4 {
            0 => bytes.truncate(random.below(size.max(1)) as usize),
            1 => bytes.fill(0x5a),
            _ => (0..1 + trial / 4).for_each(|_| {
                let at = random.below(size.max(1)) as usize;
                bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1);
            }),
        }
        std::fs::write(&file, bytes).unwrap();
        let read = catch_unwind(AssertUnwindSafe(|| found(&copy)));
        let read = read.unwrap_or_else(|_| panic!("trial {trial}, {}", file.display()));
        lost += KERNELS - read;
    }
    assert!(lost > KERNELS, "the damage was too small: {lost}");

    // Through a file to another machine.
    let bundle = place.path().join("bundle");
    environment::set_root(&whole);
    export(&bundle).unwrap();
    environment::set_root(place.path().join("other"));
    assert_eq!(import(&bundle).unwrap(), KERNELS as usize);
    assert_eq!(import(&bundle).unwrap(), 0);
    let known_there = Known {
        compiled: u64::from(KERNELS),
        tuned: 0,
    };
    assert_eq!(known(), known_there);
    assert_eq!(found(&place.path().join("other")), KERNELS);
    let whole = std::fs::read(&bundle).unwrap();
    for at in [0, 20, HEADER.len() + HASH + 1, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(&bundle, &damaged).unwrap();
        let error = import(&bundle).unwrap_err().to_string();
        assert!(error.contains("no whole file of `svg tune"), "{error}");
    }
    std::fs::write(&bundle, &whole[..40]).unwrap();
    assert!(import(&bundle).is_err());
}

#[test]
fn a_file_of_the_user_s_is_found_above_the_present_folder() {
    let place = tempdir().unwrap();
    let inner = place.path().join("a/b");
    std::fs::create_dir_all(&inner).unwrap();
    assert!(!is_configured(&inner));
    let file = place.path().join("a/burn.toml");
    std::fs::write(&file, "[fusion.beam_search]\nmax_blocks = 3\n").unwrap();
    assert!(!is_configured(&inner), "it says nothing of cubecl");
    std::fs::write(&file, "[cubecl.autotune]\nlevel = \"full\"\n").unwrap();
    assert!(is_configured(&inner));
    assert!(!is_configured(place.path()));
}

#[test]
fn kernels_are_kept_where_nobody_says_otherwise() {
    assert!(ours().compilation.cache);
    assert!(
        !CubeClRuntimeConfig::default().compilation.cache,
        "Burn does so by itself now"
    );
}
