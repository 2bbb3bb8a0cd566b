//! What is refused and what is not, with files that hold their own names.

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    /// Some files, by their paths.
    fn of(files: &[&str]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for file in files {
            let path = folder.path(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, *file).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn set(&self, name: &str) -> ImageSet {
        ImageSet::open(&[self.path(name)]).unwrap()
    }
}

#[track_caller]
fn refused(outputs: Outputs, says: &str) {
    let error = outputs.check().unwrap_err();
    let said = crate::causes::in_words(&error);
    assert!(said.contains(says), "{said}");
}

fn file(path: PathBuf) -> Outputs<'static> {
    Outputs::default().file("--out", [path])
}

fn folder(path: PathBuf) -> Outputs<'static> {
    Outputs::default().folder("--out", [path])
}

#[test]
fn an_output_is_no_input_whatever_it_is_called() {
    let place = Folder::of(&["weights.bin", "config.json", "below/x"]);
    let weights = place.path("weights.bin");
    std::fs::hard_link(&weights, place.path("linked")).unwrap();
    for name in [
        "weights.bin",
        "below/../weights.bin",
        "linked",
        "config.json",
    ] {
        let outputs = file(place.path(name)).reads("--weights", [&weights]);
        refused(outputs, "would overwrite its own input: --weights");
    }
    let other = file(place.path("other")).reads("--weights", [&weights]);
    other.check().unwrap();
    assert_eq!(std::fs::read_dir(place.0.path()).unwrap().count(), 4);
}

#[test]
fn a_picture_and_a_list_of_a_set_are_inputs() {
    let place = Folder::of(&["a/1.png", "notes.txt"]);
    std::fs::write(place.path("list.txt"), "a/1.png\n").unwrap();
    for (images, out) in [
        ("a", "a/1.png"),
        ("list.txt", "list.txt"),
        ("list.txt", "a/1.png"),
    ] {
        let set = place.set(images);
        let outputs = file(place.path(out)).pictures("--images", [&set]);
        refused(outputs, "would overwrite its own input: --images");
    }
    let set = place.set("a");
    for out in ["a/tokens.safetensors", "notes.txt"] {
        file(place.path(out))
            .pictures("--images", [&set])
            .check()
            .unwrap();
    }
}

#[test]
fn results_do_not_lie_among_the_pictures() {
    let place = Folder::of(&["photos/cat/1.png", "other/2.png"]);
    let set = place.set("photos");
    for out in [
        "photos",
        "photos/cat",
        "photos/new/pairs",
        "other/../photos",
    ] {
        let outputs = folder(place.path(out)).pictures("--images", [&set]);
        refused(outputs, "name a folder outside");
    }
    folder(place.path("pairs"))
        .pictures("--images", [&set])
        .check()
        .unwrap();
    let one = place.set("other/2.png");
    let outputs = folder(place.path("other")).pictures("--images", [&one]);
    refused(outputs, "holds pictures of --images");
    let outputs = folder(place.path("other/pairs")).pictures("--images", [&one]);
    outputs.check().unwrap();
    assert!(!place.path("other/pairs").exists(), "nothing is made");
}

#[test]
fn a_bundle_a_cache_and_a_checkpoint_stay_as_they_are() {
    let place = Folder::of(&[
        "c/cache.json",
        "c/shard-00000.safetensors",
        "s/checkpoint.json",
        "s/x",
    ]);
    std::fs::create_dir(place.path("bundle")).unwrap();
    let manifest = r#"{"format": 3, "parts": {}}"#;
    std::fs::write(place.path("bundle/manifest.json"), manifest).unwrap();
    for name in ["bundle/new", "bundle/manifest.json"] {
        refused(file(place.path(name)), "lies in the bundle");
    }
    refused(folder(place.path("bundle")), "lies in the bundle");
    refused(folder(place.path("bundle/samples")), "lies in the bundle");
    refused(
        file(place.path("c/shard-00000.safetensors")),
        "is a part of a cache",
    );
    refused(file(place.path("s/x")), "is a part of a checkpoint");
    refused(file(place.path("s/new")), "is a part of a checkpoint");
    file(place.path("c/new")).check().unwrap();
    let whole = |name: &str| Outputs::default().exchanged("--out", [place.path(name)]);
    whole("bundle").check().unwrap();
    refused(whole("bundle/inner"), "lies in the bundle");
    refused(whole("s/x"), "is no folder");
    std::fs::write(place.path("bundle/old.ckpt"), "").unwrap();
    let inside = whole("bundle").reads("CHECKPOINT", [place.path("bundle/old.ckpt")]);
    refused(inside, "lies in --out");
}

#[test]
fn what_a_bundle_refers_to_is_an_input() {
    let place = Folder::of(&["encoder.pth"]);
    std::fs::create_dir(place.path("bundle")).unwrap();
    let weights = place.path("encoder.pth");
    let part = serde_json::json!({"kind": "dinov3", "weights": weights});
    let manifest = serde_json::json!({"format": 3, "parts": {"encoder": part}});
    std::fs::write(place.path("bundle/manifest.json"), manifest.to_string()).unwrap();
    let outputs = file(weights).bundle("--bundle", [place.path("bundle")]);
    refused(outputs, "would overwrite its own input: --bundle");
}

#[test]
fn outputs_are_not_each_other() {
    let place = Folder::of(&["below/x"]);
    let raw = |name: &str| folder(place.path("out")).file("--raw", [place.path(name)]);
    refused(raw("below/../out"), "are the same place");
    refused(raw("out/00000.png"), "may be the name of a picture");
    raw("out/raw.safetensors").check().unwrap();
}

#[test]
fn files_and_folders_are_not_taken_for_each_other() {
    let place = Folder::of(&["file"]);
    refused(file(place.path("")), "is a folder; name a file");
    refused(folder(place.path("file")), "is no folder; name one");
    refused(file(place.path("none/file")), "cannot be written");
}

#[cfg(unix)]
#[test]
fn links_and_devices_are_not_replaced() {
    let place = Folder::of(&["file", "photos/1.png"]);
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, place.path(name)).unwrap();
    link("file", "link");
    link("none", "dangling");
    for name in ["link", "dangling"] {
        refused(file(place.path(name)), "is a link to");
    }
    refused(file("/dev/null".into()), "it is a device");
    link("photos", "way");
    let set = place.set("photos");
    let outputs = folder(place.path("way/pairs")).pictures("--images", [&set]);
    refused(outputs, "name a folder outside");
}
