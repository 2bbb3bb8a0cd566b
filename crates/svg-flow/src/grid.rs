//! Time grids other than shifted uniform ones.

/// Validates a time grid from a user: at least two times, increasing, within [0, 1].
///
/// [`integrate`](crate::integrate) accepts any slice, including one that goes back from data to noise.
///
/// # Errors
///
/// If the grid is invalid, a message that names the offending times.
pub fn times(points: &[f64]) -> Result<Vec<f64>, String> {
    if points.len() < 2 {
        return Err(format!(
            "a time grid of {} points has no step: give at least two times, as in 0, 0.5, 1",
            points.len()
        ));
    }
    if let Some(outside) = points.iter().find(|t| !(0.0..=1.0).contains(*t)) {
        return Err(format!(
            "the time {outside} of the grid is not between 0, the noise, and 1, the data"
        ));
    }
    match points.windows(2).find(|pair| pair[0] >= pair[1]) {
        None => Ok(points.to_vec()),
        Some(pair) => Err(format!(
            "the time grid goes from {} to {}: give increasing times, from noise at 0 to data at 1",
            pair[0], pair[1]
        )),
    }
}

/// SiT's grid for stochastic sampling: `steps` uniform times from 0 to `1 - last`, followed by 1.
///
/// [`EulerMaruyama`](crate::EulerMaruyama) makes the final step with its [`LastStep`](crate::LastStep).
/// SiT uses `last = 0.04` (Ma et al., "SiT", arXiv 2401.08740, released code).
///
/// # Panics
///
/// If `steps` is less than two, or `last` is not between 0 and 1.
pub fn sde_times(steps: usize, last: f64) -> Vec<f64> {
    assert!(
        steps > 1 && 0.0 < last && last < 1.0,
        "`steps` must be at least 2 and `last` between 0 and 1, but are {steps} and {last}"
    );
    let uniform = (0..steps).map(|i| (1.0 - last) * i as f64 / (steps - 1) as f64);
    uniform.chain([1.0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_that_do_not_increase_within_zero_and_one_are_rejected() {
        assert_eq!(times(&[0.0, 0.3, 1.0]).unwrap(), [0.0, 0.3, 1.0]);
        let error = |points: &[f64]| times(points).unwrap_err();
        assert!(error(&[0.0]).contains("1 points has no step: give at least two times"));
        assert!(error(&[0.0, 0.5, 0.5]).contains("from 0.5 to 0.5: give increasing times"));
        assert!(error(&[0.0, 1.5]).contains("the time 1.5 of the grid"));
        assert!(error(&[0.0, f64::NAN]).contains("the time NaN of the grid"));
    }

    #[test]
    fn the_stochastic_grid_has_the_spacing_of_sit() {
        let grid = sde_times(250, 0.04);
        assert_eq!(grid.len(), 251);
        assert!((grid[1] - 0.003_855_42).abs() < 1e-8);
        assert!((grid[249] - 0.96).abs() < 1e-15);
        assert_eq!(grid[250], 1.0);
    }
}
