//! Tensors against recorded numbers.

use std::sync::Mutex;

use burn::prelude::*;
use serde::Deserialize;

/// What is allowed at least, and the comparison that came nearest to its bound since it was asked for: by how much it was
/// off, and what was allowed.
static STATE: Mutex<(f64, Option<[f64; 2]>)> = Mutex::new((0.0, None));

/// From now on allows so much, where less is allowed otherwise: for number types of fewer bits.
#[allow(dead_code)] // of `svg-check`
pub fn allow_at_least(tolerance: f64) {
    STATE.lock().unwrap().0 = tolerance;
}

/// The comparison that came nearest to its bound since the last call.
#[allow(dead_code)]
pub fn worst() -> Option<[f64; 2]> {
    STATE.lock().unwrap().1.take()
}

/// Notes a comparison, and says what is allowed.
pub fn allowed(off: f64, tolerance: f64) -> f64 {
    let mut state = STATE.lock().unwrap();
    let tolerance = tolerance.max(state.0);
    if state
        .1
        .is_none_or(|[was, bound]| off / tolerance > was / bound)
    {
        state.1 = Some([off, tolerance]);
    }
    tolerance
}

/// What the reference recorded of a tensor that is too large to keep whole.
#[derive(Deserialize)]
pub struct Summary {
    shape: Vec<usize>,
    abs_sum: f64,
    // One generator recorded these ...
    #[serde(default)]
    first8: Vec<f64>,
    #[serde(default)]
    last4: Vec<f64>,
    max_abs: Option<f64>,
    sum: Option<f64>,
    // ... the other these.
    #[serde(default)]
    first16: Vec<f64>,
    strided16: Option<Strided>,
    std: Option<f64>,
}

#[derive(Deserialize)]
struct Strided {
    idx: Vec<usize>,
    val: Vec<f64>,
}

/// Asserts that every number is within `tolerance`, absolute.
pub fn assert_close<const D: usize>(what: &str, got: Tensor<D>, want: &[f32], tolerance: f64) {
    let got = values(got);
    assert_eq!(got.len(), want.len(), "{what}: another number of values");
    let pairs = got.iter().zip(want);
    let worst = pairs.fold(0.0f64, |worst, (a, b)| worst.max((a - f64::from(*b)).abs()));
    println!("{what}: off by {worst:.1e}");
    let tolerance = allowed(worst, tolerance);
    // Written so that NaN fails.
    assert!(
        worst < tolerance,
        "{what}: off by {worst:e}, allowed {tolerance:e}"
    );
}

impl Summary {
    /// Asserts recorded single values within `tolerance`, absolute, and recorded sums within the same
    /// tolerance for each summand on average.
    pub fn assert_matches<const D: usize>(&self, what: &str, got: Tensor<D>, tolerance: f64) {
        assert_eq!(got.dims().to_vec(), self.shape, "{what}: another shape");
        let got = values(got);
        let n = got.len();
        let strided = self.strided16.iter().flat_map(|s| s.idx.iter().zip(&s.val));
        let singles = (0..).zip(self.first8.iter().chain(&self.first16));
        let singles = singles.chain((n - self.last4.len()..).zip(&self.last4));
        let singles = singles.chain(strided.map(|(i, value)| (*i, value)));
        let mut worst = 0.0f64;
        let mut count = 0;
        for (index, want) in singles {
            worst = worst.max((got[index] - want).abs());
            count += 1;
        }
        assert!(count >= 12, "{what}: nothing recorded to compare with");
        if let Some(max_abs) = self.max_abs {
            let max = got.iter().fold(0.0f64, |max, v| max.max(v.abs()));
            worst = worst.max((max - max_abs).abs());
        }
        if let Some(std) = self.std {
            let mean = got.iter().sum::<f64>() / n as f64;
            let variance = got.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64;
            worst = worst.max((variance.sqrt() - std).abs());
        }
        if let Some(sum) = self.sum {
            worst = worst.max((got.iter().sum::<f64>() - sum).abs() / n as f64);
        }
        let abs_sum = got.iter().map(|v| v.abs()).sum::<f64>();
        worst = worst.max((abs_sum - self.abs_sum).abs() / n as f64);
        println!("{what}: off by {worst:.1e}");
        let tolerance = allowed(worst, tolerance);
        assert!(
            worst < tolerance,
            "{what}: off by {worst:e}, allowed {tolerance:e}"
        );
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    let data = tensor.into_data().convert::<f64>();
    data.try_to_vec().expect("converted to f64")
}
