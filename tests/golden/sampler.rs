//! Sampling against the PyTorch reference: solvers, guidance and time grids on one tiny network.

use std::collections::BTreeMap;

use burn::prelude::*;
use serde::Deserialize;
use svg_flow::{Euler, Guidance, Guided, Heun, Solver, TimeShift, integrate, unwatched};
use svg_model::Conditioned;
use svg_roles::Condition;

use super::compare::allowed;
use super::fill::murmur_tensor;
use super::sit::{formula, recorded, tiny, tolerance};

#[derive(Deserialize)]
struct End {
    mean: f64,
    std: f64,
    abs_sum: f64,
    first4: [f64; 4],
}

/// The recorded key, `solver|mode|cfg|shift`, in our words.
fn read(key: &str) -> (Box<dyn Solver>, Guidance, TimeShift) {
    let parts: Vec<&str> = key.split('|').collect();
    let [solver, mode, scale, shift] = parts[..] else {
        panic!("{key}: four parts");
    };
    let number = |part: &str, prefix: &str| -> f64 {
        let digits = part.strip_prefix(prefix).unwrap();
        digits.parse().unwrap()
    };
    let solver: Box<dyn Solver> = match solver {
        "euler" => Box::new(Euler),
        "heun" => Box::new(Heun),
        other => panic!("{other}: another solver"),
    };
    let schedule = mode
        .replace("cfg_star-", "skip-first:")
        .replace('-', ":")
        .replace("skip:first", "skip-first");
    let guidance = Guidance::new(number(scale, "cfg"), schedule.parse().unwrap()).unwrap();
    (solver, guidance, TimeShift::new(number(shift, "shift")))
}

#[cfg_attr(test, test)]
pub fn every_way_of_sampling_ends_where_the_reference_does() {
    let device = Device::default();
    let sit = formula(&tiny(), "dit_tiny.", &device);
    let mut ends: BTreeMap<String, serde_json::Value> = recorded("sampler_tiny");
    ends.remove("note");
    assert_eq!(ends.len(), 28);
    let mut worst = 0.0f64;
    for (key, want) in ends {
        let want: End = serde_json::from_value(want).unwrap();
        let (solver, guidance, shift) = read(&key);
        let field = Guided {
            branches: Conditioned::new(&sit, Condition::classes(&[3, 42], &device)),
            guidance,
        };
        let noise = murmur_tensor("dit_tiny.z", [2, 256, 20], 1.5, &device);
        let end = integrate(&field, &*solver, &shift.grid(5), noise, &mut unwatched).x;
        let got: Vec<f64> = end.into_data().iter().collect();
        let mean_of = |value: &dyn Fn(f64) -> f64| {
            got.iter().map(|v| value(*v)).sum::<f64>() / got.len() as f64
        };
        let mean = mean_of(&|v| v);
        let mut errors = vec![
            mean - want.mean,
            mean_of(&|v| (v - mean).powi(2)).sqrt() - want.std,
            mean_of(&f64::abs) - want.abs_sum / got.len() as f64,
        ];
        errors.extend(got.iter().zip(want.first4).map(|(got, want)| got - want));
        let off = errors
            .iter()
            .fold(0.0f64, |off, error| off.max(error.abs()));
        assert!(
            off < allowed(off, tolerance(&device)),
            "{key}: off by {off:e}"
        );
        worst = worst.max(off);
    }
    println!("28 ways of sampling: off by {worst:.1e}");
}
