//! A plotting area with two axes.

use serde::Serialize;

use crate::axis::Axis;
use crate::number::number;

/// A rectangle of a drawing with two axes; the macro `frame` of `drawing.svg` draws it.
#[derive(Serialize)]
pub struct Frame {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    /// Horizontal position and text of each mark of the horizontal axis.
    x_marks: Vec<(f64, String)>,
    /// Vertical position and text of each mark of the vertical axis.
    y_marks: Vec<(f64, String)>,
    #[serde(skip)]
    x: Axis,
    #[serde(skip)]
    y: Axis,
}

impl Frame {
    /// Creates a frame from a rectangle (left, top, width, height) and its axes.
    pub fn new([left, top, width, height]: [f64; 4], x: Axis, y: Axis) -> Self {
        let mut frame = Self {
            left,
            top,
            width,
            height,
            x_marks: Vec::new(),
            y_marks: Vec::new(),
            x,
            y,
        };
        let (across, down) = (frame.x.marks.iter(), frame.y.marks.iter());
        let across = across.map(|mark| (frame.across(*mark), number(*mark)));
        let down = down.map(|mark| (frame.down(*mark), number(*mark)));
        (frame.x_marks, frame.y_marks) = (across.collect(), down.collect());
        frame
    }

    /// Position of a point in the drawing.
    pub fn at(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [self.across(x), self.down(y)]
    }

    fn across(&self, x: f64) -> f64 {
        self.left + self.width * self.x.place(x)
    }

    fn down(&self, y: f64) -> f64 {
        self.top + self.height * (1.0 - self.y.place(y))
    }
}

#[cfg(test)]
mod tests {
    use minijinja::context;
    use minijinja::value::Serde;

    use super::*;
    use crate::render;

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
        let template = r#"{% from "drawing.svg" import frame %}{{ frame(area) }}"#;
        let svg = render(template, context! { area => Serde(frame) });
        for mark in ["1", "2", "3", "4", "50", "100", "150", "200"] {
            assert!(svg.contains(&format!(">{mark}</text>")), "{mark}: {svg}");
        }
    }
}
