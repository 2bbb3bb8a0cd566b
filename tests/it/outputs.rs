//! What a command writes never takes the place of what is in use.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use svg_image::{Rgb, RgbImage, save_png};

use super::support::{svg, text};

/// Pictures, an encoder, and a bundle with a copy of it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(place.path("data/one")).unwrap();
        for number in 0..4 {
            let image = RgbImage::from_fn(20, 16, |x, y| {
                Rgb([(x * 9) as u8, (y * 13) as u8, (number * 37) as u8])
            });
            save_png(&image, place.path(&format!("data/one/{number}.png")), &[]).unwrap();
        }
        let sizes = "init encoder --d-model 16 --layers 1 --heads 2 --d-ff 32 --patch 4 --out";
        place.done(&format!("{sizes} encoder.safetensors"));
        place.done(
            "train autoencoder --config autoencoder_tiny --max-steps 1 --workers 1 --data data \
             --encoder encoder.safetensors --out run",
        );
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, words: &str) -> (bool, String) {
        let mut command = svg();
        command.current_dir(&self.folder);
        let output = command.args(words.split_whitespace()).output().unwrap();
        (output.status.success(), text(&output.stderr))
    }

    #[track_caller]
    fn done(&self, words: &str) {
        let (success, said) = self.run(words);
        assert!(success, "{words}: {said}");
    }

    /// Ends with an error that says so, and every file is as it was.
    #[track_caller]
    fn refused(&self, words: &str, says: &str) {
        let before = files(self.folder.path());
        let (success, said) = self.run(words);
        assert!(!success, "{words} succeeded");
        assert!(!said.contains("panicked"), "{words}: {said}");
        assert!(said.contains(says), "{words}: {said}");
        let after = files(self.folder.path());
        let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&before), names(&after), "{words}");
        assert!(before == after, "{words} changed a file");
    }
}

/// Every file of a folder and below, but for the files that locks are taken on.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.symlink_metadata().unwrap().is_dir() {
            true => found.extend(files(&path)),
            false if path.ends_with(".lock") => {}
            false => _ = found.insert(path.clone(), fs::read(&path).unwrap_or_default()),
        }
    }
    found
}

#[test]
fn no_output_takes_the_place_of_an_input_a_bundle_or_a_device() {
    let place = Place::new();
    let own = "would overwrite its own input";
    let features = "features --weights encoder.safetensors --images data --size 16";
    place.refused(&format!("{features} --out encoder.safetensors"), own);
    place.refused(&format!("{features} --out data/one/0.png"), own);
    let encode = "encode --bundle run/bundle --images data";
    place.refused(&format!("{encode} --out data/one/0.png"), own);
    place.done(&format!("{encode} --out f.safetensors"));
    let decode = "decode --bundle run/bundle f.safetensors --out decoded";
    place.refused(&format!("{decode} --raw f.safetensors"), own);
    let distance = "distance --weights encoder.safetensors --size 16 --reference data";
    let distance = format!("{distance} --samples data --save-reference");
    place.refused(&format!("{distance} data/one/3.png"), own);
    place.refused(&format!("{distance} encoder.safetensors"), own);
    place.refused(
        "convert encoder.safetensors ./encoder.safetensors --to hf",
        own,
    );

    let inside = "lies in the bundle";
    let manifest = "run/bundle/manifest.json";
    for words in [
        format!("{features} --out {manifest}"),
        format!("{encode} --out {manifest}"),
        format!("{decode} --raw {manifest}"),
        format!("{distance} {manifest}"),
        "export autoencoder --bundle run/bundle --out run/bundle/a.safetensors".to_string(),
        "convert encoder.safetensors run/bundle --to hf".to_string(),
        "dataset shapes --count 10 --out run/bundle --force".to_string(),
        "reconstruct --bundle run/bundle --images data --out run/bundle/pairs".to_string(),
    ] {
        place.refused(&words, inside);
    }
    let checkpoint = "run/checkpoints/step-00000001";
    for (words, whole) in [
        ("convert encoder.safetensors run --to hf".to_string(), "run"),
        (format!("{features} --out run/steps.csv"), "run"),
        (
            format!("{features} --out {checkpoint}/mine.safetensors"),
            "checkpoint",
        ),
        (
            format!("convert encoder.safetensors {checkpoint} --to hf"),
            "checkpoint",
        ),
    ] {
        place.refused(
            &words,
            &format!("is a part of a {whole}; name another file"),
        );
    }
    let taken = "is no folder; name one";
    place.refused(
        "import autoencoder f.safetensors --out f.safetensors --force",
        taken,
    );
    place.refused(
        &format!("{features} --out t --pca ./t"),
        "are the same place",
    );
    fs::create_dir(place.path("d")).unwrap();
    place.refused(&format!("{features} --out d"), "is a folder; name a file");
}

/// Two at once would leave pictures of both and one table.
#[test]
fn a_folder_that_another_command_writes_into_is_left_to_it() {
    let place = Place::new();
    let out = place.path("out");
    fs::create_dir(&out).unwrap();
    let lock = svg_store::FolderLock::acquire(&out, "writes into").unwrap();
    place.done("encode --bundle run/bundle --images data --out f.safetensors");
    let commands = [
        "reconstruct --bundle run/bundle --images data --out out",
        "decode --bundle run/bundle f.safetensors --out out",
        "features --weights encoder.safetensors --images data --size 16 --out t.safetensors --pca out",
        "convert encoder.safetensors out --to hf",
    ];
    for words in commands {
        place.refused(words, "another process writes into");
    }
    drop(lock);
    commands.iter().for_each(|words| place.done(words));
}

#[test]
fn results_are_not_written_among_the_pictures_that_they_are_of() {
    let place = Place::new();
    let reconstruct = "reconstruct --bundle run/bundle --images data --out";
    for out in ["data", "data/pairs", "data/one", "run/../data"] {
        place.refused(&format!("{reconstruct} {out}"), "name a folder outside");
    }
    let features = "features --weights encoder.safetensors --size 16 --images data --out t";
    place.refused(
        &format!("{features} --pca data/one"),
        "name a folder outside",
    );
    place.refused(
        "pretrain --config nano --data data --out data/run",
        "name a folder outside",
    );
    place.refused(
        "train autoencoder --config autoencoder_tiny --data data --encoder encoder.safetensors --out data",
        "name a folder outside",
    );
    place.refused("demo --data data --out data/demo", "name a folder outside");
    place.refused(
        "cache --bundle run/bundle --data data --out data/cache",
        "name a folder outside",
    );
    place.done(&format!("{reconstruct} pairs"));
    place.done(&format!("{reconstruct} pairs"));
    assert_eq!(fs::read_dir(place.path("pairs")).unwrap().count(), 5);
}

#[cfg(unix)]
#[test]
fn links_hard_links_and_devices_are_seen_for_what_they_are() {
    use std::os::unix::fs::{FileTypeExt, symlink};
    let place = Place::new();
    let features = "features --weights encoder.safetensors --images data --size 16 --out";
    fs::hard_link(place.path("encoder.safetensors"), place.path("hard")).unwrap();
    place.refused(&format!("{features} hard"), "would overwrite its own input");
    symlink("encoder.safetensors", place.path("link")).unwrap();
    place.refused(
        &format!("{features} link"),
        "is a link to encoder.safetensors",
    );
    symlink("data", place.path("pictures")).unwrap();
    let reconstruct = "reconstruct --bundle run/bundle --images data --out";
    place.refused(
        &format!("{reconstruct} pictures/pairs"),
        "name a folder outside",
    );

    let fifo = place.path("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    // `files` must not read it.
    let (success, said) = place.run(&format!("{features} fifo"));
    assert!(!success && said.contains("it is a pipe"), "{said}");
    assert!(fifo.symlink_metadata().unwrap().file_type().is_fifo());
    fs::remove_file(fifo).unwrap();
    for device in ["/dev/null", "/dev/full"] {
        place.refused(&format!("{features} {device}"), "it is a device");
        let kind = Path::new(device).symlink_metadata().unwrap().file_type();
        assert!(kind.is_char_device(), "{device} is gone");
    }
}
