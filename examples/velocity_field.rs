//! A velocity field of one's own, and what each solver makes of it.
//!
//! ```text
//! cargo run --release --example velocity_field
//! ```
//!
//! The field is a spiral, whose end is known. With twice the steps, Euler's error halves, that of Heun and
//! of the midpoint is a quarter, and that of the classical Runge-Kutta method a sixteenth, as far as f32
//! can tell.

use std::f64::consts::TAU;

use burn::prelude::*;
use svg_flow::{Counted, DormandPrince, Euler, Heun, Midpoint, Rk4, Solver};
use svg_flow::{TimeShift, VelocityField, integrate, unwatched};

/// `(a, b)' = turn (-b, a) - decay (a, b)`
struct Spiral {
    turn: f64,
    decay: f64,
}

impl VelocityField for Spiral {
    fn velocity(&self, x: Tensor<3>, _t: Tensor<1>) -> Tensor<3> {
        let [a, b] = [0, 1].map(|channel| x.clone().narrow(2, channel, 1));
        Tensor::cat(vec![b.neg(), a], 2) * self.turn - x * self.decay
    }
}

impl Spiral {
    /// Where a sample is at time 1.
    fn end(&self, x: Tensor<3>) -> Tensor<3> {
        let [a, b] = [0, 1].map(|channel| x.clone().narrow(2, channel, 1));
        let turned = Tensor::cat(vec![b.neg(), a], 2) * self.turn.sin();
        (x * self.turn.cos() + turned) * (-self.decay).exp()
    }
}

fn main() {
    let field = Spiral {
        turn: TAU / 3.0,
        decay: 0.5,
    };
    let start = Tensor::<3>::from_data([[[1.0, 0.0], [-0.5, 2.0]]], &Device::default());
    let exact = field.end(start.clone());
    let follow = |solver: &dyn Solver, times: &[f64]| {
        let counted = Counted::new(|x: Tensor<3>, t: Tensor<1>| field.velocity(x, t));
        let end = integrate(&counted, solver, times, start.clone(), &mut unwatched).x;
        let error = (end - exact.clone()).abs().max().into_scalar::<f32>();
        (error, counted.evaluations())
    };

    println!("{:<10}{:>12}{:>12}{:>12}", "steps", 8, 16, 32);
    let solvers: [(&str, &dyn Solver); 4] = [
        ("euler", &Euler),
        ("heun", &Heun),
        ("midpoint", &Midpoint),
        ("rk4", &Rk4),
    ];
    for (name, solver) in solvers {
        let errors = [8, 16, 32].map(|steps| {
            let (error, _) = follow(solver, &TimeShift::new(1.0).grid(steps));
            format!("{error:>12.1e}")
        });
        println!("{name:<10}{}", errors.concat());
    }
    // It chooses its steps by itself.
    let (error, evaluations) = follow(&DormandPrince::default(), &[0.0, 1.0]);
    println!("dopri5    {error:>12.1e} after {evaluations} evaluations");
}
