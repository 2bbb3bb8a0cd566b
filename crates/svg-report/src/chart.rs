//! Line charts.

use crate::axis::{Axis, number};
use crate::markup::escape;
use crate::palette::COLOURS;
use crate::thin::thin;

/// Maximum number of points of a drawn curve.
const MOST: usize = 300;

/// Points of curves with at most this many are marked, and their values written if there is only one curve.
pub(crate) const FEW: usize = 12;

/// Side of the drawing, which is stretched to the size on the page.
const SIDE: f64 = 1000.0;

/// A line chart.
pub struct Chart {
    /// Title.
    pub title: String,
    /// Label of the horizontal axis.
    pub x_label: String,
    /// Label of the vertical axis.
    pub y_label: String,
    /// Whether the horizontal axis is logarithmic. If so, points that are not above zero are omitted.
    pub log_x: bool,
    /// Whether the vertical axis is logarithmic. If so, points that are not above zero are omitted.
    pub log_y: bool,
    /// Curves.
    pub series: Vec<Series>,
}

/// A curve of a [`Chart`].
pub struct Series {
    /// Name, shown in the legend if there are several curves.
    pub name: String,
    /// Pairs of x and y, from left to right. Pairs that are not finite are omitted.
    pub points: Vec<[f64; 2]>,
}

/// Drawn points and axes of a chart.
pub(crate) struct Plot {
    pub(crate) curves: Vec<Vec<[f64; 2]>>,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
}

impl Chart {
    pub(crate) fn plot(&self) -> Plot {
        let curves = self.series.iter().map(|series| self.shown(series));
        let curves: Vec<Vec<[f64; 2]>> = curves.collect();
        let all = |i: usize| curves.iter().flatten().map(move |point| point[i]);
        let x = match self.log_x {
            true => Axis::log(all(0)),
            false => Axis::tight(all(0)),
        };
        let y = match self.log_y {
            true => Axis::log(all(1)),
            false => Axis::rounded(all(1)),
        };
        Plot { curves, x, y }
    }

    pub(crate) fn html(&self) -> String {
        let Plot {
            curves,
            x: x_axis,
            y: y_axis,
        } = self.plot();
        let place = |[x, y]: [f64; 2]| [SIDE * x_axis.place(x), SIDE * (1.0 - y_axis.place(y))];

        let mut drawing = String::new();
        for mark in &y_axis.marks {
            let [_, y] = place([0.0, *mark]);
            drawing.push_str(&format!("<path class=\"rule\" d=\"M0 {y:.1}H{SIDE}\"/>\n"));
        }
        for (colour, curve) in curves.iter().enumerate() {
            let places: Vec<[f64; 2]> = curve.iter().map(|point| place(*point)).collect();
            drawing.push_str(&curve_svg(&places, colour % COLOURS));
        }
        let percent = |of: f64| format!("{:.2}%", 100.0 * of);
        let mut labels = String::new();
        for mark in &y_axis.marks {
            let (top, text) = (percent(1.0 - y_axis.place(*mark)), number(*mark));
            labels.push_str(&format!(
                "<span class=\"y\" style=\"top:{top}\">{text}</span>\n"
            ));
        }
        for mark in &x_axis.marks {
            let (left, text) = (percent(x_axis.place(*mark)), number(*mark));
            labels.push_str(&format!(
                "<span class=\"x\" style=\"left:{left}\">{text}</span>\n"
            ));
        }
        if let [only] = curves.as_slice()
            && only.len() <= FEW
        {
            for (place_in, point) in only.iter().enumerate() {
                let [x, y] = place(*point);
                let (left, top, text) = (percent(x / SIDE), percent(y / SIDE), number(point[1]));
                let side = beside(only, place_in);
                labels.push_str(&format!(
                    "<span class=\"value{side}\" style=\"left:{left};top:{top}\">{text}</span>\n"
                ));
            }
        }
        let widest = y_axis
            .marks
            .iter()
            .map(|mark| number(*mark).chars().count());
        format!(
            "<figure class=\"chart\">\n<figcaption>{title}</figcaption>\n{legend}\
             <p class=\"y-label\">{y_label}</p>\n\
             <div class=\"plot\" style=\"--left:{left}ch\">\n\
             <svg viewBox=\"0 0 {SIDE} {SIDE}\" preserveAspectRatio=\"none\" role=\"img\" \
             aria-label=\"{said}\">\n{drawing}</svg>\n\
             <div class=\"labels\" aria-hidden=\"true\">\n{labels}</div>\n</div>\n\
             <p class=\"x-label\">{x_label}</p>\n</figure>\n",
            title = escape(&self.title),
            legend = self.legend(),
            y_label = escape(&self.y_text()),
            left = widest.max().unwrap_or(1) + 1,
            said = escape(&self.said()),
            x_label = escape(&self.x_text()),
        )
    }

    /// Label of the horizontal axis.
    pub(crate) fn x_text(&self) -> String {
        labelled(&self.x_label, self.log_x)
    }

    /// Label of the vertical axis.
    pub(crate) fn y_text(&self) -> String {
        labelled(&self.y_label, self.log_y)
    }

    /// Points of a curve that can be drawn.
    fn shown(&self, series: &Series) -> Vec<[f64; 2]> {
        let fits = |value: f64, log: bool| value.is_finite() && (!log || value > 0.0);
        let drawn = |[x, y]: &[f64; 2]| fits(*x, self.log_x) && fits(*y, self.log_y);
        let points: Vec<[f64; 2]> = series.points.iter().copied().filter(drawn).collect();
        thin(&points, MOST)
    }

    /// Names and last values if there is more than one curve.
    fn legend(&self) -> String {
        if self.series.len() < 2 {
            return String::new();
        }
        let entries = self.series.iter().enumerate().map(|(place, series)| {
            let name = escape(&series.name);
            let last = series.points.last().map(|point| number(point[1]));
            let last = last
                .map(|last| format!(" <b>{last}</b>"))
                .unwrap_or_default();
            format!(
                "<li class=\"c{}\"><i></i>{name}{last}</li>\n",
                place % COLOURS
            )
        });
        format!(
            "<ul class=\"legend\">\n{}</ul>\n",
            entries.collect::<String>()
        )
    }

    /// Text alternative of the chart.
    pub(crate) fn said(&self) -> String {
        let curves = self.series.iter().filter_map(|series| {
            let ([x, y], [end, last]) = (*series.points.first()?, *series.points.last()?);
            let [x, y, end, last] = [x, y, end, last].map(number);
            Some(format!(
                "{} goes from {y} at {x} to {last} at {end}",
                series.name
            ))
        });
        let curves: Vec<String> = curves.collect();
        let (title, y_label, x_label) = (&self.title, &self.y_label, &self.x_label);
        format!("{title}: {y_label} over {x_label}. {}", curves.join("; "))
    }
}

fn labelled(label: &str, log: bool) -> String {
    format!("{label}{}", if log { ", logarithmic" } else { "" })
}

/// Side of a point on which its value does not overlap the curve.
fn beside(curve: &[[f64; 2]], place: usize) -> &'static str {
    let (first, last) = (place.saturating_sub(1), (place + 1).min(curve.len() - 1));
    let rises = curve[last][1] > curve[first][1];
    match (rises, place) {
        (true, 1..) => " left",
        (false, place) if place + 1 < curve.len() => " right",
        // The first point is beside the other axis, and the last one beside the edge of the page.
        _ => "",
    }
}

fn curve_svg(places: &[[f64; 2]], colour: usize) -> String {
    let points: Vec<String> = places
        .iter()
        .map(|[x, y]| format!("{x:.1},{y:.1}"))
        .collect();
    let line = format!(
        "<polyline class=\"c{colour}\" points=\"{}\"/>\n",
        points.join(" ")
    );
    if places.len() > FEW {
        return line;
    }
    // A line of zero length with round caps is a disc however the drawing is stretched.
    let discs: String = places
        .iter()
        .map(|[x, y]| format!("M{x:.1} {y:.1}h0.01"))
        .collect();
    format!("{line}<path class=\"discs c{colour}\" d=\"{discs}\"/>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(log_y: bool, curves: &[&[[f64; 2]]]) -> String {
        let series = curves.iter().enumerate().map(|(place, points)| Series {
            name: format!("curve <{place}>"),
            points: points.to_vec(),
        });
        let chart = Chart {
            title: "A & B".into(),
            x_label: "step".into(),
            y_label: "loss".into(),
            log_x: false,
            log_y,
            series: series.collect(),
        };
        chart.html()
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
        assert!(chart(false, &[curve, curve]).contains("</i>curve &lt;1&gt; <b>0.125</b>"));
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
}
