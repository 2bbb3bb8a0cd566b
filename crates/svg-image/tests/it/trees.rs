//! Classes and labels of folders, compared with torchvision and datasets.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use svg_image::ImageSet;

fn trees() -> Vec<Value> {
    let text = include_str!("../sets/trees.json");
    serde_json::from_str(text).unwrap()
}

fn strings(value: &Value) -> Vec<&str> {
    let values = value.as_array().into_iter().flatten();
    values.map(|value| value.as_str().unwrap()).collect()
}

fn build(root: &Path, tree: &Value) {
    for file in strings(&tree["files"]) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    for folder in strings(&tree["folders"]) {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for link in tree["links"].as_array().into_iter().flatten() {
        let [link, target] = strings(link)[..] else {
            panic!("a link has a target");
        };
        #[cfg(unix)]
        std::os::unix::fs::symlink(target, root.join(link)).unwrap();
        #[cfg(windows)]
        panic!("{link} to {target}: this tree is left out");
    }
}

/// The classes, and the label of each picture by its path, or why there are none.
fn ours(root: &Path) -> Result<(Vec<String>, BTreeMap<String, u64>), String> {
    let set = ImageSet::open(&[root.into()]).map_err(|error| error.to_string())?;
    let (names, labels) = set.classes().map_err(|error| error.to_string())?;
    let labels = labels.into_iter().enumerate();
    let labels = labels.map(|(index, label)| (set.inner_name(index).to_string(), label as u64));
    Ok((names, labels.collect()))
}

/// The same as another program has it; `None` if that ended with an error.
fn theirs(result: &Value) -> Option<(Vec<String>, BTreeMap<String, u64>)> {
    let labels = result["labels"].as_object()?.iter();
    let labels = labels.map(|(path, label)| (path.clone(), label.as_u64().unwrap()));
    let names = strings(&result["classes"]).into_iter().map(str::to_string);
    Some((names.collect(), labels.collect()))
}

#[test]
fn labels_are_those_of_torchvision() {
    // What differs is said in docs/datasets.md.
    let others = ["hidden folders", "a picture beside the classes"];
    let mut compared = 0;
    for tree in trees() {
        let name = tree["name"].as_str().unwrap();
        if others.contains(&name) || (cfg!(windows) && name == "links") {
            continue;
        }
        let place = tempfile::tempdir().unwrap();
        build(place.path(), &tree);
        match (ours(place.path()), theirs(&tree["torchvision"])) {
            (Ok(ours), Some(theirs)) => assert_eq!(ours, theirs, "{name}"),
            (Err(message), None) => assert!(message.contains("hold no pictures"), "{message}"),
            (ours, theirs) => panic!("{name}: {ours:?}, but torchvision has {theirs:?}"),
        }
        compared += 1;
    }
    assert!(compared >= 10, "{compared}");
}

#[test]
fn labels_are_those_of_datasets_where_folders_lie_in_no_classes() {
    let mut compared = 0;
    for tree in trees() {
        let files = strings(&tree["files"]);
        let is_plain = files.iter().all(|file| file.matches('/').count() == 1);
        let is_plain = is_plain && tree["torchvision"]["error"].is_null();
        let Some(theirs) = theirs(&tree["datasets"]).filter(|_| is_plain) else {
            continue;
        };
        let place = tempfile::tempdir().unwrap();
        if tree.get("links").is_none() && tree.get("folders").is_none() {
            build(place.path(), &tree);
            let name = tree["name"].as_str().unwrap();
            assert_eq!(ours(place.path()).unwrap(), theirs, "{name}");
            compared += 1;
        }
    }
    assert!(compared >= 3, "{compared}");
}

#[test]
fn what_differs_from_torchvision_is_an_error_or_passed_over_with_a_note() {
    for tree in trees() {
        let place = tempfile::tempdir().unwrap();
        build(place.path(), &tree);
        match tree["name"].as_str().unwrap() {
            "hidden folders" => {
                let set = ImageSet::open(&[place.path().into()]).unwrap();
                assert_eq!(
                    set.classes().unwrap(),
                    (vec!["cat".into(), "dog".into()], vec![0, 1])
                );
                assert!(
                    set.notes()[0].contains("2 hidden files or folders"),
                    "{:?}",
                    set.notes()
                );
                let theirs = theirs(&tree["torchvision"]).unwrap();
                assert_eq!((theirs.0.len(), theirs.1.len()), (3, 4));
            }
            "a picture beside the classes" => {
                let message = ours(place.path()).unwrap_err();
                assert!(message.contains("sheet.png has no class"), "{message}");
                assert_eq!(theirs(&tree["torchvision"]).unwrap().1.len(), 2);
            }
            _ => (),
        }
    }
}
