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
    /// A picture from the bytes of a PNG file; `None` if they do not begin as one. What they show is not decoded.
    pub fn new(png: &[u8]) -> Option<Self> {
        let number = |at: usize| {
            let bytes = png.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_be_bytes(bytes)).filter(|pixels| *pixels > 0)
        };
        let (width, height) = number(16).zip(number(20))?;
        png.starts_with(SIGNATURE).then(|| Self {
            width,
            height,
            data: STANDARD.encode(png),
        })
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
        let it = Serde(Picture::new(&file(width)).unwrap());
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
    fn other_bytes_are_no_picture() {
        let whole = file(7);
        let empty = [&whole[..16], &[0; 8], &whole[24..]].concat();
        for bytes in [&[1, 2, 3][..], &whole[1..], &whole[..20], &empty] {
            assert!(Picture::new(bytes).is_none());
        }
    }
}
