//! Who may name a concrete network: its own crate, the registries, and what reads or writes published files.

use std::fs;
use std::path::{Path, PathBuf};

/// Types of concrete encoders, spaces and velocity networks. Their configurations are no networks: presets
/// and command-line options may name those.
const NETWORKS: [&str; 13] = [
    "Vit",
    "VitFile",
    "Dino",
    "DinoFile",
    "SvgAutoencoder",
    "SvgEncoder",
    "ResidualEncoder",
    "svg_decoder::Decoder",
    "Sit",
    "Dit",
    "Repa",
    "LightningDit",
    "KlVae",
];

/// Where they are at home, or opened by their kind, or read and written in published layouts.
const MAY_NAME: [&str; 15] = [
    "crates/svg-dino/",
    "crates/svg-vit/",
    "crates/svg-residual/",
    "crates/svg-decoder/",
    "crates/svg-sit/",
    "crates/svg-vae/",
    // SVG's own space, of which it consists.
    "crates/svg-model/src/svg/",
    "crates/svg-model/src/lib.rs",
    // KL autoencoders, of which a space consists alone.
    "crates/svg-model/src/kl_vae.rs",
    // The registries: kinds of bundles, and kinds that can be trained.
    "crates/svg-model/src/registry.rs",
    "crates/svg-train/src/kinds/",
    // Published files.
    "src/encoder.rs",
    "src/commands/export.rs",
    "src/any_weights.rs",
    // `svg init encoder`, which is about DINOv3's published files as such.
    "src/commands/init.rs",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name() != Some("tests".as_ref()) {
            sources(&path, found);
        } else if path.to_string_lossy().ends_with(".rs")
            && !path.to_string_lossy().ends_with("_tests.rs")
        {
            found.push(path);
        }
    }
}

/// The code of a file: what stands before its tests, without comments.
fn code(text: &str) -> String {
    let code = text.split("\n#[cfg(test)]\n").next().unwrap_or(text);
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn names(code: &str, name: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let alone = |at: usize| {
        let before = code[..at].chars().next_back();
        let after = code[at + name.len()..].chars().next();
        // A variant such as `FlowKind::Sit` is the key of a configuration.
        let is_key = code[..at].ends_with("Kind::");
        !is_key && !before.is_some_and(word) && !after.is_some_and(word)
    };
    code.match_indices(name).any(|(at, _)| alone(at))
}

#[test]
fn only_registries_and_readers_of_published_files_name_a_concrete_network() {
    let mut found = Vec::new();
    for folder in ["crates", "src"] {
        sources(&root().join(folder), &mut found);
    }
    assert!(
        found.len() > 200,
        "looked in the wrong place: {}",
        found.len()
    );
    let mut leaks = Vec::new();
    for path in found {
        let place = path.strip_prefix(root()).unwrap();
        let place = place.to_str().unwrap().replace('\\', "/");
        if MAY_NAME.iter().any(|allowed| place.starts_with(allowed)) {
            continue;
        }
        let code = code(&fs::read_to_string(&path).unwrap());
        let named = NETWORKS.into_iter().filter(|name| names(&code, name));
        let named: Vec<_> = named.collect();
        if !named.is_empty() {
            leaks.push(format!("{place}: {}", named.join(", ")));
        }
    }
    assert!(
        leaks.is_empty(),
        "these files name a concrete network; take a role of svg-roles instead:\n{}",
        leaks.join("\n")
    );
}

#[test]
fn every_place_that_may_name_a_network_exists() {
    for place in MAY_NAME {
        assert!(
            root().join(place).exists(),
            "{place} is gone: shorten the list"
        );
    }
}

#[test]
fn a_name_is_a_whole_word_of_the_code() {
    assert!(names("let x: Sit = y;", "Sit"));
    assert!(!names("let x: SitConfig = y;", "Sit"));
    assert!(!names(
        &code("// a Sit\nlet x = 1;\n#[cfg(test)]\nmod tests { Sit }"),
        "Sit"
    ));
}
