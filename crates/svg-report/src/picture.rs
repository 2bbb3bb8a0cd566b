//! A picture inside the page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::markup::{escape, inline};

/// How wide a small picture may grow, in pixels of the page, where it has the page for itself.
pub(crate) const ALONE: u32 = 720;

/// The same, where others stand beside it.
pub(crate) const BESIDE: u32 = 400;

/// How high a small picture may grow.
const HIGH: u32 = 720;

/// Above this width a picture is shown as it is, and made smoothly smaller where the page is narrow.
const SMALL: u32 = 480;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// A PNG with a line below it. A small one is enlarged by a whole number, so that each pixel is a square.
pub struct Picture {
    /// The bytes of a PNG file.
    pub png: Vec<u8>,
    /// What one who cannot see it should know.
    pub alt: String,
    /// What one who sees it should know.
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

/// Width and height, which every PNG has at the same place.
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
    fn the_bytes_come_back_from_the_page() {
        let picture = picture(7);
        let html = picture.html(ALONE);
        let start = html.find("base64,").unwrap() + "base64,".len();
        let end = start + html[start..].find('"').unwrap();
        assert_eq!(STANDARD.decode(&html[start..end]).unwrap(), picture.png);
        assert!(html.contains("alt=\"a &quot;dark&quot; strip\" width=\"7\" height=\"5\""));
    }

    #[test]
    fn a_small_picture_is_enlarged_by_a_whole_number_and_a_large_one_is_not() {
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
