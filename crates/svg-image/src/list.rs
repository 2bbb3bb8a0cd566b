//! Text lists of pictures, one path per line.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::ImageError;

pub(crate) fn is_list(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("txt"))
}

/// The pictures of a list, in order: the line without surrounding whitespace, and the path of the file, which is
/// the line relative to the list's folder. Empty lines and those that begin with `#` are skipped.
pub(crate) fn read_list(list: &Path) -> Result<Vec<(String, PathBuf)>, ImageError> {
    let text = std::fs::read_to_string(list).map_err(ImageError::read(list.display()))?;
    let folder = list.parent().unwrap_or(Path::new(""));
    let mut listed = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let path = folder.join(line);
        let exists = std::fs::metadata(&path).and_then(|metadata| match metadata.is_file() {
            true => Ok(()),
            false => Err(io::Error::other("it is not a file")),
        });
        exists.map_err(|cause| ImageError::Listed {
            list: list.into(),
            line: number + 1,
            path: path.clone(),
            cause,
        })?;
        listed.push((line.into(), path));
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        for name in ["a.png", "b/c d.jpg"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let path = folder.path().join("list.txt");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn lines_are_paths_relative_to_the_folder_of_the_list() {
        let (folder, path) = list("# two pictures\r\n\n  b/c d.jpg \r\na.png\nb/../a.png");
        let listed = read_list(&path).unwrap();
        let texts: Vec<_> = listed.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(texts, ["b/c d.jpg", "a.png", "b/../a.png"]);
        assert_eq!(listed[0].1, folder.path().join("b/c d.jpg"));
    }

    #[test]
    fn the_error_for_a_missing_file_names_it_and_its_line() {
        let (_folder, path) = list("a.png\n\nb/none.png\n");
        let message = read_list(&path).unwrap_err().to_string();
        assert!(message.contains("list.txt, line 3"), "{message}");
        assert!(message.contains("b/none.png"), "{message}");
    }

    #[test]
    fn a_folder_in_a_list_is_rejected() {
        let (_folder, path) = list("b\n");
        let message = read_list(&path).unwrap_err().to_string();
        assert!(message.contains("line 1") && message.contains("not a file"));
    }
}
