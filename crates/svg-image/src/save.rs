//! PNG files and the notes in them.

use std::io::{self, BufReader, Write};
use std::path::Path;

use image::RgbImage;
use svg_store::{open_file, write_file};

use crate::error::ImageError;

/// Saves a picture as PNG, atomically, with notes such as the command that made it.
///
/// Each note is a keyword of 1 to 79 Latin-1 characters and a text. Texts in Latin-1 become `tEXt`
/// chunks, others `iTXt`.
///
/// # Errors
///
/// [`ImageError::Write`] as for [`write_file`], or if a keyword is invalid or the picture has no pixels.
pub fn save_png(
    image: &RgbImage,
    path: impl AsRef<Path>,
    text: &[(&str, &str)],
) -> Result<(), ImageError> {
    Ok(write_file(path, |file| write_png(image, file, text))?)
}

/// The bytes that [`save_png`] would write, for files that embed pictures.
///
/// # Panics
///
/// If the picture has no pixels or a keyword is invalid.
pub fn encode_png(image: &RgbImage, text: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Err(error) = write_png(image, &mut bytes, text) {
        panic!("the picture cannot be encoded as PNG: {error}");
    }
    bytes
}

fn write_png(image: &RgbImage, out: impl Write, text: &[(&str, &str)]) -> io::Result<()> {
    let mut encoder = png::Encoder::new(out, image.width(), image.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    for (keyword, text) in text {
        let latin1 = text.chars().all(|character| u32::from(character) < 256);
        let (keyword, text) = (keyword.to_string(), text.to_string());
        if latin1 {
            encoder.add_text_chunk(keyword, text)?;
        } else {
            encoder.add_itxt_chunk(keyword, text)?;
        }
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(image.as_raw())?;
    Ok(writer.finish()?)
}

/// Reads the text that [`save_png`] wrote under a keyword. `None` if the file is not a PNG or
/// has no such note.
pub fn read_note(path: impl AsRef<Path>, keyword: &str) -> Option<String> {
    let file = BufReader::new(open_file(path.as_ref()).ok()?);
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
    use crate::read::{DecodeOptions, decode};

    fn picture() -> RgbImage {
        RgbImage::from_fn(5, 3, |x, y| image::Rgb([x as u8 * 50, y as u8 * 80, 7]))
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn pictures_and_notes_roundtrip_through_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture.png");
        let notes = [
            ("Software", "svg 0.1"),
            ("Comment", "guidance 1.5, \u{3b1} = 0"),
        ];
        save_png(&picture(), &path, &notes).unwrap();

        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes, encode_png(&picture(), &notes));
        assert_eq!(
            decode(&bytes, &DecodeOptions::default()).unwrap(),
            picture()
        );
        let reader = png::Decoder::new(io::Cursor::new(&bytes))
            .read_info()
            .unwrap();
        let info = reader.info();
        assert_eq!(info.uncompressed_latin1_text[0].text, "svg 0.1");
        assert_eq!(
            info.utf8_text[0].get_text().unwrap(),
            "guidance 1.5, \u{3b1} = 0"
        );
        assert_eq!(names(folder.path()), ["picture.png"]);
    }

    #[test]
    fn failed_writes_leave_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture.png");
        assert!(save_png(&picture(), &path, &[("", "no keyword")]).is_err());
        assert!(save_png(&RgbImage::new(0, 3), &path, &[]).is_err());
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    #[should_panic(expected = "cannot be encoded as PNG")]
    fn encoding_a_picture_without_pixels_panics() {
        encode_png(&RgbImage::new(0, 3), &[]);
    }

    #[test]
    fn paths_of_folders_and_in_missing_folders_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        std::fs::create_dir(&taken).unwrap();
        assert!(save_png(&picture(), &taken, &[]).is_err());
        assert_eq!(names(folder.path()), ["taken"]);
        let error = save_png(&picture(), folder.path().join("none/picture.png"), &[]).unwrap_err();
        assert!(error.to_string().contains("none/picture.png"), "{error}");
    }

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
