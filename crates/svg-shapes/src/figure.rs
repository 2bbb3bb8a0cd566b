//! Outlines of the ten figures, the only part of a picture that depends on the class.

use std::f64::consts::{FRAC_PI_2, TAU};

use crate::draw::Draw;
use crate::outline::{Outline, Point};

/// Names of the figures in alphabetical order, which is also the order of their folders.
pub const CLASSES: [&str; 10] = [
    "arrow", "crescent", "cross", "disc", "heart", "ring", "square", "star", "stripes", "triangle",
];

/// Fraction of the picture's area, the same range for every class.
const AREA: [f64; 2] = [0.15, 0.22];

/// Maximum rotation in both directions, in radians; small enough that figures stay recognisable.
const TURN: f64 = 0.4;

/// Distance from a figure to the edge of the picture.
const MARGIN: f64 = 0.03;

/// Range of positions, as a fraction of the free space between opposite edges.
const PLACE: [f64; 2] = [0.2, 0.8];

/// A figure at a random position. Its area is drawn first, so it does not depend on the class.
pub(crate) fn figure(class: usize, draw: &mut Draw) -> Outline {
    let area = draw.between(AREA[0], AREA[1]);
    let stretch = draw.between(0.9, 1.1);
    let place = [(); 2].map(|()| draw.between(PLACE[0], PLACE[1]));
    let turn = draw.between(-TURN, TURN);

    let outline = outline(CLASSES[class], draw);
    let scale = (area / outline.area()).sqrt();
    let outline = outline
        .scaled([scale * stretch, scale / stretch])
        .turned(turn);
    let [low, high] = outline.bounds();
    let shift = [0, 1].map(|axis| {
        let (first, last) = (MARGIN - low[axis], 1.0 - MARGIN - high[axis]);
        first + (last - first) * place[axis]
    });
    outline.moved(shift)
}

fn outline(name: &str, draw: &mut Draw) -> Outline {
    let one = |points| Outline(vec![points]);
    match name {
        "arrow" => one(arrow(draw)),
        "crescent" => one(crescent(draw)),
        "cross" => one(cross(draw.between(0.26, 0.36))),
        "disc" => one(circle(1.0)),
        "heart" => one(heart()),
        "ring" => {
            let hole = circle(draw.between(0.5, 0.65)).into_iter().rev();
            Outline(vec![circle(1.0), hole.collect()])
        }
        "square" => one(rectangle([-1.0, -1.0], [1.0, 1.0])),
        "star" => one(around([1.0, draw.between(0.4, 0.5)], 5)),
        "stripes" => stripes(draw),
        "triangle" => one(around([1.0], 3)),
        other => unreachable!("{other} is not a class"),
    }
}

/// Points at equal angles with these distances in turn, starting upwards.
fn around<const N: usize>(distances: [f64; N], times: usize) -> Vec<Point> {
    let count = N * times;
    let point = |place: usize| {
        let angle = TAU * place as f64 / count as f64 - FRAC_PI_2;
        at(angle, distances[place % N])
    };
    (0..count).map(point).collect()
}

pub(crate) fn at(angle: f64, distance: f64) -> Point {
    [distance * libm::cos(angle), distance * libm::sin(angle)]
}

fn circle(radius: f64) -> Vec<Point> {
    around([radius], 96)
}

pub(crate) fn rectangle(low: Point, high: Point) -> Vec<Point> {
    vec![low, [high[0], low[1]], high, [low[0], high[1]]]
}

/// An arrow to the right of length 2.
fn arrow(draw: &mut Draw) -> Vec<Point> {
    let shaft = draw.between(0.22, 0.3);
    let head = draw.between(0.64, 0.76);
    let neck = draw.between(0.0, 0.2);
    let mut points = vec![[-1.0, -shaft], [neck, -shaft], [neck, -head], [1.0, 0.0]];
    let upper = points.clone().into_iter().take(3).rev();
    points.extend(upper.map(|[x, y]| [x, -y]));
    points
}

/// A disc minus another disc whose centre is to its right.
fn crescent(draw: &mut Draw) -> Vec<Point> {
    let distance = draw.between(0.42, 0.54);
    let radius = draw.between(0.76, 0.84);
    // Intersection of the two circles.
    let x = (1.0 - radius * radius + distance * distance) / (2.0 * distance);
    let y = (1.0 - x * x).sqrt();
    let outer = libm::atan2(y, x);
    let inner = libm::atan2(y, x - distance);
    let arc = |from: f64, to: f64| {
        let part = move |place: usize| from + (to - from) * place as f64 / 64.0;
        (0..64).map(part)
    };
    let outside = arc(outer, TAU - outer).map(|angle| at(angle, 1.0));
    let inside = arc(TAU - inner, inner).map(|angle| {
        let [x, y] = at(angle, radius);
        [x + distance, y]
    });
    outside.chain(inside).collect()
}

fn cross(half: f64) -> Vec<Point> {
    let corner = [[-half, -1.0], [half, -1.0], [half, -half]];
    let quarter = |turns: usize| {
        corner.map(|[x, y]| match turns {
            0 => [x, y],
            1 => [-y, x],
            2 => [-x, -y],
            _ => [y, -x],
        })
    };
    (0..4).flat_map(quarter).collect()
}

/// `x = 16 sin^3 t`, `y = 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t`, with the tip down.
fn heart() -> Vec<Point> {
    let point = |place: usize| {
        let t = TAU * place as f64 / 96.0;
        let sine = libm::sin(t);
        let cosine = |times: f64| libm::cos(times * t);
        let y = 13.0 * cosine(1.0) - 5.0 * cosine(2.0) - 2.0 * cosine(3.0) - cosine(4.0);
        [16.0 * sine * sine * sine, -y]
    };
    (0..96).map(point).collect()
}

/// Three or four bars in a square.
fn stripes(draw: &mut Draw) -> Outline {
    let count = 3 + draw.below(2);
    let filled = draw.between(0.5, 0.6);
    // There is one gap less than bars.
    let bar = 2.0 * filled / count as f64;
    let gap = 2.0 * (1.0 - filled) / (count - 1) as f64;
    let bars = (0..count).map(|place| {
        let top = -1.0 + place as f64 * (bar + gap);
        rectangle([-1.0, top], [1.0, top + bar])
    });
    Outline(bars.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(check: impl Fn(usize, Outline)) {
        for class in 0..CLASSES.len() {
            for index in 0..200 {
                check(class, figure(class, &mut Draw::new(5, class, index)));
            }
        }
    }

    #[test]
    fn classes_are_sorted_like_their_folders() {
        assert!(CLASSES.is_sorted());
    }

    #[test]
    fn every_figure_lies_within_the_picture() {
        each(|class, figure| {
            let [low, high] = figure.bounds();
            let inside = |value: &f64| (0.0..=1.0).contains(value);
            assert!(
                low.iter().chain(&high).all(inside),
                "{}: {low:?} to {high:?}",
                CLASSES[class]
            );
        });
    }

    #[test]
    fn every_figure_covers_its_area() {
        each(|class, figure| {
            let covered = figure.coverage(64).iter().sum::<f64>() / (64.0 * 64.0);
            let area = figure.area();
            assert!((AREA[0] - 1e-9..AREA[1] + 1e-9).contains(&area));
            assert!(
                (covered - area).abs() < 0.01,
                "{}: {covered} of {area}",
                CLASSES[class]
            );
        });
    }

    #[test]
    fn areas_of_all_classes_have_the_same_distribution() {
        let middle = (AREA[0] + AREA[1]) / 2.0;
        for (class, name) in CLASSES.iter().enumerate() {
            let mut areas: Vec<_> = (0..400)
                .map(|index| figure(class, &mut Draw::new(1, class, index)).area())
                .collect();
            areas.sort_by(f64::total_cmp);
            // Quartiles of a uniform distribution, within four standard errors.
            let quarter_of_range = (AREA[1] - AREA[0]) / 4.0;
            for (quarter, expected) in [(100, -1.0), (200, 0.0), (300, 1.0)] {
                let off = areas[quarter] - middle - expected * quarter_of_range;
                assert!(
                    off.abs() < 0.4 * quarter_of_range,
                    "{name}: {} at {quarter}",
                    areas[quarter]
                );
            }
        }
    }
}
