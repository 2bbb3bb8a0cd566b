//! Layout of the diagram of the method: boxes and arrows.

use crate::markup::escape;

/// Left, top, width and height.
type Place = [f64; 4];

/// Positions of the eleven boxes, in the order of the constants below, and the arrows between them.
pub struct Layout {
    class: &'static str,
    size: [f64; 2],
    places: [Place; 11],
    /// Start box, end box, and whether the arrow is horizontal.
    arrows: [(usize, usize, bool); 11],
}

const IMAGE: usize = 0;
const ENCODER: usize = 1;
const RESIDUAL: usize = 2;
const SEMANTIC_CHANNELS: usize = 3;
const RESIDUAL_CHANNELS: usize = 4;
const FEATURES: usize = 5;
const DECODER: usize = 6;
const RECONSTRUCTION: usize = 7;
const NOISE: usize = 8;
const VELOCITY: usize = 9;
const LATENTS: usize = 10;

/// Left to right, with the latents below the features.
pub const WIDE: Layout = Layout {
    class: "wide",
    size: [1120.0, 322.0],
    places: [
        [2.0, 76.0, 106.0, 60.0],
        [154.0, 12.0, 196.0, 76.0],
        [154.0, 124.0, 196.0, 76.0],
        [390.0, 20.0, 170.0, 60.0],
        [390.0, 132.0, 170.0, 60.0],
        [610.0, 76.0, 152.0, 60.0],
        [808.0, 68.0, 160.0, 76.0],
        [1012.0, 76.0, 106.0, 60.0],
        [2.0, 252.0, 106.0, 60.0],
        [154.0, 244.0, 406.0, 76.0],
        [610.0, 252.0, 152.0, 60.0],
    ],
    arrows: [
        (IMAGE, ENCODER, true),
        (IMAGE, RESIDUAL, true),
        (ENCODER, SEMANTIC_CHANNELS, true),
        (RESIDUAL, RESIDUAL_CHANNELS, true),
        (SEMANTIC_CHANNELS, FEATURES, true),
        (RESIDUAL_CHANNELS, FEATURES, true),
        (FEATURES, DECODER, true),
        (DECODER, RECONSTRUCTION, true),
        (NOISE, VELOCITY, true),
        (VELOCITY, LATENTS, true),
        (FEATURES, LATENTS, false),
    ],
};

/// Top to bottom, with sampling from bottom to top.
pub const NARROW: Layout = Layout {
    class: "narrow",
    size: [380.0, 748.0],
    places: [
        [105.0, 2.0, 170.0, 60.0],
        [2.0, 104.0, 180.0, 76.0],
        [198.0, 104.0, 180.0, 76.0],
        [2.0, 222.0, 180.0, 60.0],
        [198.0, 222.0, 180.0, 60.0],
        [105.0, 324.0, 170.0, 60.0],
        [2.0, 440.0, 180.0, 76.0],
        [12.0, 566.0, 160.0, 60.0],
        [208.0, 684.0, 160.0, 60.0],
        [198.0, 558.0, 180.0, 76.0],
        [208.0, 448.0, 160.0, 60.0],
    ],
    arrows: [
        (IMAGE, ENCODER, false),
        (IMAGE, RESIDUAL, false),
        (ENCODER, SEMANTIC_CHANNELS, false),
        (RESIDUAL, RESIDUAL_CHANNELS, false),
        (SEMANTIC_CHANNELS, FEATURES, false),
        (RESIDUAL_CHANNELS, FEATURES, false),
        (FEATURES, DECODER, false),
        (DECODER, RECONSTRUCTION, false),
        (NOISE, VELOCITY, false),
        (VELOCITY, LATENTS, false),
        (FEATURES, LATENTS, false),
    ],
};

/// Length and half width of an arrow head.
const HEAD: [f64; 2] = [8.0, 4.5];

impl Layout {
    /// Draws the boxes, each with a kind and lines of text. `said` is the text alternative.
    pub fn svg(&self, boxes: &[(&str, Vec<String>)], said: &str) -> String {
        let [width, height] = self.size;
        let arrows = self.arrows.iter().map(|&(from, to, sideways)| {
            // Both directions: features are normalised, and samples are denormalised.
            let both = (from, to) == (FEATURES, LATENTS);
            let [from, to] = [self.places[from], self.places[to]];
            arrow(from, to, sideways, both)
        });
        let boxes = boxes.iter().zip(&self.places);
        let boxes = boxes.map(|((kind, lines), place)| labelled(kind, lines, *place));
        let [left, top, wide, high] = self.places[LATENTS];
        let note = format!(
            "<text class=\"note\" x=\"{:.0}\" y=\"{:.0}\">normalised</text>\n",
            left + 0.5 * wide + 12.0,
            top - if self.class == "wide" {
                high
            } else {
                0.3 * high
            }
        );
        format!(
            "<svg class=\"{}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">\n{}{}{note}</svg>\n",
            self.class,
            escape(said),
            arrows.collect::<String>(),
            boxes.collect::<String>(),
        )
    }
}

/// A box with centred lines of text, the first of which is the title.
fn labelled(kind: &str, lines: &[String], [left, top, width, height]: Place) -> String {
    let (middle, line) = (left + width / 2.0, 20.0);
    let first = top + height / 2.0 - line * (lines.len() as f64 - 1.0) / 2.0 + 5.0;
    let text = lines.iter().enumerate().map(|(place, text)| {
        let class = if place == 0 { " class=\"title\"" } else { "" };
        let y = first + line * place as f64;
        format!(
            "<text{class} x=\"{middle:.0}\" y=\"{y:.0}\">{}</text>\n",
            escape(text)
        )
    });
    format!(
        "<rect class=\"{kind}\" x=\"{left:.0}\" y=\"{top:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" \
         rx=\"8\"/>\n{}",
        text.collect::<String>()
    )
}

/// A curve between facing sides of two boxes, with a head at its end or at both ends.
fn arrow(from: Place, to: Place, sideways: bool, both: bool) -> String {
    let middle = |[left, top, width, height]: Place| [left + width / 2.0, top + height / 2.0];
    // The axis of the arrow, and the other one.
    let (along, across) = if sideways { (0, 1) } else { (1, 0) };
    let sense = (middle(to)[along] - middle(from)[along]).signum();
    let end = |place: Place, sense: f64| {
        let mut end = middle(place);
        end[along] += sense * place[along + 2] / 2.0;
        end
    };
    let (tail, tip) = (end(from, sense), end(to, -sense));
    let beside = |point: [f64; 2], forward: f64, aside: f64| {
        let mut point = point;
        point[along] += sense * forward;
        point[across] += aside;
        point
    };
    let start = if both {
        beside(tail, HEAD[0], 0.0)
    } else {
        tail
    };
    let stop = beside(tip, -HEAD[0], 0.0);
    let half = (stop[along] - start[along]).abs() / 2.0;
    let path = [
        start,
        beside(start, half, 0.0),
        beside(stop, -half, 0.0),
        stop,
    ];
    let [a, b, c, d] = path.map(|[x, y]| format!("{x:.1} {y:.1}"));
    let head = |tip: [f64; 2], back: f64| {
        let corners = [tip, beside(tip, back, HEAD[1]), beside(tip, back, -HEAD[1])];
        let [a, b, c] = corners.map(|[x, y]| format!("{x:.1} {y:.1}"));
        format!("<path class=\"head\" d=\"M{a}L{b}L{c}z\"/>\n")
    };
    let mut heads = head(tip, -HEAD[0]);
    if both {
        heads.push_str(&head(tail, HEAD[0]));
    }
    format!("<path class=\"arrow\" d=\"M{a}C{b} {c} {d}\"/>\n{heads}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_do_not_overlap_and_are_within_the_drawing() {
        for layout in [WIDE, NARROW] {
            for (place, [left, top, width, height]) in layout.places.iter().enumerate() {
                assert!(
                    *left > 0.0 && left + width < layout.size[0],
                    "{} {place}",
                    layout.class
                );
                assert!(
                    *top > 0.0 && top + height <= layout.size[1],
                    "{} {place}",
                    layout.class
                );
                let covered = layout.places[..place].iter().any(|[x, y, w, h]| {
                    *left < x + w && *x < left + width && *top < y + h && *y < top + height
                });
                assert!(!covered, "{} {place}", layout.class);
            }
        }
    }

    #[test]
    fn both_layouts_have_the_same_arrows() {
        let ends = |layout: &Layout| layout.arrows.map(|(from, to, _)| (from, to));
        assert_eq!(ends(&WIDE), ends(&NARROW));
    }

    #[test]
    fn arrows_connect_facing_sides() {
        let (above, below) = ([0.0, 0.0, 10.0, 10.0], [20.0, 40.0, 10.0, 10.0]);
        assert!(arrow(above, below, false, false).contains("M5.0 10.0C"));
        assert!(arrow(below, above, false, false).contains("M25.0 40.0C"));
        assert!(arrow(above, below, true, false).contains("M10.0 5.0C"));
    }
}
