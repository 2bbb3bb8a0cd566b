//! The two fields side by side, and the errors below them.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::Result;
use burn::prelude::*;
use svg_flow::{Euler, GaussianMixture, Rk4, TimeShift, VelocityField, integrate};
use svg_report::{Anchor, Axis, Chart, Drawing, Frame, Series, Text};

use crate::{RATIOS, STEPS, Toy, at_time, end, errors};

const CLASSES: [&str; 2] = ["#1f77b4", "#d62728"];
const SHOWN: usize = 80;
const EDGE: f64 = 2.7;
const LEGEND: &str =
    "noise: black, ends: filled, ends of five Euler steps: rings, velocity at t = 0.5: arrows";

/// Draws both into a file.
pub fn draw(path: &Path, noise: &Tensor<3>) -> Result<()> {
    let label = "two velocity fields in the plane, and the errors after 1 to 25 Euler steps";
    let mut drawing = Drawing::new([1120.0, 1000.0], label);
    for (place, name, ratio) in [(0.0, "entangled", 1.0), (560.0, "separated", 8.0)] {
        field(&mut drawing, place, name, &Toy::new(ratio), noise);
    }
    let place = |left| [left, 580.0, 560.0, 420.0];
    error_chart("the field of all data", noise, |toy| toy.all).draw(&mut drawing, place(0.0));
    let of_class = |toy: Toy| {
        let [class, _] = toy.classes;
        class
    };
    error_chart("the field of one class", noise, of_class).draw(&mut drawing, place(560.0));
    let svg = drawing.svg();
    Ok(svg_store::write_bytes(path, svg)?)
}

fn field(drawing: &mut Drawing, left: f64, name: &str, toy: &Toy, noise: &Tensor<3>) {
    let title = format!("{name}: |m1 - m2| = {} s", toy.ratio);
    let middle = |size| Text {
        size,
        anchor: Anchor::Middle,
        ..Text::default()
    };
    drawing.text([left + 290.0, 22.0], &title, middle(18.0));
    drawing.text([left + 290.0, 568.0], LEGEND, middle(11.0));
    let axis = || Axis::tight([-EDGE, EDGE].into_iter());
    let frame = Frame::new([left + 40.0, 40.0, 500.0, 490.0], axis(), axis());
    frame.draw(drawing);

    // The exact path of each sample that fits, and where five Euler steps would have ended.
    let near = points(noise).into_iter();
    let near = near.filter(|[x, y]| x.hypot(*y) < EDGE);
    let start = tokens(&near.take(SHOWN).collect::<Vec<_>>(), &noise.device());
    let mut ways: Vec<Vec<[f64; 2]>> = points(&start).into_iter().map(|p| vec![p]).collect();
    let times = TimeShift::new(1.0).grid(40);
    integrate(&toy.all, &Rk4, &times, start.clone(), &mut |at| {
        for (way, point) in ways.iter_mut().zip(points(at.x)) {
            way.push(point);
        }
        ControlFlow::Continue(())
    });
    for way in &ways {
        let line: Vec<_> = way.iter().map(|point| frame.at(*point)).collect();
        drawing.line(&line, &format!("{}59", colour(way)), 1.0);
    }

    let grid: Vec<[f64; 2]> = (0..13 * 13)
        .map(|i| [i % 13, i / 13].map(|place| 2.4 * (f64::from(place) / 6.0 - 1.0)))
        .collect();
    let places = tokens(&grid, &noise.device());
    let velocities = points(&toy.all.velocity_at(places, at_time(0.5)));
    for (from, velocity) in grid.into_iter().zip(velocities) {
        arrow(drawing, &frame, from, velocity.map(|v| 0.12 * v));
    }

    for way in &ways {
        drawing.disc(frame.at(way[0]), 2.0, "#00000099");
        drawing.disc(frame.at(way[way.len() - 1]), 3.0, colour(way));
    }
    let coarse = points(&end(&toy.all, &Euler, 5, &start));
    for (point, way) in coarse.into_iter().zip(&ways) {
        drawing.ring(frame.at(point), 4.0, colour(way));
    }
}

/// The class on whose side a path ends.
fn colour(way: &[[f64; 2]]) -> &'static str {
    CLASSES[usize::from(way[way.len() - 1][0] < 0.0)]
}

fn arrow(drawing: &mut Drawing, frame: &Frame, from: [f64; 2], by: [f64; 2]) {
    let to = [from[0] + by[0], from[1] + by[1]];
    let barb = |turn: f64| {
        let (sin, cos) = turn.sin_cos();
        let back = [cos * by[0] - sin * by[1], sin * by[0] + cos * by[1]];
        [to[0] + 0.3 * back[0], to[1] + 0.3 * back[1]]
    };
    for line in [vec![from, to], vec![barb(2.6), to, barb(-2.6)]] {
        let line: Vec<_> = line.into_iter().map(|point| frame.at(point)).collect();
        drawing.line(&line, "#969696", 1.0);
    }
}

fn error_chart(name: &str, noise: &Tensor<3>, choose: impl Fn(Toy) -> GaussianMixture) -> Chart {
    let series = RATIOS.map(|ratio| {
        let errors = errors(&choose(Toy::new(ratio)), &STEPS, noise);
        let points = STEPS.iter().zip(errors);
        Series {
            name: format!("|m1 - m2| = {ratio} s"),
            points: points.map(|(n, error)| [*n as f64, error]).collect(),
        }
    });
    Chart {
        title: format!("error at the end: {name}"),
        x_label: "Euler steps".to_string(),
        y_label: "root of the mean squared distance".to_string(),
        log_x: true,
        log_y: true,
        series: series.into(),
    }
}

fn tokens(points: &[[f64; 2]], device: &Device) -> Tensor<3> {
    let numbers = points.iter().flatten().map(|number| *number as f32);
    let numbers: Vec<f32> = numbers.collect();
    Tensor::<1>::from_floats(numbers.as_slice(), device).reshape([1, points.len(), 2])
}

fn points(x: &Tensor<3>) -> Vec<[f64; 2]> {
    let numbers: Vec<f64> = x.to_data().iter().collect();
    numbers.chunks(2).map(|xy| [xy[0], xy[1]]).collect()
}
