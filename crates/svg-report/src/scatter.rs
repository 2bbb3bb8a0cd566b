//! Scatter plots of several classes.

use crate::markup::escape;
use crate::palette::COLOURS;

/// Side of the drawing.
const SIDE: f64 = 1000.0;

/// Size of a mark.
const MARK: f64 = 9.0;

/// A class is a cluster if half of its points are within this fraction of the side from their median,
const NEAR: f64 = 0.17;

/// and at least this fraction of them has a nearest neighbour of the same class.
const AMONG_THEMSELVES: f64 = 0.67;

/// A scatter plot without axes, for points whose positions are only meaningful relative to each other.
pub struct Scatter {
    /// Title.
    pub title: String,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Points, in drawing order.
    pub points: Vec<Dot>,
}

/// A point of a [`Scatter`].
pub struct Dot {
    /// Coordinates to the right and up.
    pub at: [f64; 2],
    /// Index of the class, from 0.
    pub class: usize,
}

impl Scatter {
    /// # Panics
    ///
    /// If the class of a point has no name.
    pub(crate) fn html(&self) -> String {
        let places = self.places();
        let marks = self.points.iter().zip(&places).map(|(point, place)| {
            let (class, count) = (point.class, self.classes.len());
            assert!(
                class < count,
                "a point of class {class} among {count} classes"
            );
            format!(
                "<path class=\"c{}\" d=\"{}\"/>\n",
                class % COLOURS,
                mark(class, *place, MARK)
            )
        });
        let legend = self.classes.iter().enumerate().map(|(class, name)| {
            format!(
                "<li class=\"c{}\"><svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"{}\"/></svg>{}</li>\n",
                class % COLOURS,
                mark(class, [12.0, 12.0], MARK),
                escape(name)
            )
        });
        let said = format!(
            "{}: {} points of the classes {}",
            self.title,
            self.points.len(),
            self.classes.join(", ")
        );
        format!(
            "<figure class=\"scatter\">\n<figcaption>{title}</figcaption>\n<ul class=\"legend\">\n{legend}</ul>\n\
             <div class=\"square\">\n<svg viewBox=\"0 0 {SIDE} {SIDE}\" role=\"img\" aria-label=\"{said}\">\n\
             {marks}</svg>\n<div class=\"labels\" aria-hidden=\"true\">\n{names}</div>\n</div>\n</figure>\n",
            title = escape(&self.title),
            legend = legend.collect::<String>(),
            said = escape(&said),
            marks = marks.collect::<String>(),
            names = self.names(&places),
        )
    }

    /// Positions of the points in the drawing, centred and with one scale for both axes.
    fn places(&self) -> Vec<[f64; 2]> {
        let ends = |i: usize| {
            let values = self.points.iter().map(|point| point.at[i]);
            values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| {
                [low.min(value), high.max(value)]
            })
        };
        let [[left, right], [bottom, top]] = [0, 1].map(ends);
        let extent = (right - left).max(top - bottom).max(1e-9);
        let scale = (SIDE - 4.0 * MARK) / extent;
        let place = |[x, y]: [f64; 2]| {
            let (x, y) = (x - (left + right) / 2.0, y - (bottom + top) / 2.0);
            [SIDE / 2.0 + scale * x, SIDE / 2.0 - scale * y]
        };
        self.points.iter().map(|point| place(point.at)).collect()
    }

    /// Labels of classes that are clusters, above or below their points, where they do not overlap.
    fn names(&self, places: &[[f64; 2]]) -> String {
        let mut written: Vec<([f64; 2], f64)> = Vec::new();
        let mut html = String::new();
        for (class, name) in self.classes.iter().enumerate() {
            let Some([x, top, bottom]) = self.middle(class, places) else {
                continue;
            };
            let below = top < 0.1 * SIDE;
            let y = if below { bottom } else { top };
            // Half the width of a name and the height of a line on a narrow screen.
            let (half, line) = (14.0 * name.chars().count() as f64 + 14.0, 75.0);
            let x = x.clamp(half, (SIDE - half).max(half));
            let covered = written.iter().any(|([other, height], width)| {
                (other - x).abs() < half + width && (height - y).abs() < line
            });
            if covered {
                continue;
            }
            written.push(([x, y], half));
            html.push_str(&format!(
                "<span class=\"c{}{}\" style=\"left:{:.1}%;top:{:.1}%\">{}</span>\n",
                class % COLOURS,
                if below { " below" } else { "" },
                100.0 * x / SIDE,
                100.0 * y / SIDE,
                escape(name)
            ));
        }
        html
    }

    /// Horizontal median of a class and the vertical range of most of its points, if it is a cluster.
    fn middle(&self, class: usize, places: &[[f64; 2]]) -> Option<[f64; 3]> {
        let own = |place: &usize| self.points[*place].class == class;
        let members: Vec<usize> = (0..places.len()).filter(own).collect();
        if members.is_empty() {
            return None;
        }
        let distance = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
        let nearest = |place: usize| {
            let others = (0..places.len()).filter(|other| *other != place);
            let to = |other: usize| distance(places[place], places[other]);
            others.min_by(|a, b| to(*a).total_cmp(&to(*b)))
        };
        let faithful = members
            .iter()
            .filter(|place| nearest(**place).as_ref().is_some_and(own));
        let [across, down] = [0, 1].map(|i| sorted(members.iter().map(|place| places[*place][i])));
        let at =
            |values: &[f64], part: f64| values[(part * (values.len() - 1) as f64).round() as usize];
        let middle = [at(&across, 0.5), at(&down, 0.5)];
        let far = sorted(members.iter().map(|place| distance(places[*place], middle)));
        let together = at(&far, 0.5) < NEAR * SIDE
            && faithful.count() as f64 >= AMONG_THEMSELVES * members.len() as f64;
        together.then(|| [middle[0], at(&down, 0.04) - MARK, at(&down, 0.96) + MARK])
    }
}

/// A disc, square, triangle or diamond, so that classes differ not only in colour.
fn mark(class: usize, [x, y]: [f64; 2], size: f64) -> String {
    // Of about the same area.
    let (r, s, t) = (size, 0.87 * size, 1.15 * size);
    match (class + class / COLOURS) % 4 {
        0 => format!(
            "M{:.1} {y:.1}a{r:.1} {r:.1} 0 1 0 {:.1} 0a{r:.1} {r:.1} 0 1 0 -{:.1} 0z",
            x - r,
            2.0 * r,
            2.0 * r
        ),
        1 => format!(
            "M{:.1} {:.1}h{:.1}v{:.1}h-{:.1}z",
            x - s,
            y - s,
            2.0 * s,
            2.0 * s,
            2.0 * s
        ),
        2 => format!(
            "M{x:.1} {:.1}l{t:.1} {:.1}h-{:.1}z",
            y - t,
            1.85 * t,
            2.0 * t
        ),
        _ => format!(
            "M{x:.1} {:.1}l{t:.1} {t:.1}l-{t:.1} {t:.1}l-{t:.1} -{t:.1}z",
            y - t
        ),
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scatter(points: &[([f64; 2], usize)]) -> Scatter {
        let points = points.iter().map(|&(at, class)| Dot { at, class });
        Scatter {
            title: "Map".into(),
            classes: vec!["ring".into(), "<star>".into()],
            points: points.collect(),
        }
    }

    #[test]
    fn distances_keep_their_proportions_and_y_points_up() {
        let places = scatter(&[([0.0, 0.0], 0), ([4.0, 0.0], 0), ([0.0, 2.0], 1)]).places();
        let along = places[1][0] - places[0][0];
        let up = places[0][1] - places[2][1];
        assert!((along - 2.0 * up).abs() < 1e-9 && up > 0.0, "{places:?}");
        assert!(
            places
                .iter()
                .flatten()
                .all(|place| (0.0..=SIDE).contains(place))
        );
    }

    #[test]
    fn only_clusters_are_labelled() {
        let apart = [
            ([0.0, 0.0], 0),
            ([0.1, 0.0], 0),
            ([5.0, 5.0], 1),
            ([5.0, 4.9], 1),
        ];
        assert_eq!(scatter(&apart).html().matches("<span").count(), 2);
        let mixed = [
            ([0.0, 0.0], 0),
            ([5.0, 5.0], 0),
            ([0.1, 0.0], 1),
            ([5.0, 4.9], 1),
        ];
        assert_eq!(scatter(&mixed).html().matches("<span").count(), 0);
    }

    #[test]
    fn names_are_escaped_and_few_points_are_drawn() {
        assert!(scatter(&[([1.0, 1.0], 1)]).html().contains("&lt;star&gt;"));
        for points in [
            &[][..],
            &[([1.0, 1.0], 1)],
            &[([1.0, 1.0], 1), ([1.0, 1.0], 0)],
        ] {
            let html = scatter(points).html();
            assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
        }
    }

    #[test]
    #[should_panic(expected = "a point of class 2 among 2 classes")]
    fn a_class_without_a_name_panics() {
        scatter(&[([0.0, 0.0], 2)]).html();
    }
}
