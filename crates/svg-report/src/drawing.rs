//! SVG pictures of fixed size made of lines, discs and text.

use crate::markup::escape;

/// An SVG picture under construction, initially white.
///
/// Coordinates are pixels from the upper left corner. Colours are `#rrggbb`, or `#rrggbbaa` with an opacity.
///
/// ```
/// let mut drawing = svg_report::Drawing::new([40.0, 20.0], "a diagonal");
/// drawing.line(&[[0.0, 0.0], [40.0, 20.0]], "#0072b2", 2.0);
/// assert!(drawing.svg().ends_with("</svg>\n"));
/// ```
pub struct Drawing {
    size: [f64; 2],
    label: String,
    body: String,
}

/// Style of text.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    /// Font size in pixels.
    pub size: f64,
    /// Horizontal anchor.
    pub anchor: Anchor,
    /// Colour.
    pub colour: &'a str,
    /// Whether the text runs upwards instead of to the right.
    pub upwards: bool,
}

/// Part of a text that is placed at its point. Vertically it is always the middle of the line.
#[derive(Clone, Copy)]
pub enum Anchor {
    /// Beginning of the text.
    Start,
    /// Middle of the text.
    Middle,
    /// End of the text.
    End,
}

impl Default for Text<'_> {
    /// 12 pixels, from the left, in dark grey.
    fn default() -> Self {
        Self {
            size: 12.0,
            anchor: Anchor::Start,
            colour: "#1c1e21",
            upwards: false,
        }
    }
}

impl Drawing {
    /// Creates a white picture of this width and height, with a text alternative.
    pub fn new(size: [f64; 2], label: &str) -> Self {
        Self {
            size,
            label: label.to_string(),
            body: String::new(),
        }
    }

    /// Fills a rectangle, given as left, top, width and height.
    pub fn rectangle(&mut self, [left, top, width, height]: [f64; 4], fill: &str) {
        self.body += &format!(
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\"/>\n"
        );
    }

    /// Draws a line through these points.
    pub fn line(&mut self, points: &[[f64; 2]], stroke: &str, width: f64) {
        let points: Vec<String> = points
            .iter()
            .map(|[x, y]| format!("{x:.1},{y:.1}"))
            .collect();
        self.body += &format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"{width}\" \
             stroke-linejoin=\"round\"/>\n",
            points.join(" ")
        );
    }

    /// Fills a circle.
    pub fn disc(&mut self, [x, y]: [f64; 2], radius: f64, fill: &str) {
        self.body +=
            &format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{fill}\"/>\n");
    }

    /// Draws the outline of a circle, one pixel wide.
    pub fn ring(&mut self, [x, y]: [f64; 2], radius: f64, stroke: &str) {
        self.body += &format!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"none\" stroke=\"{stroke}\"/>\n"
        );
    }

    /// Writes text at a point.
    pub fn text(&mut self, [x, y]: [f64; 2], text: &str, style: Text) {
        let anchor = match style.anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let turn = match style.upwards {
            true => format!(" transform=\"rotate(-90 {x:.1} {y:.1})\""),
            false => String::new(),
        };
        let (size, colour, text) = (style.size, style.colour, escape(text));
        self.body += &format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" dy=\"0.35em\" font-size=\"{size}\" text-anchor=\"{anchor}\" \
             fill=\"{colour}\"{turn}>{text}</text>\n"
        );
    }

    /// Renders the picture as an SVG file.
    pub fn svg(&self) -> String {
        let [width, height] = self.size;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" role=\"img\" aria-label=\"{label}\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n{body}</svg>\n",
            label = escape(&self.label),
            body = self.body,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_placed() {
        let mut drawing = Drawing::new([10.0, 20.0], "a < b");
        let style = Text {
            anchor: Anchor::End,
            upwards: true,
            ..Text::default()
        };
        drawing.text([3.0, 4.0], "x & y", style);
        let svg = drawing.svg();
        assert!(svg.contains("aria-label=\"a &lt; b\""), "{svg}");
        assert!(
            svg.contains("text-anchor=\"end\"") && svg.contains("rotate(-90 3.0 4.0)"),
            "{svg}"
        );
        assert!(svg.contains(">x &amp; y</text>"), "{svg}");
    }

    #[test]
    fn shapes_keep_the_order_of_drawing() {
        let mut drawing = Drawing::new([10.0, 20.0], "");
        drawing.rectangle([0.0, 1.0, 2.0, 3.0], "#000000");
        drawing.disc([5.0, 5.0], 2.0, "#ff0000");
        drawing.ring([5.0, 5.0], 2.0, "#00ff00");
        drawing.line(&[[0.0, 0.0], [1.0, 2.0]], "#0000ff80", 1.0);
        let svg = drawing.svg();
        let places = ["#000000", "#ff0000", "#00ff00", "0.0,0.0 1.0,2.0"]
            .map(|mark| svg.find(mark).unwrap_or_else(|| panic!("{mark}: {svg}")));
        assert!(places.is_sorted());
    }
}
