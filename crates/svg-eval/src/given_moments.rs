//! Moments from a mean and a covariance that somebody else has computed.

use crate::Moments;

/// Difference between mirrored entries, relative to the deviations of both channels, that rounding to f32 can explain.
const ASYMMETRY: f64 = 1e-4;

/// Error of numbers that are no mean and covariance.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CovarianceError {
    /// The sizes do not match.
    #[error(
        "a covariance of {channels} channels has {channels} x {channels} entries and not {entries}; the mean and \
         the covariance may be of different features"
    )]
    Size {
        /// Channels of the mean.
        channels: usize,
        /// Entries of the covariance.
        entries: usize,
    },
    /// A number is infinite or not a number.
    #[error("the {what} is not finite; the file may be damaged or its features were not finite")]
    NotFinite {
        /// Mean or covariance.
        what: &'static str,
    },
    /// Mirrored entries differ by more than rounding.
    #[error(
        "the covariance is not symmetric: entry {row}, {column} is {entry} and entry {column}, {row} is {mirrored}"
    )]
    NotSymmetric {
        /// Row, counted from 0.
        row: usize,
        /// Column, counted from 0.
        column: usize,
        /// Entry at the row and column.
        entry: f64,
        /// Entry on the other side of the diagonal.
        mirrored: f64,
    },
    /// A variance is negative.
    #[error("the variance of channel {channel} is {variance}; this is no covariance")]
    NegativeVariance {
        /// Channel, counted from 0.
        channel: usize,
        /// Entry on the diagonal.
        variance: f64,
    },
    /// A covariance is larger than two variances allow.
    #[error(
        "entry {row}, {column} is {entry}, more than the variances of both channels allow; this is no covariance"
    )]
    TooLarge {
        /// Row, counted from 0.
        row: usize,
        /// Column, counted from 0.
        column: usize,
        /// The entry.
        entry: f64,
    },
    /// The number of features does not give a covariance.
    #[error("a covariance needs at least two features, but their number is said to be {count}")]
    TooFew {
        /// Number of features.
        count: u64,
    },
}

impl Moments {
    /// Moments with this mean and this unbiased covariance, given row by row.
    ///
    /// `count` is the number of features, if it is known. Without it, the moments can be compared and stored, but
    /// nothing can be added to them, and they are [taken to be of enough features](Moments::is_enough). Mirrored
    /// entries that differ by rounding are replaced by their mean.
    ///
    /// # Errors
    ///
    /// [`CovarianceError`] if the sizes do not match, a number is not finite, the matrix is clearly not symmetric, a
    /// variance is negative, an entry exceeds what its variances allow, or the count is below two.
    ///
    /// ```
    /// use svg_eval::Moments;
    ///
    /// let published = Moments::from_mean_and_covariance(None, vec![1.0, 2.0], vec![4.0, 1.0, 1.0, 9.0])?;
    /// assert_eq!((published.count(), published.covariance(0, 1)), (None, 1.0));
    /// # Ok::<(), svg_eval::CovarianceError>(())
    /// ```
    pub fn from_mean_and_covariance(
        count: Option<u64>,
        mean: Vec<f64>,
        mut covariance: Vec<f64>,
    ) -> Result<Self, CovarianceError> {
        let (channels, entries) = (mean.len(), covariance.len());
        if channels == 0 || channels.checked_mul(channels) != Some(entries) {
            return Err(CovarianceError::Size { channels, entries });
        }
        for (what, numbers) in [("mean", &mean), ("covariance", &covariance)] {
            if !numbers.iter().all(|number| number.is_finite()) {
                return Err(CovarianceError::NotFinite { what });
            }
        }
        let variances: Vec<f64> = covariance.iter().step_by(channels + 1).copied().collect();
        if let Some(channel) = variances.iter().position(|variance| *variance < 0.0) {
            let variance = variances[channel];
            return Err(CovarianceError::NegativeVariance { channel, variance });
        }
        for row in 0..channels {
            for column in 0..row {
                let (entry, mirrored) = (
                    covariance[row * channels + column],
                    covariance[column * channels + row],
                );
                let largest = variances[row].sqrt() * variances[column].sqrt();
                if (entry - mirrored).abs() > ASYMMETRY * largest {
                    return Err(CovarianceError::NotSymmetric {
                        row,
                        column,
                        entry,
                        mirrored,
                    });
                }
                let middle = entry + (mirrored - entry) / 2.0;
                if middle.abs() > (1.0 + ASYMMETRY) * largest {
                    return Err(CovarianceError::TooLarge { row, column, entry });
                }
                covariance[row * channels + column] = middle;
                covariance[column * channels + row] = middle;
            }
        }
        let squares = match count {
            None => covariance,
            Some(count) if count < 2 => return Err(CovarianceError::TooFew { count }),
            Some(count) => {
                let divisor = count as f64 - 1.0;
                covariance.iter().map(|entry| entry * divisor).collect()
            }
        };
        Ok(Self {
            count: count.unwrap_or(0),
            mean,
            squares,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_numbers_come_back() {
        let covariance = vec![4.0, 1.0, 1.0, 9.0];
        for count in [None, Some(5)] {
            let given =
                Moments::from_mean_and_covariance(count, vec![1.0, 2.0], covariance.clone());
            let given = given.unwrap();
            assert_eq!((given.count(), given.mean()), (count, &[1.0, 2.0][..]));
            assert_eq!(given.covariance_matrix(), covariance);
            assert!(given.is_enough());
        }
        let few = Moments::from_mean_and_covariance(Some(2), vec![1.0, 2.0], covariance);
        assert!(!few.unwrap().is_enough());
    }

    #[test]
    fn moments_with_their_number_can_be_merged() {
        let mut whole = Moments::new();
        whole.push_values(&[0.0, 1.0, 3.0, 5.0, 2.0, 2.0], 2);
        let given = Moments::from_mean_and_covariance(
            whole.count(),
            whole.mean().to_vec(),
            whole.covariance_matrix(),
        );
        let mut given = given.unwrap();
        given.merge(&Moments::new());
        given.merge(&whole);
        whole.merge(&whole.clone());
        assert_eq!(given.count(), Some(6));
        assert!((given.covariance(0, 1) - whole.covariance(0, 1)).abs() < 1e-12);
    }

    #[test]
    fn rounding_is_averaged_away() {
        let covariance = vec![1.0, 0.5, 0.5 + 1e-8, 1.0];
        let given = Moments::from_mean_and_covariance(None, vec![0.0; 2], covariance).unwrap();
        assert_eq!(given.covariance(0, 1), given.covariance(1, 0));
    }

    #[test]
    fn numbers_that_are_no_covariance_are_refused_by_name() {
        let said = |covariance: &[f64]| {
            let given = Moments::from_mean_and_covariance(None, vec![0.0; 2], covariance.to_vec());
            given.unwrap_err().to_string()
        };
        assert!(said(&[1.0; 3]).contains("2 x 2 entries and not 3"));
        assert!(said(&[1.0, f64::NAN, 0.0, 1.0]).contains("covariance is not finite"));
        assert!(said(&[1.0, 0.5, 0.2, 1.0]).contains("entry 1, 0 is 0.2 and entry 0, 1 is 0.5"));
        assert!(said(&[1.0, 0.0, 0.0, -1.0]).contains("variance of channel 1 is -1"));
        assert!(said(&[1.0, 2.0, 2.0, 1.0]).contains("more than the variances"));
        let given = Moments::from_mean_and_covariance(Some(1), vec![0.0], vec![1.0]);
        assert!(given.unwrap_err().to_string().contains("said to be 1"));
        let given = Moments::from_mean_and_covariance(None, vec![f64::INFINITY], vec![1.0]);
        assert!(
            given
                .unwrap_err()
                .to_string()
                .contains("mean is not finite")
        );
    }

    #[test]
    #[should_panic(expected = "number of features is not known")]
    fn features_cannot_be_added_to_moments_without_a_number() {
        let given = Moments::from_mean_and_covariance(None, vec![0.0], vec![1.0]);
        given.unwrap().push_values(&[1.0], 1);
    }
}
