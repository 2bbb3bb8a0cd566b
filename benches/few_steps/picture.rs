//! The two fields side by side, and the errors below them.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::Result;
use burn::prelude::*;
use serde::Serialize;
use svg_flow::{Euler, GaussianMixture, Rk4, TimeShift, VelocityField, integrate};
use svg_report::{Axis, Chart, Frame, Series, render};

use crate::{RATIOS, STEPS, Toy, at_time, end, errors};

const CLASSES: [&str; 2] = ["#1f77b4", "#d62728"];
const SHOWN: usize = 80;
const EDGE: f64 = 2.7;

/// What the template draws.
#[derive(Serialize)]
struct Picture {
    fields: [Field; 2],
    /// SVG pictures of the errors.
    charts: [String; 2],
}

/// A velocity field; all points are places in the picture.
#[derive(Serialize)]
struct Field {
    title: String,
    frame: Frame,
    /// The exact path of each sample.
    paths: Vec<Vec<[f64; 2]>>,
    colours: Vec<&'static str>,
    /// Where five Euler steps would have ended.
    coarse: Vec<[f64; 2]>,
    /// Lines of arrows along the velocity.
    arrows: Vec<Vec<[f64; 2]>>,
}

/// Draws both into a file.
pub fn draw(path: &Path, noise: &Tensor<3>) -> Result<()> {
    let of_class = |toy: Toy| {
        let [class, _] = toy.classes;
        class
    };
    let picture = Picture {
        fields: [
            field(40.0, "entangled", &Toy::new(1.0), noise),
            field(600.0, "separated", &Toy::new(8.0), noise),
        ],
        charts: [
            error_chart("the field of all data", noise, |toy| toy.all),
            error_chart("the field of one class", noise, of_class),
        ]
        .map(|chart| chart.svg([560, 420])),
    };
    let svg = render(include_str!("picture.svg"), picture);
    Ok(svg_store::write_bytes(path, svg)?)
}

fn field(left: f64, name: &str, toy: &Toy, noise: &Tensor<3>) -> Field {
    let axis = || Axis::tight([-EDGE, EDGE].into_iter());
    let frame = Frame::new([left, 40.0, 500.0, 490.0], axis(), axis());

    // Samples whose path fits.
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
    let coarse = points(&end(&toy.all, &Euler, 5, &start)).into_iter();
    let coarse = coarse.map(|point| frame.at(point)).collect();
    let colours = ways.iter().map(|way| colour(way)).collect();

    let grid: Vec<[f64; 2]> = (0..13 * 13)
        .map(|i| [i % 13, i / 13].map(|place| 2.4 * (f64::from(place) / 6.0 - 1.0)))
        .collect();
    let places = tokens(&grid, &noise.device());
    let velocities = points(&toy.all.velocity_at(places, at_time(0.5)));
    let arrows = grid.into_iter().zip(velocities);
    let arrows = arrows.flat_map(|(from, velocity)| arrow(from, velocity.map(|v| 0.12 * v)));
    let placed = |line: Vec<[f64; 2]>| line.into_iter().map(|point| frame.at(point)).collect();
    Field {
        title: format!("{name}: |m1 - m2| = {} s", toy.ratio),
        paths: ways.into_iter().map(placed).collect(),
        arrows: arrows.map(placed).collect(),
        colours,
        coarse,
        frame,
    }
}

/// The class on whose side a path ends.
fn colour(way: &[[f64; 2]]) -> &'static str {
    CLASSES[usize::from(way[way.len() - 1][0] < 0.0)]
}

fn arrow(from: [f64; 2], by: [f64; 2]) -> [Vec<[f64; 2]>; 2] {
    let to = [from[0] + by[0], from[1] + by[1]];
    let barb = |turn: f64| {
        let (sin, cos) = turn.sin_cos();
        let back = [cos * by[0] - sin * by[1], sin * by[0] + cos * by[1]];
        [to[0] + 0.3 * back[0], to[1] + 0.3 * back[1]]
    };
    [vec![from, to], vec![barb(2.6), to, barb(-2.6)]]
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
