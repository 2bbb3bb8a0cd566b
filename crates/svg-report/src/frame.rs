//! A plotting area with two axes.

use crate::axis::{Axis, number};
use crate::drawing::{Anchor, Drawing, Text};

const RULE: &str = "#e3e5e8";
const EDGE: &str = "#8b9199";
/// Colour of the labels of an axis.
pub(crate) const QUIET: &str = "#5c6169";

/// A rectangle of a drawing with two axes.
pub struct Frame {
    place: [f64; 4],
    x: Axis,
    y: Axis,
}

impl Frame {
    /// Creates a frame from a rectangle (left, top, width, height) and its axes.
    pub fn new(place: [f64; 4], x: Axis, y: Axis) -> Self {
        Self { place, x, y }
    }

    /// Position of a point in the drawing.
    pub fn at(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [left, top, width, height] = self.place;
        [
            left + width * self.x.place(x),
            top + height * (1.0 - self.y.place(y)),
        ]
    }

    /// Draws a grid line at each mark of the vertical axis, and the numbers of both axes outside the rectangle.
    pub fn draw(&self, drawing: &mut Drawing) {
        let [left, top, width, height] = self.place;
        let (right, bottom) = (left + width, top + height);
        for &mark in &self.y.marks {
            let y = top + height * (1.0 - self.y.place(mark));
            drawing.line(&[[left, y], [right, y]], RULE, 1.0);
            let style = Text {
                anchor: Anchor::End,
                colour: QUIET,
                ..Text::default()
            };
            drawing.text([left - 6.0, y], &number(mark), style);
        }
        for &mark in &self.x.marks {
            let x = left + width * self.x.place(mark);
            drawing.line(&[[x, bottom], [x, bottom + 4.0]], EDGE, 1.0);
            let style = Text {
                anchor: Anchor::Middle,
                colour: QUIET,
                ..Text::default()
            };
            drawing.text([x, bottom + 13.0], &number(mark), style);
        }
        drawing.line(&[[left, top], [left, bottom], [right, bottom]], EDGE, 1.0);
    }

    /// Width of the numbers beside the vertical axis, in pixels.
    pub(crate) fn margin(y: &Axis) -> f64 {
        let widest = y.marks.iter().map(|mark| number(*mark).chars().count());
        7.0 * widest.max().unwrap_or(1) as f64 + 8.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_placed_from_the_lower_left_corner() {
        let axis = |high| Axis::tight([0.0, high].into_iter());
        let frame = Frame::new([10.0, 20.0, 100.0, 50.0], axis(4.0), axis(2.0));
        assert_eq!(frame.at([0.0, 0.0]), [10.0, 70.0]);
        assert_eq!(frame.at([4.0, 2.0]), [110.0, 20.0]);
        assert_eq!(frame.at([1.0, 1.0]), [35.0, 45.0]);
    }

    #[test]
    fn every_mark_is_written() {
        let axis = |high| Axis::tight([0.0, high].into_iter());
        let frame = Frame::new([40.0, 10.0, 100.0, 50.0], axis(4.0), axis(200.0));
        let mut drawing = Drawing::new([150.0, 80.0], "");
        frame.draw(&mut drawing);
        for mark in ["1", "2", "3", "4", "50", "100", "150", "200"] {
            assert!(drawing.svg().contains(&format!(">{mark}</text>")), "{mark}");
        }
    }
}
