//! The alignment of the residual against the reference, with its gradient.

use std::path::Path;

use burn::prelude::*;
use serde::Deserialize;
use svg_residual::{Statistics, align};

use super::compare::assert_close;
use super::fill::murmur_tensor;

/// Absolute, on values of order one.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
struct Expected {
    match_distribution: Case,
}

#[derive(Deserialize)]
struct Case {
    out: Whole,
    grad_hv: Whole,
}

#[derive(Deserialize)]
struct Whole {
    data: Vec<f32>,
}

#[cfg_attr(test, test)]
pub fn alignment_and_its_gradient_are_those_of_the_reference() {
    let folder = Path::new("tests/golden/svg");
    let text = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let want = serde_json::from_str::<Expected>(&text)
        .unwrap()
        .match_distribution;

    // The reference has channels before tokens.
    let device = Device::default().autodiff();
    let input = |name, channels, scale| {
        murmur_tensor(name, [3, channels, 10], scale, &device).swap_dims(1, 2)
    };
    let semantic = input("md.h", 12, 2.0) + 0.3;
    let residual = (input("md.hv", 4, 0.7) - 0.2).require_grad();
    let upstream = input("md.g", 4, 1.0);

    let statistics = Statistics::of(semantic, residual.clone());
    let aligned = align(residual.clone(), &statistics);
    let grads = (aligned.clone() * upstream).sum().backward();
    let gradient = residual.grad(&grads).expect("the residual was used");

    assert_close(
        "alignment",
        aligned.swap_dims(1, 2),
        &want.out.data,
        TOLERANCE,
    );
    let gradient = gradient.swap_dims(1, 2);
    assert_close(
        "alignment, gradient",
        gradient,
        &want.grad_hv.data,
        TOLERANCE,
    );
}
