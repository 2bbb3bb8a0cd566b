//! Embedded pictures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::markup::{escape, inline};

/// Maximum width of an enlarged picture in CSS pixels, if it is alone.
pub(crate) const ALONE: u32 = 720;

/// Maximum width of an enlarged picture beside others.
pub(crate) const BESIDE: u32 = 400;

/// Maximum height of an enlarged picture.
const HIGH: u32 = 720;

/// Wider pictures are scaled smoothly, others with square pixels.
const SMALL: u32 = 480;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// A PNG with a caption. Small ones are enlarged by an integer factor, so that each pixel is a square.
pub struct Picture {
    /// Bytes of a PNG file.
    pub png: Vec<u8>,
    /// Text alternative.
    pub alt: String,
    /// Caption.
    pub caption: String,
}

impl Picture {
    /// # Panics
    ///
    /// If the bytes are not those of a PNG.
    pub(crate) fn html(&self, room: u32) -> String {
        let [width, height] = size(&self.png);
        let times = (room / width).min(HIGH / height).clamp(1, 8);
        let class = if width <= SMALL {
            " class=\"pixels\""
        } else {
            ""
        };
        format!(
            "<figure class=\"picture\">\n<img{class} src=\"data:image/png;base64,{data}\" alt=\"{alt}\" \
             width=\"{width}\" height=\"{height}\" style=\"width:{shown}px\">\n\
             <figcaption>{caption}</figcaption>\n</figure>\n",
            data = STANDARD.encode(&self.png),
            alt = escape(&self.alt),
            shown = times * width,
            caption = inline(&self.caption),
        )
    }
}

/// Width and height from the header of a PNG.
fn size(png: &[u8]) -> [u32; 2] {
    let number = |at: usize| {
        let bytes = png.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes)).filter(|pixels| *pixels > 0)
    };
    match (png.starts_with(SIGNATURE), number(16), number(20)) {
        (true, Some(width), Some(height)) => [width, height],
        _ => panic!("the picture is not a PNG: {} bytes", png.len()),
    }
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::*;
    use crate::testing;

    fn picture(width: u32) -> Picture {
        Picture {
            png: testing::png(&RgbImage::new(width, 5)),
            alt: "a \"dark\" strip".into(),
            caption: "Nothing".into(),
        }
    }

    #[test]
    fn the_page_contains_the_bytes_of_the_picture() {
        let picture = picture(7);
        let html = picture.html(ALONE);
        let start = html.find("base64,").unwrap() + "base64,".len();
        let end = start + html[start..].find('"').unwrap();
        assert_eq!(STANDARD.decode(&html[start..end]).unwrap(), picture.png);
        assert!(html.contains("alt=\"a &quot;dark&quot; strip\" width=\"7\" height=\"5\""));
    }

    #[test]
    fn only_small_pictures_are_enlarged_by_an_integer_factor() {
        assert!(picture(270).html(ALONE).contains("width:540px"));
        assert!(picture(270).html(ALONE).contains("class=\"pixels\""));
        assert!(picture(800).html(ALONE).contains("width:800px"));
        assert!(!picture(800).html(ALONE).contains("class=\"pixels\""));
    }

    #[test]
    #[should_panic(expected = "the picture is not a PNG: 3 bytes")]
    fn other_bytes_panic() {
        let (alt, caption) = (String::new(), String::new());
        Picture {
            png: vec![1, 2, 3],
            alt,
            caption,
        }
        .html(ALONE);
    }
}
