//! The two fields side by side, and the errors below them.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Result, anyhow};
use burn::prelude::*;
use plotters::coord::Shift;
use plotters::prelude::*;
use svg_flow::{Euler, Moment, Rk4, TimeShift, VelocityField, integrate};

use crate::{RATIOS, STEPS, Toy, end, errors};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const CLASSES: [RGBColor; 2] = [RGBColor(31, 119, 180), RGBColor(214, 39, 40)];
const ARROWS: RGBColor = RGBColor(150, 150, 150);
const SHOWN: usize = 80;
const EDGE: f64 = 2.7;
const LEGEND: &str =
    "noise: black, ends: filled, ends of five Euler steps: rings, velocity at t = 0.5: arrows";

pub fn draw(path: &Path, noise: &Tensor<3>) -> Result<()> {
    let root = SVGBackend::new(path, (1120, 1000)).into_drawing_area();
    let done = (|| {
        root.fill(&WHITE)?;
        let (above, below) = root.split_vertically(570);
        let fields = above.split_evenly((1, 2));
        field(&fields[0], "entangled", &Toy::new(1.0), noise)?;
        field(&fields[1], "separated", &Toy::new(8.0), noise)?;
        let curves = below.split_evenly((1, 2));
        error_curves(&curves[0], "the field of all data", noise, |toy| toy.all)?;
        error_curves(&curves[1], "the field of one class", noise, |toy| {
            let [class, _] = toy.classes;
            class
        })?;
        root.present()
    })();
    done.map_err(|error: DrawingAreaErrorKind<_>| anyhow!("{}: {error}", path.display()))
}

type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

fn field(area: &Area, name: &str, toy: &Toy, noise: &Tensor<3>) -> Drawn {
    let title = format!("{name}: |m1 - m2| = {} s", toy.ratio);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(32)
        .build_cartesian_2d(-EDGE..EDGE, -EDGE..EDGE)?;
    let mesh = &mut chart.configure_mesh();
    mesh.disable_mesh()
        .x_labels(5)
        .y_labels(5)
        .x_desc(LEGEND)
        .draw()?;

    // The way of each sample that fits, exactly, and where five steps of Euler's would have led.
    let near = points(noise)
        .into_iter()
        .filter(|(x, y)| x.hypot(*y) < EDGE);
    let start = tokens(&near.take(SHOWN).collect::<Vec<_>>(), &noise.device());
    let mut ways: Vec<Vec<(f64, f64)>> = points(&start).into_iter().map(|p| vec![p]).collect();
    let times = TimeShift::new(1.0).grid(40);
    integrate(&toy.all, &Rk4, &times, start.clone(), &mut |at| {
        ways.iter_mut()
            .zip(points(at.x))
            .for_each(|(way, point)| way.push(point));
        ControlFlow::Continue(())
    });
    for way in &ways {
        let colour = colour(way).mix(0.35);
        chart.draw_series([PathElement::new(way.clone(), colour)])?;
    }

    let grid: Vec<(f64, f64)> = (0..13 * 13)
        .map(|i| ((i % 13) as f64 / 6.0 - 1.0, (i / 13) as f64 / 6.0 - 1.0))
        .map(|(x, y)| (x * 2.4, y * 2.4))
        .collect();
    let places = tokens(&grid, &noise.device());
    let at = Moment {
        t: 0.5,
        step: 0,
        steps: 1,
    };
    for (from, v) in grid
        .into_iter()
        .zip(points(&toy.all.velocity_at(places, at)))
    {
        chart.draw_series(arrow(from, (0.12 * v.0, 0.12 * v.1)))?;
    }

    for way in &ways {
        chart.draw_series([Circle::new(way[0], 2, BLACK.mix(0.6).filled())])?;
        chart.draw_series([Circle::new(way[way.len() - 1], 3, colour(way).filled())])?;
    }
    let coarse = points(&end(&toy.all, &Euler, 5, &start));
    let rings = coarse.into_iter().zip(&ways);
    chart.draw_series(
        rings.map(|(point, way)| Circle::new(point, 4, colour(way).stroke_width(1))),
    )?;
    Ok(())
}

/// The class on whose side a way ends.
fn colour(way: &[(f64, f64)]) -> RGBColor {
    CLASSES[usize::from(way[way.len() - 1].0 < 0.0)]
}

fn arrow(from: (f64, f64), by: (f64, f64)) -> [PathElement<(f64, f64)>; 2] {
    let to = (from.0 + by.0, from.1 + by.1);
    let barb = |turn: f64| {
        let (sin, cos) = turn.sin_cos();
        let back = (cos * by.0 - sin * by.1, sin * by.0 + cos * by.1);
        (to.0 + 0.3 * back.0, to.1 + 0.3 * back.1)
    };
    let style = ARROWS.stroke_width(1);
    [
        PathElement::new(vec![from, to], style),
        PathElement::new(vec![barb(2.6), to, barb(-2.6)], style),
    ]
}

fn error_curves(
    area: &Area,
    name: &str,
    noise: &Tensor<3>,
    choose: impl Fn(Toy) -> svg_flow::GaussianMixture,
) -> Drawn {
    let mut chart = ChartBuilder::on(area)
        .caption(format!("error at the end: {name}"), ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(44)
        .build_cartesian_2d(
            (1.0..27.0)
                .log_scale()
                .with_key_points(STEPS.map(|n| n as f64).to_vec()),
            (0.02..2.0)
                .log_scale()
                .with_key_points(vec![0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0]),
        )?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("Euler steps")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .draw()?;
    for (index, ratio) in RATIOS.into_iter().enumerate() {
        let errors = errors(&choose(Toy::new(ratio)), &STEPS, noise);
        let line = STEPS
            .iter()
            .zip(errors)
            .map(|(n, error)| (*n as f64, error));
        let line: Vec<_> = line.collect();
        let colour = HSLColor(0.62 - 0.62 * index as f64 / 5.0, 0.75, 0.45);
        let dots = line.clone().into_iter();
        chart.draw_series(dots.map(|point| Circle::new(point, 3, colour.filled())))?;
        chart
            .draw_series(LineSeries::new(line, colour.stroke_width(2)))?
            .label(format!("|m1 - m2| = {ratio} s"))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .background_style(WHITE)
        .border_style(TRANSPARENT)
        .draw()?;
    Ok(())
}

fn tokens(points: &[(f64, f64)], device: &Device) -> Tensor<3> {
    let numbers = points.iter().flat_map(|(x, y)| [*x as f32, *y as f32]);
    let numbers: Vec<f32> = numbers.collect();
    Tensor::<1>::from_floats(numbers.as_slice(), device).reshape([1, points.len(), 2])
}

fn points(x: &Tensor<3>) -> Vec<(f64, f64)> {
    let numbers: Vec<f64> = x.to_data().iter().collect();
    numbers.chunks(2).map(|xy| (xy[0], xy[1])).collect()
}
