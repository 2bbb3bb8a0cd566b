//! Text notes of PNG files.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Reads the text that [`save_png`](crate::save_png) wrote under a keyword. `None` if the file is not a PNG or
/// has no such note.
pub fn read_note(path: impl AsRef<Path>, keyword: &str) -> Option<String> {
    let file = BufReader::new(File::open(path).ok()?);
    let reader = png::Decoder::new(file).read_info().ok()?;
    let info = reader.info();
    let latin1 = info.uncompressed_latin1_text.iter();
    let mut latin1 = latin1.filter(|note| note.keyword == keyword);
    let mut other = info.utf8_text.iter().filter(|note| note.keyword == keyword);
    match latin1.next() {
        Some(note) => Some(note.text.clone()),
        None => other.next()?.get_text().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RgbImage, save_png};

    #[test]
    fn notes_roundtrip_through_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture.png");
        let notes = [("Software", "svg"), ("Comment", "\u{3b1} = 0")];
        save_png(&RgbImage::new(2, 2), &path, &notes).unwrap();
        assert_eq!(read_note(&path, "Software").as_deref(), Some("svg"));
        assert_eq!(read_note(&path, "Comment").as_deref(), Some("\u{3b1} = 0"));
        assert_eq!(read_note(&path, "Title"), None);
        std::fs::write(&path, "no picture").unwrap();
        assert_eq!(read_note(&path, "Software"), None);
        assert_eq!(read_note(folder.path().join("none.png"), "Software"), None);
    }
}
