//! Eigenvalues and eigenvectors of covariances.

use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::{Mat, MatRef, Par};

use crate::Moments;

/// Eigenvalues in ascending order of the symmetric matrix with this lower triangle. `None` if the decomposition does
/// not converge.
pub(crate) fn eigenvalues(matrix: MatRef<'_, f64>) -> Option<Vec<f64>> {
    decompose(matrix, None)
}

/// The same, and an eigenvector in each column.
pub(crate) fn eigen(matrix: MatRef<'_, f64>) -> Option<(Vec<f64>, Mat<f64>)> {
    let mut vectors = Mat::zeros(matrix.nrows(), matrix.nrows());
    let values = decompose(matrix, Some(&mut vectors))?;
    Some((values, vectors))
}

/// On one thread, so that sums have one order on every machine.
fn decompose(matrix: MatRef<'_, f64>, vectors: Option<&mut Mat<f64>>) -> Option<Vec<f64>> {
    let size = matrix.nrows();
    let wanted = match vectors {
        Some(_) => ComputeEigenvectors::Yes,
        None => ComputeEigenvectors::No,
    };
    let scratch = self_adjoint_evd_scratch::<f64>(size, wanted, Par::Seq, Default::default());
    let mut values = vec![0.0; size];
    self_adjoint_evd(
        matrix,
        DiagMut::from_slice_mut(&mut values),
        vectors.map(|vectors| vectors.as_mut()),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .ok()?;
    Some(values)
}

impl Moments {
    /// The `count` principal directions in descending order of variance: normalised eigenvectors of the covariance.
    ///
    /// The sign of each is chosen so that its component of largest magnitude is positive. `None` if the moments
    /// are not finite.
    ///
    /// # Panics
    ///
    /// If there are fewer channels than directions.
    ///
    /// ```
    /// use svg_eval::Moments;
    ///
    /// let mut moments = Moments::new();
    /// moments.push_values(&[0.0, 1.0, 0.1, -3.0, -0.1, 8.0], 2);
    /// let directions = moments.principal_directions(1).unwrap();
    /// assert!(directions[0][1] > 0.99);
    /// ```
    pub fn principal_directions(&self, count: usize) -> Option<Vec<Vec<f64>>> {
        let channels = self.channels();
        assert!(
            count <= channels,
            "{count} directions in {channels} channels"
        );
        if !self.is_finite() {
            return None;
        }
        let squares = MatRef::from_row_major_slice(&self.squares, channels, channels);
        let (_, vectors) = eigen(squares)?;
        let direction = |rank: usize| {
            let column = vectors.col(channels - 1 - rank);
            let largest = column.iter().fold(
                0.0f64,
                |most, v| if v.abs() > most.abs() { *v } else { most },
            );
            column.iter().map(|v| v * largest.signum()).collect()
        };
        Some((0..count).map(direction).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deviations 1, 10 and 0.1 along the three channels.
    fn moments() -> Moments {
        let wave = |index: usize, speed: f64| (index as f64 * speed).sin();
        let row = |index| {
            [
                wave(index, 0.7),
                10.0 * wave(index, 2.1),
                0.1 * wave(index, 1.3),
            ]
        };
        let values: Vec<f64> = (0..200).flat_map(row).collect();
        let mut moments = Moments::new();
        moments.push_values(&values, 3);
        moments
    }

    #[test]
    fn directions_are_sorted_by_variance_and_signs_are_fixed() {
        let directions = moments().principal_directions(3).unwrap();
        for (direction, channel) in directions.iter().zip([1, 0, 2]) {
            assert!(direction[channel] > 0.99, "{directions:?}");
        }
    }

    #[test]
    fn directions_are_orthonormal() {
        let directions = moments().principal_directions(3).unwrap();
        for (i, one) in directions.iter().enumerate() {
            for (j, other) in directions.iter().enumerate() {
                let product: f64 = one.iter().zip(other).map(|(a, b)| a * b).sum();
                let expected = f64::from(u8::from(i == j));
                assert!((product - expected).abs() < 1e-12, "{i} {j}: {product}");
            }
        }
    }

    #[test]
    fn a_single_feature_gives_finite_directions() {
        let mut moments = Moments::new();
        moments.push_values(&[1.0, 2.0, 3.0], 3);
        let directions = moments.principal_directions(2).unwrap();
        assert!(directions.iter().flatten().all(|v| v.is_finite()));
    }

    #[test]
    fn features_that_are_not_finite_have_no_directions() {
        let mut moments = moments();
        moments.push_values(&[0.0, f64::INFINITY, 1.0], 3);
        assert!(moments.principal_directions(1).is_none());
    }

    #[test]
    #[should_panic(expected = "4 directions in 3 channels")]
    fn more_directions_than_channels_panic() {
        moments().principal_directions(4);
    }
}
