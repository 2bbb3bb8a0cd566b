//! Line charts.

use serde::{Deserialize, Serialize};

use crate::axis::Axis;
use crate::frame::Frame;
use crate::number::number;
use crate::render::render;
use crate::thin::thin;

/// Maximum number of points of a drawn curve.
const MOST: usize = 300;

/// The plotting area on a page, where the drawing is stretched.
const STRETCHED: [f64; 4] = [0.0, 0.0, 1000.0, 1000.0];

/// Margin around a chart of its own, in pixels.
const MARGIN: f64 = 16.0;

/// Space for the part of the last number of the horizontal axis that extends beyond the axis.
const LAST: f64 = 12.0;

/// Height of a line of text, in pixels.
const LINE: f64 = 20.0;

/// A line chart.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chart {
    /// Title.
    pub title: String,
    /// Label of the horizontal axis.
    pub x_label: String,
    /// Label of the vertical axis.
    pub y_label: String,
    /// Whether the horizontal axis is logarithmic. If so, points that are not above zero are omitted.
    #[serde(default)]
    pub log_x: bool,
    /// Whether the vertical axis is logarithmic. If so, points that are not above zero are omitted.
    #[serde(default)]
    pub log_y: bool,
    /// Curves.
    pub series: Vec<Series>,
}

/// A curve of a [`Chart`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// Name, shown in the legend if there are several curves.
    pub name: String,
    /// Pairs of x and y, from left to right. Pairs that are not finite are omitted.
    pub points: Vec<[f64; 2]>,
}

/// What the templates draw.
#[derive(Serialize)]
pub(crate) struct Plot<'a> {
    chart: &'a Chart,
    frame: Frame,
    /// Position to the right and down, and number, of each drawn point.
    curves: Vec<Vec<[f64; 3]>>,
}

/// A chart of its own: a [`Plot`], and the lines of text around it.
#[derive(Serialize)]
struct Picture<'a> {
    plot: Plot<'a>,
    size: [u32; 2],
    /// Left and right end of the lines of text.
    start: f64,
    end: f64,
    /// Vertical positions of the title, and of the label of the vertical axis.
    title: f64,
    y_label: f64,
    legend: Vec<Entry>,
}

/// An entry of a legend.
#[derive(Serialize)]
struct Entry {
    at: [f64; 2],
    text: String,
}

impl Chart {
    /// Renders the chart as an SVG file of this width and height in pixels.
    pub fn svg(&self, size: [u32; 2]) -> String {
        let [width, height] = size.map(f64::from);
        let (start, end, title) = (MARGIN, width - MARGIN, MARGIN + LINE / 2.0);
        let below_title = if self.title.is_empty() {
            title
        } else {
            title + LINE
        };
        let (legend, y_label) = self.legend(start, end, below_title);
        let (above, below) = (y_label + LINE / 2.0 + 4.0, height - MARGIN - 2.0 * LINE);
        let plot = self.plot(|y| {
            let widest = y.marks.iter().map(|mark| number(*mark).chars().count());
            let left = start + 7.0 * widest.max().unwrap_or(1) as f64 + 8.0;
            [left, above, end - LAST - left, below - above]
        });
        let picture = Picture {
            plot,
            size,
            start,
            end,
            title,
            y_label,
            legend,
        };
        render(include_str!("templates/chart.svg"), picture)
    }

    /// The chart as it is drawn on a page.
    pub(crate) fn on_page(&self) -> Plot<'_> {
        self.plot(|_| STRETCHED)
    }

    /// Axes and drawn points in the rectangle that is chosen for a vertical axis.
    fn plot(&self, place: impl FnOnce(&Axis) -> [f64; 4]) -> Plot<'_> {
        let shown = |series| self.shown(series);
        let curves: Vec<_> = self.series.iter().map(shown).collect();
        let all = |i: usize| curves.iter().flatten().map(move |point| point[i]);
        let x = match self.log_x {
            true => Axis::log(all(0)),
            false => Axis::tight(all(0)),
        };
        let y = match self.log_y {
            true => Axis::log(all(1)),
            false => Axis::rounded(all(1)),
        };
        let frame = Frame::new(place(&y), x, y);
        let drawn = |point: [f64; 2]| {
            let [x, y] = frame.at(point);
            [x, y, point[1]]
        };
        let curves = curves
            .into_iter()
            .map(|curve| curve.into_iter().map(drawn).collect());
        Plot {
            chart: self,
            curves: curves.collect(),
            frame,
        }
    }

    /// Points of a curve that can be drawn.
    fn shown(&self, series: &Series) -> Vec<[f64; 2]> {
        let fits = |value: f64, log: bool| value.is_finite() && (!log || value > 0.0);
        let drawn = |[x, y]: &[f64; 2]| fits(*x, self.log_x) && fits(*y, self.log_y);
        let points: Vec<[f64; 2]> = series.points.iter().copied().filter(drawn).collect();
        thin(&points, MOST)
    }

    /// Names and last values of several curves in lines from `start` to `end`, and the position of the next line.
    fn legend(&self, start: f64, end: f64, mut y: f64) -> (Vec<Entry>, f64) {
        if self.series.len() < 2 {
            return (Vec::new(), y);
        }
        let mut x = start;
        let entry = |series: &Series| {
            let last = series
                .points
                .last()
                .map(|last| format!("  {}", number(last[1])));
            let text = series.name.clone() + &last.unwrap_or_default();
            let width = 24.0 + 6.8 * text.chars().count() as f64;
            if x > start && x + width > end {
                (x, y) = (start, y + LINE);
            }
            let at = [x, y];
            x += width + 16.0;
            Entry { at, text }
        };
        let entries = self.series.iter().map(entry).collect();
        (entries, y + LINE)
    }
}

#[cfg(test)]
mod tests {
    use minijinja::context;
    use minijinja::value::Serde;

    use super::*;

    const SIZE: [u32; 2] = [720, 400];

    fn drawn(log_x: bool, log_y: bool, curves: &[&[[f64; 2]]]) -> Chart {
        let series = curves.iter().enumerate().map(|(place, points)| Series {
            name: format!("run <{place}>"),
            points: points.to_vec(),
        });
        Chart {
            title: "A & B".into(),
            x_label: "step".into(),
            y_label: "loss".into(),
            log_x,
            log_y,
            series: series.collect(),
        }
    }

    /// A chart on a page.
    fn chart(log_y: bool, curves: &[&[[f64; 2]]]) -> String {
        let template = r#"{% from "chart.html" import chart %}{{ chart(drawn) }}"#;
        render(
            template,
            context! { drawn => Serde(drawn(false, log_y, curves)) },
        )
    }

    /// A chart of its own.
    fn alone(log: bool, curves: &[&[[f64; 2]]]) -> String {
        drawn(log, log, curves).svg(SIZE)
    }

    #[test]
    fn y_points_up_and_x_to_the_right() {
        let html = chart(false, &[&[[1.0, 10.0], [5.0, 0.0]]]);
        assert!(html.contains("points=\"0.0,0.0 1000.0,1000.0\""), "{html}");
    }

    #[test]
    fn points_that_cannot_be_drawn_are_omitted() {
        let points = [[1.0, 0.1], [2.0, 0.0], [3.0, f64::NAN], [4.0, 10.0]];
        let html = chart(true, &[&points]);
        let drawn = html
            .split("points=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        assert_eq!(drawn.split(' ').count(), 2);
        assert!(!html.contains("NaN"));
    }

    #[test]
    fn an_empty_chart_is_valid() {
        assert!(!chart(false, &[]).contains("NaN"));
        assert!(!chart(true, &[&[], &[]]).contains("NaN"));
    }

    #[test]
    fn several_curves_have_a_legend_with_escaped_names() {
        let curve: &[[f64; 2]] = &[[0.0, 1.0], [1.0, 0.125]];
        assert!(!chart(false, &[curve]).contains("legend"));
        assert!(chart(false, &[curve, curve]).contains("</i>run &lt;1&gt; <b>0.125</b>"));
    }

    #[test]
    fn long_curves_are_thinned() {
        let curve: Vec<[f64; 2]> = (0..5000)
            .map(|i| [f64::from(i), f64::from(i % 7)])
            .collect();
        let html = chart(false, &[&curve]);
        let drawn = html
            .split("points=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        assert_eq!(drawn.split(' ').count(), MOST);
        assert!(!html.contains("discs"));
    }

    #[test]
    fn values_of_one_short_curve_are_written_beside_it() {
        let html = chart(false, &[&[[0.0, 3.0], [1.0, 1.5], [2.0, 2.0], [3.0, 0.5]]]);
        let sides = ["value right", "value right", "value right", "value"];
        let found = html.split("<span class=\"value").skip(1);
        let found: Vec<_> = found
            .map(|span| format!("value{}", span.split('"').next().unwrap()))
            .collect();
        assert_eq!(found, sides);
        assert!(html.contains(">1.5</span>"));
    }

    #[test]
    fn svg_has_title_labels_names_and_last_values() {
        let curve: &[[f64; 2]] = &[[1.0, 10.0], [5.0, 0.25]];
        let svg = alone(false, &[curve, curve]);
        for text in ["A &amp; B", ">step<", ">loss<", "run &lt;1&gt;  0.25"] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        let logarithmic = alone(true, &[curve]);
        assert!(logarithmic.contains(">step, logarithmic<"), "{logarithmic}");
    }

    #[test]
    fn only_few_points_are_marked() {
        let points: Vec<[f64; 2]> = (0..50).map(|i| [f64::from(i), f64::from(i % 7)]).collect();
        assert!(!alone(false, &[&points]).contains("<circle"));
        let few = alone(false, &[&points[..5]]);
        assert_eq!(few.matches("<circle").count(), 5);
    }

    #[test]
    fn long_legends_are_wrapped() {
        let curve: &[[f64; 2]] = &[[1.0, 10.0], [5.0, 0.25]];
        let height = |count: usize| {
            let svg = alone(false, &vec![curve; count]);
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
            assert!(!alone(log, &[]).contains("NaN"));
            assert!(!alone(log, &[&[], &[]]).contains("NaN"));
        }
    }
}
