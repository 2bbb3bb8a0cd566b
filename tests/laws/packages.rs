//! What a library is published with: its licences, what a registry shows of it, and a README that is the
//! beginning of its documentation.
//!
//! `UPDATE_READMES=1 cargo test --test laws packages` writes the READMEs anew.

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

const END: &str = "\
Part of SVG in Rust: latent diffusion on frozen DINOv3 features, on
[Burn](https://burn.dev). Licensed under MIT or Apache-2.0, as you like.
";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folders of the libraries that are published.
fn libraries() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("crates")).unwrap();
    let folders = entries.map(|entry| entry.unwrap().path());
    let published = |folder: &PathBuf| {
        let publish = manifest(folder)["package"].get("publish").cloned();
        publish != Some(Value::Boolean(false))
    };
    let folders = folders.filter(|folder| folder.is_dir());
    let folders: Vec<_> = folders.filter(published).collect();
    assert!(!folders.is_empty(), "crates/ holds no crate");
    folders
}

fn manifest(folder: &Path) -> Table {
    let text = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    text.parse().unwrap()
}

/// A field of the package, from the workspace if it says so.
fn field(folder: &Path, name: &str) -> Option<Value> {
    let value = manifest(folder)["package"].get(name)?.clone();
    match value.get("workspace") {
        Some(_) => manifest(root())["workspace"]["package"].get(name).cloned(),
        None => Some(value),
    }
}

/// `` [`Thing`](where) `` as `` `Thing` ``: what documentation links to is not there in a README.
fn without_links(text: &str) -> String {
    let mut parts = text.split("[`");
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (name, rest) = part.split_once("`]").expect("a link ends where it began");
        let target = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        out += &format!("`{name}`{}", target.map_or(rest, |(_, rest)| rest));
    }
    out
}

/// The documentation of a crate up to the end of its first example.
fn readme(folder: &Path) -> String {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let source = fs::read_to_string(folder.join("src/lib.rs")).unwrap();
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let text: Vec<_> = lines
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    let text = text.join("\n");
    let mut parts = text.split("```");
    let essay = without_links(parts.next().unwrap_or_default());
    let example = parts.next().expect("an essay goes on with an example");
    format!("# {name}\n\n{essay}```rust{example}```\n\n{END}")
}

#[test]
fn a_readme_is_the_beginning_of_the_documentation() {
    for folder in libraries() {
        let (path, text) = (folder.join("README.md"), readme(&folder));
        if std::env::var_os("UPDATE_READMES").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        let advice = "is another: UPDATE_READMES=1 cargo test --test laws packages";
        assert!(found == text, "{} {advice}", path.display());
    }
}

#[test]
fn every_library_carries_both_licences() {
    for folder in libraries() {
        for name in ["LICENSE-MIT", "LICENSE-APACHE"] {
            let path = folder.join(name);
            let found = fs::read(&path).unwrap_or_default();
            let same = found == fs::read(root().join(name)).unwrap();
            let advice = format!("ln -s ../../{name} {}", path.display());
            assert!(same, "{} is not the workspace's: {advice}", path.display());
        }
    }
}

#[test]
fn every_library_has_what_a_registry_shows() {
    for folder in libraries() {
        let text = |name| field(&folder, name).and_then(|value| Some(value.as_str()?.to_string()));
        let list = |name| field(&folder, name).and_then(|value| Some(value.as_array()?.len()));
        for name in ["description", "license", "rust-version"] {
            let said = text(name).is_some_and(|text| !text.is_empty());
            assert!(said, "{} has no {name}", folder.display());
        }
        // A registry takes five at most.
        for name in ["keywords", "categories"] {
            let count = list(name).unwrap_or(0);
            assert!((1..=5).contains(&count), "{}: {name}", folder.display());
        }
    }
}

#[test]
fn links_become_plain_names() {
    let text = "[`Sit`] is a [`Field`](svg_flow::Field), in [-1, 1]";
    assert_eq!(without_links(text), "`Sit` is a `Field`, in [-1, 1]");
}
