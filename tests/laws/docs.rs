//! What README.md and `docs/` point to is there, and so are the tests that they name.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The documents that people read.
fn documents() -> Vec<PathBuf> {
    let mut paths: Vec<_> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
        .map(|name| root().join(name))
        .into();
    for folder in ["docs", "assets"] {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        let entries = entries.map(|entry| entry.unwrap().path());
        paths.extend(entries.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    paths.sort();
    paths
}

/// The lines of a text that are no code.
fn prose(text: &str) -> String {
    let mut code = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The targets of `[text](target)` and `![text](target)`.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for part in prose(text).split("](").skip(1) {
        let (target, _) = part.split_once(')').expect("a link ends");
        links.push(target.to_string());
    }
    links
}

/// The anchors of all headings, as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let text = prose(text);
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter_map(|letter| match letter {
            ' ' => Some('-'),
            '-' | '_' => Some(letter),
            letter => letter.is_alphanumeric().then_some(letter),
        });
        kept.collect()
    };
    headings.map(anchor).collect()
}

/// Why a link of a document leads nowhere.
fn broken(document: &Path, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = match link.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (link, None),
    };
    let target = match path.is_empty() {
        true => document.to_path_buf(),
        false => document.parent().unwrap().join(path),
    };
    if !target.exists() {
        return Some(format!("{}: no file {link}", document.display()));
    }
    let anchor = anchor?;
    let known = anchors(&fs::read_to_string(&target).unwrap());
    (!known.iter().any(|known| known == anchor))
        .then(|| format!("{}: no heading {link}", document.display()))
}

#[test]
fn every_link_leads_to_a_file_or_a_heading() {
    let mut lost = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        lost.extend(
            links(&text)
                .iter()
                .filter_map(|link| broken(&document, link)),
        );
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}

#[test]
fn every_document_is_reached_from_the_readme() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let links = links(&text);
    let lost = documents().into_iter().filter(|path| {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        name != "README.md" && !links.contains(&name)
    });
    assert_eq!(lost.collect::<Vec<_>>(), Vec::<PathBuf>::new());
}

/// The names of functions in Rust files of a folder and below.
fn functions(folder: &Path, names: &mut HashSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, names);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let found = text.lines().filter_map(|line| {
                let (name, _) = line.trim_start().strip_prefix("fn ")?.split_once('(')?;
                Some(name.to_string())
            });
            names.extend(found);
        }
    }
}

#[test]
fn every_test_beside_a_promise_exists() {
    let mut names = HashSet::new();
    for folder in ["crates", "fuzz", "src", "tests"] {
        functions(&root().join(folder), &mut names);
    }
    let text = fs::read_to_string(root().join("docs/reliability.md")).unwrap();
    let cells = text.lines().filter(|line| line.starts_with("| "));
    let cells = cells.filter_map(|line| line.trim_end_matches(" |").rsplit_once(" | "));
    let words = cells.flat_map(|(_, cell)| cell.split('`').skip(1).step_by(2));
    let tests: Vec<_> = words.filter(|word| word.matches('_').count() > 1).collect();
    assert!(tests.len() > 20, "{tests:?}");
    let lost = tests.into_iter().filter(|test| !names.contains(*test));
    assert_eq!(lost.collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn links_and_headings_are_found_outside_code() {
    let text = "# A b, `c`: d\n[x](y.md#z) and ![p](q.png)\n```sh\n# no [x](no)\n```\n";
    assert_eq!(links(text), ["y.md#z", "q.png"]);
    assert_eq!(anchors(text), ["a-b-c-d"]);
}
