//! Clutter: dots and line pieces, smaller than any figure.

use std::f64::consts::TAU;

use crate::draw::Draw;
use crate::figure::{at, rectangle};
use crate::outline::Outline;

/// Two to six dots or line pieces anywhere in the picture.
pub(crate) fn clutter(draw: &mut Draw) -> Vec<Outline> {
    let count = 2 + draw.below(5);
    (0..count).map(|_| thing(draw)).collect()
}

fn thing(draw: &mut Draw) -> Outline {
    let outline = match draw.below(2) {
        0 => dot(draw.between(0.015, 0.032)),
        _ => line(draw.between(0.03, 0.08), draw.between(0.010, 0.018)),
    };
    let place = [draw.between(0.03, 0.97), draw.between(0.03, 0.97)];
    outline.turned(draw.angle()).moved(place)
}

fn dot(radius: f64) -> Outline {
    let point = |place: u32| at(TAU * f64::from(place) / 24.0, radius);
    Outline(vec![(0..24).map(point).collect()])
}

/// A rectangle with these half length and half width.
fn line(length: f64, width: f64) -> Outline {
    Outline(vec![rectangle([-length, -width], [length, width])])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clutter_is_much_smaller_than_the_smallest_figure() {
        for index in 0..200 {
            let things = clutter(&mut Draw::new(3, 0, index));
            assert!((2..=6).contains(&things.len()));
            assert!(things.iter().all(|thing| thing.area() < 0.15 / 20.0));
        }
    }
}
