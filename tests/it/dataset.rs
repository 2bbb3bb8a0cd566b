//! A data set made by code, as a user makes, interrupts and changes it.

use std::fs;
use std::path::Path;
use std::process::Command;

use svg_image::{DecodeOptions, ImageSet, read_image};
use svg_shapes::{CLASSES, Shapes};
use svg_store::FolderLock;

/// Output and errors, and whether it ended well.
fn shapes(out: &Path, options: &str) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_svg"))
        .args(["dataset", "shapes", "--out"])
        .arg(out)
        .args(options.split_whitespace())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[track_caller]
fn made(out: &Path, options: &str, says: &str) {
    let (success, text) = shapes(out, options);
    assert!(success && text.contains(says), "{text}");
}

#[track_caller]
fn refused(out: &Path, options: &str, says: &str) {
    let (success, text) = shapes(out, options);
    assert!(!success && text.contains(says), "{text}");
    assert!(!text.contains("panicked"), "{text}");
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_data_set_is_a_folder_of_classes_with_as_many_pictures_each() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("shapes");
    made(
        &out,
        "--count 30 --test-count 10 --seed 4 --size 24",
        "30 pictures to train on, 10 to test with, of 10 classes; 0 were there",
    );
    for class in CLASSES {
        assert_eq!(count(&out.join("train").join(class)), 3);
        assert_eq!(count(&out.join("test").join(class)), 1);
    }
    let set = ImageSet::open(&[out.join("train")]).unwrap();
    assert_eq!(set.class_name(3), Some("crescent"));

    let read = |path: &str| read_image(out.join(path), &DecodeOptions::default()).unwrap();
    let ours = Shapes::new(4).with_size(24);
    assert_eq!(read("train/cross/00002.png"), ours.image(2, 2));
    assert_eq!(read("test/cross/00000.png"), ours.image(2, 1 << 32));
    assert_eq!(read("sheet.png").dimensions(), (276, 276));
    assert!(out.join("dataset.json").is_file());
}

#[test]
fn what_is_there_is_kept_and_what_is_missing_is_drawn() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path();
    made(out, "--count 20", "0 were there");
    let (kept, lost) = (
        out.join("train/star/00000.png"),
        out.join("train/star/00001.png"),
    );
    let mine = out.join("train/star/mine.png");
    svg_image::save_png(&svg_image::RgbImage::new(3, 3), &mine, &[]).unwrap();
    fs::rename(&mine, &kept).unwrap();
    let mine = fs::read(&kept).unwrap();
    fs::remove_file(&lost).unwrap();
    made(out, "--count 30", "19 were there");
    assert!(fs::read(&kept).unwrap() == mine);
    fs::write(&kept, &mine[..mine.len() / 2]).unwrap();
    refused(out, "--count 30", "star/00000.png is damaged; remove it");
    assert!(lost.is_file() && out.join("train/star/00002.png").is_file());

    refused(out, "--count 20", "say --count 30 or more");
    refused(
        out,
        "--count 30 --seed 1",
        "seed 0 and size 32, not of seed 1 and size 32",
    );
    let note = out.join("note.txt");
    fs::write(&note, "mine").unwrap();
    made(out, "--count 10 --seed 1 --force", "0 were there");
    assert_eq!(count(&out.join("train/star")), 1);
    assert!(fs::read(&kept).unwrap() != mine);
    assert!(note.is_file());
}

/// A process that is killed at its beginning leaves a lock and half a page, and nothing else.
#[test]
fn a_folder_that_was_just_begun_is_gone_on_with() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path();
    fs::write(out.join(".lock"), "").unwrap();
    let half = out.join(format!("{}page", svg_store::UNFINISHED));
    fs::write(&half, "{").unwrap();
    made(out, "--count 20", "0 were there");
    assert!(!half.exists());
    fs::create_dir(out.join("train/star/mine")).unwrap();
    fs::remove_file(out.join("dataset.json")).unwrap();
    refused(out, "--count 20", "holds other files");
}

#[test]
fn a_folder_that_another_process_draws_into_is_left_to_it() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path();
    made(out, "--count 20", "0 were there");
    let lock = FolderLock::acquire(out, "draws into").unwrap();
    for options in ["--count 10 --seed 1 --force", "--count 20"] {
        refused(out, options, "another process draws into");
    }
    assert_eq!(count(&out.join("train/star")), 2, "nothing was removed");
    drop(lock);
    made(out, "--count 10 --seed 1 --force", "0 were there");
}

#[test]
fn of_two_that_draw_anew_at_once_each_leaves_its_whole_set_or_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path();
    let draw = |seed: &'static str| {
        let out = out.to_path_buf();
        let options = format!("--count 2000 --seed {seed} --force");
        std::thread::spawn(move || shapes(&out, &options))
    };
    let ended = [draw("1"), draw("2")].map(|thread| thread.join().unwrap());
    let refusals = ended.iter().filter(|(success, _)| !success);
    for (_, said) in refusals.clone() {
        assert!(said.contains("another process draws into"), "{said}");
    }
    assert!(refusals.count() < 2, "{ended:?}");
    for class in CLASSES {
        assert_eq!(count(&out.join("train").join(class)), 200);
    }
    // All are of the seed that the page names.
    let page = fs::read_to_string(out.join("dataset.json")).unwrap();
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    let ours = Shapes::new(page["seed"].as_u64().unwrap());
    for number in [0, 199] {
        let path = out.join(format!("train/cross/{number:05}.png"));
        let picture = read_image(path, &DecodeOptions::default()).unwrap();
        let class = CLASSES.iter().position(|class| *class == "cross").unwrap();
        assert_eq!(picture, ours.image(class, number));
    }
}

#[test]
fn other_folders_and_uneven_counts_are_refused_with_advice() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path();
    refused(
        out,
        "--count 25",
        "--count 25 is no multiple of the 10 classes; try 30",
    );
    refused(
        out,
        "--count 0",
        "--count 0 draws nothing to train on; try 10",
    );
    refused(out, "--count 10 --size 8", "16..=256");
    fs::write(out.join("thesis.txt"), "mine").unwrap();
    refused(
        out,
        "--count 10",
        "holds other files; name a new folder, or add --force",
    );
    assert_eq!(count(out), 1);
    made(out, "--count 10 --force", "10 pictures to train on");
}
