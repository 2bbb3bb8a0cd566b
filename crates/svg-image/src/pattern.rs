//! Several paths in one word: `{000..146}`, `{a,b}` and wildcards.

use std::path::{Path, PathBuf};

use crate::error::ImageError;

/// The paths that are meant: each itself if it is there, or else those that its pattern stands for.
pub(crate) fn expanded(paths: &[PathBuf]) -> Result<Vec<PathBuf>, ImageError> {
    let mut all = Vec::new();
    for path in paths {
        let text = path.to_string_lossy();
        if path.exists() || !text.contains(['{', '*', '?', '[']) {
            all.push(path.clone());
            continue;
        }
        for word in braces(&text) {
            if Path::new(&word).exists() || !word.contains(['*', '?', '[']) {
                all.push(word.into());
                continue;
            }
            let before = all.len();
            let found = glob::glob(&word).map_err(|error| pattern(&word, error.to_string()))?;
            for path in found {
                all.push(path.map_err(|error| pattern(&word, error.to_string()))?);
            }
            if all.len() == before {
                return Err(pattern(&word, "no file has such a name".into()));
            }
        }
    }
    Ok(all)
}

fn pattern(pattern: &str, reason: String) -> ImageError {
    let pattern = pattern.to_string();
    ImageError::Pattern { pattern, reason }
}

/// The words that the first pair of braces stands for, and those of the next in each, as a shell has it.
fn braces(word: &str) -> Vec<String> {
    let Some((start, inside, end)) = word.split_once('{').and_then(|(start, rest)| {
        let (inside, end) = rest.split_once('}')?;
        Some((start, inside, end))
    }) else {
        return vec![word.to_string()];
    };
    let choices = match range(inside) {
        Some(numbers) => numbers,
        None if inside.contains(',') => inside.split(',').map(str::to_string).collect(),
        // Not a pattern of ours.
        None => vec![format!("{{{inside}}}")],
    };
    let ends = braces(end);
    let words = choices.iter().flat_map(|choice| {
        let words = ends.iter().map(move |end| format!("{start}{choice}{end}"));
        words.collect::<Vec<_>>()
    });
    words.collect()
}

/// The numbers from one to the other, with as many digits as the first.
fn range(inside: &str) -> Option<Vec<String>> {
    let (first, last) = inside.split_once("..")?;
    let width = match first.starts_with('0') {
        true => first.len(),
        false => 0,
    };
    let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
    Some(
        (first..=last)
            .map(|number| format!("{number:0width$}"))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_those_of_a_shell() {
        assert_eq!(
            braces("a-{008..010}.tar"),
            ["a-008.tar", "a-009.tar", "a-010.tar"]
        );
        assert_eq!(braces("{a,b}{8..9}"), ["a8", "a9", "b8", "b9"]);
        assert_eq!(braces("a{b}c"), ["a{b}c"]);
        assert_eq!(braces("plain"), ["plain"]);
    }

    #[test]
    fn wildcards_are_sorted_and_name_something() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b2.tar", "b1.tar", "c{1}.tar"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let names = |pattern: &str| {
            let paths = expanded(&[folder.path().join(pattern)]).unwrap();
            let names = paths
                .iter()
                .map(|path| path.file_name().unwrap().to_str().unwrap());
            names.map(str::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names("b*.tar"), ["b1.tar", "b2.tar"]);
        assert_eq!(names("b{1..3}.tar"), ["b1.tar", "b2.tar", "b3.tar"]);
        assert_eq!(names("c{1}.tar"), ["c{1}.tar"]);
        let error = expanded(&[folder.path().join("d*.tar")]).unwrap_err();
        assert!(
            error.to_string().contains("no file has such a name"),
            "{error}"
        );
    }
}
