//! Mean and deviation of a few numbers.

/// Arithmetic mean.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Standard deviation that divides by `n - less`; 0 for `less` numbers or fewer.
pub(crate) fn deviation(values: &[f64], less: usize) -> f64 {
    if values.len() <= less {
        return 0.0;
    }
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() - less) as f64).sqrt()
}
