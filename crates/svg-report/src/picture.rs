//! Embedded pictures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// A PNG for the macro `picture` of `parts.html`.
#[derive(Serialize)]
pub struct Picture {
    width: u32,
    height: u32,
    /// The bytes of the file in base 64.
    data: String,
}

impl Picture {
    /// A picture from the bytes of a PNG file.
    ///
    /// # Panics
    ///
    /// If the bytes are not those of a PNG.
    pub fn new(png: &[u8]) -> Self {
        let number = |at: usize| {
            let bytes = png.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_be_bytes(bytes)).filter(|pixels| *pixels > 0)
        };
        match (png.starts_with(SIGNATURE), number(16), number(20)) {
            (true, Some(width), Some(height)) => Self {
                width,
                height,
                data: STANDARD.encode(png),
            },
            _ => panic!("the picture is not a PNG: {} bytes", png.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use image::RgbImage;
    use minijinja::context;
    use minijinja::value::Serde;

    use super::*;
    use crate::{render, tests};

    fn file(width: u32) -> Vec<u8> {
        tests::png(&RgbImage::new(width, 5))
    }

    fn html(width: u32) -> String {
        let template = r#"{% from "parts.html" import picture %}{{ picture(it, alt, "Nothing") }}"#;
        let it = Serde(Picture::new(&file(width)));
        render(template, context! { it, alt => "a \"dark\" strip" })
    }

    #[test]
    fn the_page_contains_the_bytes_of_the_picture() {
        let html = html(7);
        let start = html.find("base64,").unwrap() + "base64,".len();
        let end = start + html[start..].find('"').unwrap();
        assert_eq!(STANDARD.decode(&html[start..end]).unwrap(), file(7));
        assert!(html.contains("alt=\"a &quot;dark&quot; strip\" width=\"7\" height=\"5\""));
    }

    #[test]
    fn only_small_pictures_are_enlarged_by_an_integer_factor() {
        assert!(html(270).contains("width:540px"));
        assert!(html(270).contains("class=\"pixels\""));
        assert!(html(800).contains("width:800px"));
        assert!(!html(800).contains("class=\"pixels\""));
    }

    #[test]
    #[should_panic(expected = "the picture is not a PNG: 3 bytes")]
    fn other_bytes_panic() {
        Picture::new(&[1, 2, 3]);
    }
}
