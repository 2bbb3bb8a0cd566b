//! The laws of the workspace that the compiler does not know, read from manifests and sources.
//!
//! `docs/architecture.md` says why each of them holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// Which crates of the workspace a library may use. Some are written later; their place is settled.
///
/// Networks do not know each other, and the mathematics of flows knows no network.
const MAY_USE: [(&str, &[&str]); 18] = [
    ("svg-report", &[]),
    ("svg-store", &[]),
    // Traits alone: no network, no file.
    ("svg-roles", &[]),
    // Operations for one backend, with their derivatives.
    ("svg-kernels", &[]),
    ("svg-nn", &["svg-store", "svg-kernels"]),
    ("svg-image", &["svg-store"]),
    ("svg-flow", &[]),
    ("svg-dino", &["svg-store", "svg-roles", "svg-nn"]),
    ("svg-vit", &["svg-store", "svg-roles", "svg-nn"]),
    // The network of FID and its relatives: weights and their hash, an embedding, nothing of metrics.
    ("svg-inception", &["svg-store", "svg-roles", "svg-nn"]),
    ("svg-residual", &["svg-nn"]),
    ("svg-decoder", &["svg-nn"]),
    ("svg-sit", &["svg-roles", "svg-nn"]),
    // A space of its own, with its files and a fingerprint of them.
    ("svg-vae", &["svg-store", "svg-roles", "svg-nn"]),
    // The one place where the networks meet.
    (
        "svg-model",
        &[
            "svg-store",
            "svg-roles",
            "svg-nn",
            "svg-dino",
            "svg-vit",
            "svg-residual",
            "svg-decoder",
            "svg-sit",
            "svg-vae",
            "svg-flow",
        ],
    ),
    // Images in, numbers out: no generator, no trainer. LPIPS is a metric first and a loss second.
    // Directions and resamples are drawn by the keyed generator.
    (
        "svg-eval",
        &["svg-store", "svg-roles", "svg-nn", "svg-image"],
    ),
    // A data set made by code; not published.
    ("svg-shapes", &["svg-store", "svg-image"]),
    (
        "svg-train",
        &[
            "svg-store",
            "svg-roles",
            "svg-nn",
            "svg-image",
            "svg-dino",
            "svg-residual",
            "svg-decoder",
            "svg-eval",
            "svg-flow",
            "svg-sit",
            "svg-model",
        ],
    ),
];

/// Features of burn that choose where to compute, or how a card is used.
const BACKENDS: [&str; 15] = [
    "default", "flex", "ndarray", "tch", "cpu", "wgpu", "webgpu", "vulkan", "metal", "cuda",
    "rocm", "remote", "cubecl", "autotune", "fusion",
];

/// Crates that compile without Burn, also indirectly.
const WITHOUT_BURN: [&str; 3] = ["svg-store", "svg-image", "svg-shapes"];

/// Dependencies of `svg-store` alone, but for tests.
const STORE_ONLY: [&str; 5] = ["memmap2", "rand", "safetensors", "sha2", "tempfile"];

/// What stands in the sources of `svg-store` alone, but for tests.
const STORE_WORDS: [&str; 8] = [
    "fs::rename",
    "sync_all",
    "sync_data",
    "try_lock",
    "set_permissions",
    "tempfile",
    "ChaCha",
    "Mmap",
];

const LONGEST_FILE: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn manifest(folder: &Path) -> Table {
    let path = folder.join("Cargo.toml");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The manifests of `crates/` by package name.
fn libraries() -> BTreeMap<String, Table> {
    let folders = std::fs::read_dir(root().join("crates")).unwrap();
    let manifests = folders
        .map(|folder| folder.unwrap().path())
        .filter(|folder| folder.is_dir())
        .map(|folder| {
            let manifest = manifest(&folder);
            let name = manifest["package"]["name"].as_str().unwrap().to_string();
            (name, manifest)
        });
    let libraries: BTreeMap<_, _> = manifests.collect();
    assert!(!libraries.is_empty(), "crates/ holds no crate");
    libraries
}

/// Every table called `kind`, also those for certain targets.
fn tables<'a>(manifest: &'a Table, kind: &str) -> Vec<&'a Table> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flat_map(Table::values);
    let conditional = targets.filter_map(|target| target.get(kind)?.as_table());
    let plain = manifest.get(kind).and_then(Value::as_table);
    plain.into_iter().chain(conditional).collect()
}

/// What users of a crate compile: everything but dev-dependencies.
fn dependencies(manifest: &Table) -> Vec<(&str, &Value)> {
    ["dependencies", "build-dependencies"]
        .into_iter()
        .flat_map(|kind| tables(manifest, kind))
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
        .collect()
}

fn features(dependency: &Value) -> Vec<&str> {
    let features = dependency.get("features").and_then(Value::as_array);
    let features = features.into_iter().flatten();
    features.filter_map(Value::as_str).collect()
}

fn inherited(value: Option<&Value>) -> bool {
    let workspace = value.and_then(|value| value.get("workspace"));
    workspace.and_then(Value::as_bool) == Some(true)
}

fn workspace_dependency(name: &str) -> Value {
    manifest(root())["workspace"]["dependencies"][name].clone()
}

#[test]
fn crates_use_only_the_crates_below_them() {
    let table = BTreeMap::from(MAY_USE);
    for (name, manifest) in libraries() {
        let allowed = table.get(name.as_str()).unwrap_or_else(|| {
            panic!("{name} has no place in MAY_USE yet; decide what it may use")
        });
        for (dependency, _) in dependencies(&manifest) {
            assert!(
                !dependency.starts_with("svg-") || allowed.contains(&dependency),
                "{name} uses {dependency}, but may use only {allowed:?}"
            );
        }
    }
}

#[test]
fn the_table_of_crates_is_in_order_so_there_is_no_circle() {
    for (index, (name, uses)) in MAY_USE.iter().enumerate() {
        for used in *uses {
            let above = MAY_USE[..index].iter().any(|(earlier, _)| earlier == used);
            assert!(above, "{name} may use {used}, which comes after it");
        }
    }
}

#[test]
fn files_and_pictures_need_no_burn() {
    let libraries = libraries();
    for name in WITHOUT_BURN {
        let manifest = &libraries[name];
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for dependency in tables(manifest, kind).into_iter().flat_map(Table::keys) {
                let ours = !dependency.starts_with("svg-") || WITHOUT_BURN.contains(&&**dependency);
                assert!(
                    ours && !dependency.starts_with("burn"),
                    "{name} must compile without burn, but uses {dependency}"
                );
            }
        }
    }
}

#[test]
fn files_hashes_and_random_numbers_have_one_house() {
    let mut manifests = libraries();
    manifests.insert("svg-lab".to_string(), manifest(root()));
    for (name, manifest) in manifests.iter().filter(|(name, _)| *name != "svg-store") {
        for (dependency, _) in dependencies(manifest) {
            assert!(
                !STORE_ONLY.contains(&dependency),
                "{name} uses {dependency}; svg-store has what it is for"
            );
        }
    }
}

#[test]
fn one_atomic_writer_one_lock_and_one_keyed_generator() {
    let mut sources = Vec::new();
    for folder in ["crates", "src"] {
        collect_sources(&root().join(folder), &mut sources);
    }
    let store = root().join("crates/svg-store");
    let elsewhere = |path: &&PathBuf| {
        let stem = path.file_stem().unwrap().to_string_lossy();
        let folder_of_tests = path.components().any(|part| part.as_os_str() == "tests");
        let is_test = folder_of_tests || stem.ends_with("tests");
        !path.starts_with(&store) && !is_test
    };
    for source in sources.iter().filter(elsewhere) {
        let text = std::fs::read_to_string(source).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let code = code.lines().filter(|line| !line.trim().starts_with("//"));
        for line in code {
            let found = STORE_WORDS.iter().find(|word| line.contains(**word));
            assert!(
                found.is_none(),
                "{}: {line}: svg-store has what this is for",
                source.display()
            );
        }
    }
}

#[test]
fn the_program_writes_to_standard_error_in_one_place_where_errors_are_ignored() {
    let mut sources = Vec::new();
    collect_sources(&root().join("src"), &mut sources);
    let one_place = root().join("src/progress.rs");
    for source in sources.iter().filter(|source| **source != one_place) {
        let text = std::fs::read_to_string(source).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let code = code.lines().filter(|line| !line.trim().starts_with("//"));
        for line in code.filter(|line| !line.contains("stderr().is_terminal()")) {
            let words = ["println!", "print!(", "stderr()"];
            assert!(
                !words.iter().any(|word| line.contains(word)),
                "{}: {line}: this panics where nobody reads; use `status!`, and `commands::print` for results",
                source.display()
            );
        }
    }
}

#[test]
fn a_file_is_opened_for_reading_by_svg_store_which_refuses_pipes_and_devices() {
    let mut sources = Vec::new();
    for folder in ["crates", "src"] {
        collect_sources(&root().join(folder), &mut sources);
    }
    let store = root().join("crates/svg-store");
    for source in sources {
        let is_test = source.components().any(|part| part.as_os_str() == "tests");
        let stem = source.file_stem().unwrap().to_string_lossy();
        if source.starts_with(&store) || is_test || stem.ends_with("tests") {
            continue;
        }
        let text = std::fs::read_to_string(&source).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let code = code.lines().filter(|line| !line.trim().starts_with("//"));
        for line in code {
            // Not `TensorFile::open` and others, which open by it.
            let opens = line.match_indices("File::open(").any(|(at, _)| {
                let before = line[..at].chars().next_back();
                before.is_none_or(|before| !before.is_alphanumeric())
            });
            let reads = ["fs::read(", "fs::read_to_string("];
            assert!(
                !opens && !reads.iter().any(|read| line.contains(read)),
                "{}: {line}: use open_file, read_file or read_text of svg-store",
                source.display()
            );
        }
    }
}

/// The one library that compiles a backend, since its operations are written for it, and that is told
/// whether Burn's GPU backends are compiled in.
const KERNELS: &str = "svg-kernels";

#[test]
fn a_library_has_no_features() {
    for (name, manifest) in libraries() {
        let features = manifest.get("features").and_then(Value::as_table);
        let names: Vec<_> = features.into_iter().flat_map(Table::keys).collect();
        match name == KERNELS {
            true => assert_eq!(names, ["cube"]),
            false => assert!(names.is_empty(), "{name} has features: {names:?}"),
        }
    }
}

#[test]
fn a_library_chooses_no_backend() {
    let shared = workspace_dependency("burn");
    let off = shared.get("default-features").and_then(Value::as_bool);
    assert_eq!(off, Some(false), "burn's default features are on");
    let mut chosen = vec![("the workspace".to_string(), features(&shared).join(" "))];
    let libraries = libraries();
    for (name, manifest) in &libraries {
        for (dependency, value) in dependencies(manifest) {
            assert!(
                !dependency.starts_with("burn-") && !dependency.starts_with("cubecl"),
                "{name} uses {dependency} directly; burn itself stands for all of it"
            );
            if dependency == "burn" && name != KERNELS {
                chosen.push((name.clone(), features(value).join(" ")));
            }
        }
    }
    for (name, features) in chosen {
        let backend = features.split(' ').find(|f| BACKENDS.contains(f));
        assert_eq!(backend, None, "{name} decides where its users compute");
    }
}

#[test]
fn the_lock_file_and_nothing_else_pins_burn() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let lock: Table = lock.parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let burns = packages
        .iter()
        .filter(|package| package["name"].as_str() == Some("burn"));
    let versions: Vec<_> = burns.filter_map(|burn| burn["version"].as_str()).collect();
    assert_eq!(versions, ["0.22.1"]);

    let version = workspace_dependency("burn");
    let version = version.get("version").and_then(Value::as_str);
    // Without `=`, so that users of the libraries may have a later 0.22.
    assert_eq!(version, Some("0.22.1"));
    let mut manifests = libraries();
    manifests.insert("the root package".to_string(), manifest(root()));
    for (name, manifest) in &manifests {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for table in tables(manifest, kind) {
                let ok = table.get("burn").is_none_or(|burn| inherited(Some(burn)));
                assert!(ok, "{name} does not inherit burn from the workspace");
            }
        }
    }
}

#[test]
fn every_library_obeys_the_lints_of_the_workspace() {
    for (name, manifest) in libraries() {
        let obeys = inherited(manifest.get("lints"));
        assert!(obeys, "{name} lacks `[lints] workspace = true`");
    }
}

#[test]
fn every_library_says_what_it_is_and_under_which_licence() {
    for (name, manifest) in libraries() {
        for field in ["description", "license"] {
            let value = manifest["package"].get(field);
            let text = value.and_then(Value::as_str);
            let list = value.and_then(Value::as_array);
            let said = text.is_some_and(|text| !text.trim().is_empty())
                || list.is_some_and(|list| !list.is_empty())
                || inherited(value);
            assert!(said, "{name} has no {field}");
        }
    }
}

/// Crates that serve the program and are no libraries for others.
const UNPUBLISHED: [&str; 2] = ["svg-report", "svg-shapes"];

fn is_published(manifest: &Table) -> bool {
    let publish = manifest["package"].get("publish");
    publish.and_then(Value::as_bool).unwrap_or(true)
}

#[test]
fn the_application_and_what_serves_it_alone_are_not_published() {
    let manifest = manifest(root());
    assert_eq!(manifest["package"]["name"].as_str(), Some("svg-lab"));
    assert!(!is_published(&manifest));
    for tool in ["check", "fuzz"] {
        assert!(!is_published(&self::manifest(&root().join(tool))));
    }
    let libraries = libraries();
    let kept = libraries
        .iter()
        .filter(|(_, manifest)| !is_published(manifest));
    assert_eq!(kept.map(|(name, _)| name).collect::<Vec<_>>(), UNPUBLISHED);
}

#[test]
fn a_published_library_uses_no_crate_that_is_not() {
    for (name, manifest) in libraries() {
        for (dependency, _) in dependencies(&manifest) {
            assert!(
                !UNPUBLISHED.contains(&dependency) || UNPUBLISHED.contains(&name.as_str()),
                "{name} uses {dependency}, which is not published"
            );
        }
    }
}

#[test]
fn no_source_file_is_longer_than_500_lines() {
    let mut sources = Vec::new();
    for folder in [
        "crates", "src", "tests", "examples", "benches", "check", "fuzz",
    ] {
        collect_sources(&root().join(folder), &mut sources);
    }
    assert!(sources.len() > 30, "looked in the wrong place: {sources:?}");
    for source in sources {
        let lines = std::fs::read_to_string(&source).unwrap().lines().count();
        assert!(
            lines <= LONGEST_FILE,
            "{} has {lines} lines; it is two files",
            source.display()
        );
    }
}

/// Rust files in a folder and below. A folder that does not exist holds none.
fn collect_sources(folder: &Path, sources: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name() != Some("target".as_ref()) {
            collect_sources(&path, sources);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            sources.push(path);
        }
    }
}
