//! Scatter plots of several classes.

use serde::{Deserialize, Serialize};

use crate::axis::ends;

/// Side of the drawing.
const SIDE: f64 = 1000.0;

/// Size of a mark.
const MARK: f64 = 9.0;

/// A class is a cluster if half of its points are within this fraction of the side from their median,
const NEAR: f64 = 0.17;

/// and at least this fraction of them has a nearest neighbour of the same class.
const AMONG_THEMSELVES: f64 = 0.67;

/// A scatter plot without axes, for points whose positions are only meaningful relative to each other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scatter {
    /// Names of the classes.
    classes: Vec<String>,
    /// Coordinates to the right and up, and class from 0, of each point, in drawing order.
    points: Vec<(f64, f64, usize)>,
}

/// What the template draws.
#[derive(Serialize)]
pub struct Dots {
    /// Position to the right and down, and class, of each point.
    points: Vec<(f64, f64, usize)>,
    names: Vec<Name>,
}

/// A label of a class, above or below a position.
#[derive(Serialize)]
struct Name {
    class: usize,
    at: [f64; 2],
    below: bool,
}

impl Scatter {
    /// The plot as it is drawn on a page. Each class of a point must have a name.
    pub fn on_page(&self) -> Dots {
        let count = self.classes.len();
        for (_, _, class) in &self.points {
            assert!(
                *class < count,
                "a point of class {class} among {count} classes"
            );
        }
        let places = self.places();
        let points = places.iter().zip(&self.points);
        Dots {
            points: points
                .map(|([x, y], (_, _, class))| (*x, *y, *class))
                .collect(),
            names: self.names(&places),
        }
    }

    /// Positions of the points in the drawing, centred and with one scale for both axes.
    fn places(&self) -> Vec<[f64; 2]> {
        let (left, right) = ends(self.points.iter().map(|(x, _, _)| *x));
        let (bottom, top) = ends(self.points.iter().map(|(_, y, _)| *y));
        let extent = (right - left).max(top - bottom).max(1e-9);
        let scale = (SIDE - 4.0 * MARK) / extent;
        let place = |(x, y, _): &(f64, f64, usize)| {
            let (x, y) = (x - (left + right) / 2.0, y - (bottom + top) / 2.0);
            [SIDE / 2.0 + scale * x, SIDE / 2.0 - scale * y]
        };
        self.points.iter().map(place).collect()
    }

    /// Labels of classes that are clusters, above or below their points, where they do not overlap.
    fn names(&self, places: &[[f64; 2]]) -> Vec<Name> {
        // Half the width of a name and the height of a line on a narrow screen.
        let half = |class: usize| 14.0 * self.classes[class].chars().count() as f64 + 14.0;
        let line = 75.0;
        let mut names: Vec<Name> = Vec::new();
        for class in 0..self.classes.len() {
            let Some([x, top, bottom]) = self.middle(class, places) else {
                continue;
            };
            let below = top < 0.1 * SIDE;
            let y = if below { bottom } else { top };
            let x = x.clamp(half(class), (SIDE - half(class)).max(half(class)));
            let covered = names.iter().any(|name| {
                let [other, height] = name.at;
                (other - x).abs() < half(class) + half(name.class) && (height - y).abs() < line
            });
            if !covered {
                let at = [x, y];
                names.push(Name { class, at, below });
            }
        }
        names
    }

    /// Horizontal median of a class and the vertical range of most of its points, if it is a cluster.
    fn middle(&self, class: usize, places: &[[f64; 2]]) -> Option<[f64; 3]> {
        let own = |place: &usize| self.points[*place].2 == class;
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

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

#[cfg(test)]
mod tests {
    use minijinja::context;
    use minijinja::value::Serde;

    use super::*;
    use crate::render;

    const CLASSES: [&str; 2] = ["ring", "<star>"];

    fn scatter(points: &[([f64; 2], usize)]) -> Scatter {
        let points = points.iter().map(|&([x, y], class)| (x, y, class));
        Scatter {
            classes: CLASSES.map(String::from).to_vec(),
            points: points.collect(),
        }
    }

    fn html(points: &[([f64; 2], usize)]) -> String {
        let template =
            r#"{% from "scatter.html" import scatter %}{{ scatter("Map", classes, points) }}"#;
        let points = scatter(points).points;
        render(
            template,
            context! { classes => CLASSES.to_vec(), points => Serde(points) },
        )
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
        assert_eq!(html(&apart).matches("<span").count(), 2);
        let mixed = [
            ([0.0, 0.0], 0),
            ([5.0, 5.0], 0),
            ([0.1, 0.0], 1),
            ([5.0, 4.9], 1),
        ];
        assert_eq!(html(&mixed).matches("<span").count(), 0);
    }

    #[test]
    fn names_are_escaped_and_few_points_are_drawn() {
        assert!(html(&[([1.0, 1.0], 1)]).contains("&lt;star&gt;"));
        for points in [
            &[][..],
            &[([1.0, 1.0], 1)],
            &[([1.0, 1.0], 1), ([1.0, 1.0], 0)],
        ] {
            let html = html(points);
            assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
        }
    }

    #[test]
    #[should_panic(expected = "a point of class 2 among 2 classes")]
    fn a_class_without_a_name_panics() {
        html(&[([0.0, 0.0], 2)]);
    }
}
