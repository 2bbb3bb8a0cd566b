//! Charts as SVG pictures.

use crate::axis::number;
use crate::chart::{Chart, FEW, Series};
use crate::drawing::{Anchor, Drawing, Text};
use crate::frame::{Frame, QUIET};
use crate::palette::{COLOURS, ON_LIGHT};

const SIZE: [f64; 2] = [720.0, 400.0];
/// Margin around a chart, in pixels.
const MARGIN: f64 = 16.0;
/// Space for the part of the last number of the horizontal axis that extends beyond the axis.
const LAST: f64 = 12.0;
/// Height of a line of text, in pixels.
const LINE: f64 = 20.0;

impl Chart {
    /// Renders the chart as an SVG file of 720 x 400 pixels.
    pub fn svg(&self) -> String {
        let mut drawing = Drawing::new(SIZE, &self.said());
        self.draw(&mut drawing, [0.0, 0.0, SIZE[0], SIZE[1]]);
        drawing.svg()
    }

    /// Draws the chart into a rectangle of a drawing, given as left, top, width and height.
    pub fn draw(&self, drawing: &mut Drawing, [left, top, width, height]: [f64; 4]) {
        let plot = self.plot();
        let (start, end) = (left + MARGIN, left + width - MARGIN);
        let mut y = top + MARGIN + LINE / 2.0;
        let title = Text {
            size: 15.0,
            ..Text::default()
        };
        if !self.title.is_empty() {
            drawing.text([start, y], &self.title, title);
            y += LINE;
        }
        if self.series.len() > 1 {
            y = self.draw_legend(drawing, start, end, y);
        }
        let quiet = Text {
            colour: QUIET,
            ..Text::default()
        };
        drawing.text([start, y], &self.y_text(), quiet);
        let (above, below) = (y + LINE / 2.0 + 4.0, top + height - MARGIN - 2.0 * LINE);
        let inner = start + Frame::margin(&plot.y);
        let place = [inner, above, end - LAST - inner, below - above];
        let frame = Frame::new(place, plot.x, plot.y);
        frame.draw(drawing);
        for (number, curve) in plot.curves.iter().enumerate() {
            let points: Vec<[f64; 2]> = curve.iter().map(|point| frame.at(*point)).collect();
            let colour = ON_LIGHT[number % COLOURS];
            drawing.line(&points, colour, 2.0);
            if points.len() <= FEW {
                let discs = points.iter();
                discs.for_each(|point| drawing.disc(*point, 3.5, colour));
            }
        }
        let style = Text {
            anchor: Anchor::End,
            ..quiet
        };
        drawing.text([end, below + 1.7 * LINE], &self.x_text(), style);
    }

    /// Draws names and last values in lines from `start` to `end`. Returns the position of the next line.
    fn draw_legend(&self, drawing: &mut Drawing, start: f64, end: f64, mut y: f64) -> f64 {
        let mut x = start;
        for (place, series) in self.series.iter().enumerate() {
            let text = legend_text(series);
            let width = 24.0 + 6.8 * text.chars().count() as f64;
            if x > start && x + width > end {
                (x, y) = (start, y + LINE);
            }
            let colour = ON_LIGHT[place % COLOURS];
            drawing.line(&[[x, y], [x + 18.0, y]], colour, 3.0);
            drawing.text([x + 24.0, y], &text, Text::default());
            x += width + 16.0;
        }
        y + LINE
    }
}

fn legend_text(series: &Series) -> String {
    match series.points.last() {
        Some(last) => format!("{}  {}", series.name, number(last[1])),
        None => series.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(log: bool, curves: &[&[[f64; 2]]]) -> Chart {
        let series = curves.iter().enumerate().map(|(place, points)| Series {
            name: format!("run <{place}>"),
            points: points.to_vec(),
        });
        Chart {
            title: "A & B".into(),
            x_label: "step".into(),
            y_label: "loss".into(),
            log_x: log,
            log_y: log,
            series: series.collect(),
        }
    }

    #[test]
    fn svg_has_title_labels_names_and_last_values() {
        let curve: &[[f64; 2]] = &[[1.0, 10.0], [5.0, 0.25]];
        let svg = chart(false, &[curve, curve]).svg();
        for text in ["A &amp; B", ">step<", ">loss<", "run &lt;1&gt;  0.25"] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        let logarithmic = chart(true, &[curve]).svg();
        assert!(logarithmic.contains(">step, logarithmic<"), "{logarithmic}");
    }

    #[test]
    fn only_few_points_are_marked() {
        let points: Vec<[f64; 2]> = (0..50).map(|i| [f64::from(i), f64::from(i % 7)]).collect();
        assert!(!chart(false, &[&points]).svg().contains("<circle"));
        let few = chart(false, &[&points[..5]]).svg();
        assert_eq!(few.matches("<circle").count(), 5);
    }

    #[test]
    fn long_legends_are_wrapped() {
        let curve: &[[f64; 2]] = &[[1.0, 10.0], [5.0, 0.25]];
        let height = |count: usize| {
            let svg = chart(false, &vec![curve; count]).svg();
            let label = svg.split('\n').find(|line| line.contains(">loss<"));
            let y = label.unwrap().split("y=\"").nth(1).unwrap();
            y.split('"').next().unwrap().parse::<f64>().unwrap()
        };
        assert_eq!(height(3), height(2));
        assert_eq!(height(20) - height(2), 3.0 * LINE);
    }

    #[test]
    fn an_empty_chart_renders_as_svg() {
        for log in [false, true] {
            assert!(!chart(log, &[]).svg().contains("NaN"));
            assert!(!chart(log, &[&[], &[]]).svg().contains("NaN"));
        }
    }
}
