//! Text lists of pictures, one path per line, with or without labels.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::ImageError;
use crate::label::label;
use crate::records::{is_header, read_csv, read_json};

/// A picture of a list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// As the list names it.
    pub name: String,
    pub path: PathBuf,
    pub label: Option<String>,
}

/// The text of a list.
pub(crate) fn read_text(list: &Path) -> Result<String, ImageError> {
    let bytes = svg_store::read_file(list).map_err(ImageError::read(list.display()))?;
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| wrong(list, "it is not text in UTF-8; save it as UTF-8"))?;
    match text.strip_prefix('\u{feff}') {
        Some(text) => Ok(text.to_string()),
        None => Ok(text),
    }
}

/// The pictures of a list, in order. Its form is seen from its text: lines of JSON objects, a table with a
/// header (CSV), or lines with a path and perhaps a label.
pub(crate) fn read_list(list: &Path, text: &str) -> Result<Vec<Listed>, ImageError> {
    match text.trim_start().chars().next() {
        Some('{' | '[') => read_json(list, text),
        _ if is_header(list, text) => read_csv(list, text),
        _ => read_lines(list, text),
    }
}

/// Lines that say something, trimmed, with their numbers from 1. Empty ones and those that begin with `#` are
/// skipped.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().map(str::trim).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(index, line)| (index + 1, line))
}

/// Whether the first line names a file.
pub(crate) fn names_a_file(list: &Path, text: &str) -> bool {
    let first = lines(text).next();
    first.is_some_and(|(_, line)| split(line).any(|(path, _)| at(list, path).is_ok()))
}

/// A line as a path alone, and as a path and a label in every usual way.
fn split(line: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let tab = line.split_once('\t').map(|(path, rest)| {
        let label = rest.split('\t').next().unwrap_or_default();
        (path, label)
    });
    let comma = line.rsplit_once(',');
    let last = line.rsplit_once(char::is_whitespace);
    let first = line.split_once(char::is_whitespace).map(|(path, rest)| {
        let label = rest.split_whitespace().next().unwrap_or_default();
        (path, label)
    });
    let labelled = [tab, comma, last, first].into_iter().flatten();
    let labelled = labelled.map(|(path, label)| (path.trim(), Some(label.trim())));
    [(line, None)].into_iter().chain(labelled)
}

fn read_lines(list: &Path, text: &str) -> Result<Vec<Listed>, ImageError> {
    let mut listed = Vec::<Listed>::new();
    for (number, line) in lines(text) {
        let mut found =
            split(line).filter_map(|(path, label)| Some((path, at(list, path).ok()?, label)));
        let Some((name, path, text)) = found.next() else {
            let is_labelled = listed.first().is_some_and(|first| first.label.is_some());
            let shown = split(line).nth(usize::from(is_labelled));
            return Err(missing(list, number, shown.map_or(line, |(path, _)| path)));
        };
        let label = text.and_then(label);
        if listed
            .first()
            .is_some_and(|first| first.label.is_some() != label.is_some())
        {
            let reason = format!("line {number}: some lines have a label and others have none");
            return Err(wrong(list, &reason));
        }
        let name = name.to_string();
        listed.push(Listed { name, path, label });
    }
    Ok(listed)
}

/// The file that a list names, relative to its folder.
pub(crate) fn at(list: &Path, name: &str) -> io::Result<PathBuf> {
    let path = list.parent().unwrap_or(Path::new("")).join(name);
    match std::fs::metadata(&path)?.is_file() {
        true => Ok(path),
        false => Err(io::Error::other("it is not a file")),
    }
}

/// The error for a name that is no file.
pub(crate) fn missing(list: &Path, line: usize, name: &str) -> ImageError {
    let cause = at(list, name).err();
    ImageError::Listed {
        list: list.into(),
        line,
        path: list.parent().unwrap_or(Path::new("")).join(name),
        cause: cause.unwrap_or_else(|| io::ErrorKind::NotFound.into()),
    }
}

pub(crate) fn wrong(list: &Path, reason: &str) -> ImageError {
    ImageError::List {
        list: list.into(),
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> (tempfile::TempDir, Result<Vec<Listed>, ImageError>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        for name in ["a.png", "b/c d.jpg"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let path = folder.path().join("list.txt");
        std::fs::write(&path, text).unwrap();
        let listed = read_text(&path).and_then(|text| read_list(&path, &text));
        (folder, listed)
    }

    fn names(text: &str) -> Vec<(String, Option<String>)> {
        let listed = list(text).1.unwrap();
        listed
            .into_iter()
            .map(|listed| (listed.name, listed.label))
            .collect()
    }

    fn some(name: &str, label: &str) -> (String, Option<String>) {
        (name.into(), Some(label.into()))
    }

    #[test]
    fn lines_are_paths_relative_to_the_folder_of_the_list() {
        let (folder, listed) = list("# two pictures\r\n\n  b/c d.jpg \r\na.png\nb/../a.png");
        let listed = listed.unwrap();
        let texts: Vec<_> = listed.iter().map(|listed| listed.name.as_str()).collect();
        assert_eq!(texts, ["b/c d.jpg", "a.png", "b/../a.png"]);
        assert_eq!(listed[0].path, folder.path().join("b/c d.jpg"));
        assert!(listed.iter().all(|listed| listed.label.is_none()));
    }

    #[test]
    fn the_second_column_is_a_label_however_it_is_set_off() {
        let expected = [some("a.png", "0"), some("b/c d.jpg", "10")];
        for text in [
            "a.png 0\nb/c d.jpg 10\n",
            "\u{feff}a.png\t0\tmore\nb/c d.jpg\t10\t3\n",
            "a.png,0\r\nb/c d.jpg, 10\r\n",
        ] {
            assert_eq!(names(text), expected, "{text:?}");
        }
        assert_eq!(names("a.png cat 3 4\n"), [some("a.png", "cat")]);
    }

    #[test]
    fn tables_and_json_lines_are_seen_from_their_text() {
        let expected = [some("a.png", "1"), some("b/c d.jpg", "0")];
        for text in [
            "file_name,label\na.png,1\n\"b/c d.jpg\",0\n",
            "id;Class;PATH\n7;1;a.png\n8;0;b/c d.jpg\n",
            "{\"image\": \"a.png\", \"label\": 1}\n\n{\"image\": \"b/c d.jpg\", \"label\": 0}\n",
            "[{\"path\": \"a.png\", \"class\": \"1\"}, {\"path\": \"b/c d.jpg\", \"class\": \"0\"}]",
        ] {
            assert_eq!(names(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_a_table_lacks_is_named_with_what_it_has() {
        let refused = |text: &str, expected: &str| {
            let message = list(text).1.unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        };
        refused("path,label\na.png,1\nnone.png,0\n", "line 3: cannot read");
        refused(
            "{\"name\": \"a.png\"}\n",
            "none of the fields image, path, file_name",
        );
        refused("{\"image\": \"a.png\"}\n{\n", "line 2");
        refused("path,label\na.png,1\na.png,\n", "some rows have a label");
        refused("a.png 1\nb/c d.jpg\n", "line 2: some lines have a label");
    }

    #[test]
    fn the_error_for_a_missing_file_names_it_and_its_line() {
        let message = list("a.png\n\nb/none.png\n").1.unwrap_err().to_string();
        assert!(message.contains("list.txt, line 3"), "{message}");
        assert!(message.contains("b/none.png"), "{message}");
        let message = list("a.png 0\nb/none.png 1\n").1.unwrap_err().to_string();
        assert!(message.contains("none.png: "), "{message}");
    }

    #[test]
    fn a_folder_in_a_list_is_rejected() {
        let message = list("b\n").1.unwrap_err().to_string();
        assert!(message.contains("line 1") && message.contains("not a file"));
    }
}
