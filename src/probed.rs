//! What features know of classes.

use burn::prelude::*;
use svg_eval::{Confusion, LinearProbe, NearestNeighbours};

/// The answers of both probes to the same questions.
pub struct Probed {
    pub nearest: Confusion,
    pub linear: Confusion,
}

impl Probed {
    /// Learns from `[n, channels]` with `n` labels, and is asked `[m, channels]` with `m`.
    pub fn new(
        (known, labels): (Tensor<2>, &[usize]),
        (asked, truth): (Tensor<2>, &[usize]),
        classes: usize,
        neighbours: &NearestNeighbours,
        decay: f64,
    ) -> Self {
        let nearest = neighbours.classify(known.clone(), labels, asked.clone());
        let linear = LinearProbe::fit(known, labels, classes, decay).classify(asked);
        Self {
            nearest: Confusion::new(classes, truth, &nearest),
            linear: Confusion::new(classes, truth, &linear),
        }
    }
}
