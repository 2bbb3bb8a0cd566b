//! Features of a set of images on the host.

use burn::prelude::*;

use crate::Moments;

/// Error of a metric of sets of features.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FeaturesError {
    /// The sets have different numbers of channels.
    #[error(
        "features of {ours} and of {theirs} channels cannot be compared; compute both with one network"
    )]
    Channels {
        /// Number of channels of the first set.
        ours: usize,
        /// Number of channels of the second set.
        theirs: usize,
    },
    /// A set has fewer images than the metric needs.
    #[error("this metric needs at least {needed} images, and there are {count}; {advice}")]
    TooFew {
        /// Number of images of the smaller set.
        count: usize,
        /// Smallest number.
        needed: usize,
        /// What to do.
        advice: &'static str,
    },
    /// A feature is infinite or not a number.
    #[error(
        "the features of image {row} (counted from 0) are not finite; look at that image and its precision"
    )]
    NotFinite {
        /// The first such row.
        row: usize,
    },
}

/// Features of a set of images on the host, in f32, row by row.
///
/// 50,000 images with 2,048 channels take 400 MB. The metrics in this crate read the rows in blocks and need a few
/// megabytes per thread beside them.
///
/// ```
/// use burn::prelude::*;
/// use svg_eval::Features;
///
/// let mut features = Features::new(2);
/// features.push(Tensor::from_floats([[0.0, 1.0], [2.0, 3.0]], &Default::default()));
/// features.push_rows(&[4.0, 5.0]);
/// assert_eq!((features.len(), features.row(2)), (3, &[4.0, 5.0][..]));
/// assert_eq!(features.select(&[2, 0]).values(), [4.0, 5.0, 0.0, 1.0]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    channels: usize,
    values: Vec<f32>,
}

impl Features {
    /// Creates an empty set.
    ///
    /// # Panics
    ///
    /// If there are no channels.
    pub fn new(channels: usize) -> Self {
        assert!(channels > 0, "a feature has at least one channel");
        Self {
            channels,
            values: Vec::new(),
        }
    }

    /// Creates a set from rows that lie one after the other.
    ///
    /// # Panics
    ///
    /// If there are no channels or they do not divide the number of values.
    pub fn from_rows(channels: usize, values: Vec<f32>) -> Self {
        let mut features = Self::new(channels);
        features.assert_whole(&values);
        features.values = values;
        features
    }

    /// Makes room for so many more rows, so that adding them moves and copies nothing: sets take hundreds of megabytes.
    pub fn reserve(&mut self, rows: usize) {
        self.values.reserve_exact(rows * self.channels);
    }

    /// Adds features.
    ///
    /// # Shapes
    ///
    /// - features: `[n, channels]`
    ///
    /// # Panics
    ///
    /// If the number of channels differs.
    pub fn push(&mut self, features: Tensor<2>) {
        let [_, channels] = features.dims();
        self.assert_channels(channels);
        let data = features.into_data().convert::<f32>();
        self.values
            .extend(data.try_into_vec::<f32>().expect("converted to f32"));
    }

    /// Adds rows that lie one after the other.
    ///
    /// # Panics
    ///
    /// If the number of channels does not divide the number of values.
    pub fn push_rows(&mut self, values: &[f32]) {
        self.assert_whole(values);
        self.values.extend_from_slice(values);
    }

    /// Adds the rows of another set after its own.
    ///
    /// # Panics
    ///
    /// If the number of channels differs.
    pub fn merge(&mut self, other: &Self) {
        self.assert_channels(other.channels);
        self.values.extend_from_slice(&other.values);
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.channels
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Number of channels of each row.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// One row.
    ///
    /// # Panics
    ///
    /// If there are not so many.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.channels..(row + 1) * self.channels]
    }

    /// All rows in their order.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.channels)
    }

    /// All rows, one after the other.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The set of these rows, which may occur more than once.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub fn select(&self, rows: &[usize]) -> Self {
        let mut values = Vec::with_capacity(rows.len() * self.channels);
        for row in rows {
            values.extend_from_slice(self.row(*row));
        }
        Self {
            channels: self.channels,
            values,
        }
    }

    /// Mean and covariance of the rows.
    pub fn moments(&self) -> Moments {
        let mut moments = Moments::new();
        moments.push_rows(&self.values, self.channels);
        moments
    }

    /// Whether all values are finite.
    pub fn is_finite(&self) -> bool {
        self.values.iter().all(|value| value.is_finite())
    }

    /// Checks what every metric needs: `needed` rows of finite values.
    pub(crate) fn check(&self, needed: usize, advice: &'static str) -> Result<(), FeaturesError> {
        let count = self.len();
        if count < needed {
            return Err(FeaturesError::TooFew {
                count,
                needed,
                advice,
            });
        }
        match self.values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(FeaturesError::NotFinite {
                row: at / self.channels,
            }),
            None => Ok(()),
        }
    }

    /// [`check`](Self::check) of two sets, which must have the same channels.
    pub(crate) fn check_both(
        &self,
        other: &Self,
        needed: usize,
        advice: &'static str,
    ) -> Result<(), FeaturesError> {
        let (ours, theirs) = (self.channels, other.channels);
        if ours != theirs {
            return Err(FeaturesError::Channels { ours, theirs });
        }
        self.check(needed, advice)?;
        other.check(needed, advice)
    }

    fn assert_channels(&self, channels: usize) {
        let ours = self.channels;
        assert!(
            channels == ours,
            "features of {channels} channels after features of {ours}"
        );
    }

    fn assert_whole(&self, values: &[f32]) {
        let (channels, rest) = (self.channels, values.len() % self.channels);
        assert!(
            rest == 0,
            "the last feature has {rest} of {channels} channels"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_sets_keep_the_order_of_rows() {
        let mut one = Features::from_rows(2, vec![1.0, 2.0]);
        one.merge(&Features::from_rows(2, vec![3.0, 4.0, 5.0, 6.0]));
        assert_eq!(one.rows().nth(1), Some(&[3.0, 4.0][..]));
        assert_eq!(one.len(), 3);
    }

    #[test]
    fn errors_name_the_first_row_that_is_not_finite() {
        let broken = Features::from_rows(2, vec![1.0, 2.0, 3.0, f32::NAN]);
        assert!(!broken.is_finite());
        let said = broken.check(1, "").unwrap_err().to_string();
        assert!(said.contains("image 1 (counted from 0)"), "{said}");
    }

    #[test]
    fn errors_name_different_channels_and_too_few_images() {
        let (two, three) = (
            Features::from_rows(2, vec![0.0; 4]),
            Features::from_rows(3, vec![0.0; 3]),
        );
        let said = two.check_both(&three, 1, "").unwrap_err().to_string();
        assert!(said.contains("of 2 and of 3 channels"), "{said}");
        let said = two.check(5, "take more images").unwrap_err().to_string();
        assert!(
            said.contains("at least 5") && said.ends_with("there are 2; take more images"),
            "{said}"
        );
    }

    #[test]
    #[should_panic(expected = "features of 3 channels after features of 2")]
    fn other_channels_panic() {
        Features::new(2).merge(&Features::new(3));
    }

    #[test]
    #[should_panic(expected = "the last feature has 1 of 2 channels")]
    fn half_a_row_panics() {
        Features::from_rows(2, vec![0.0; 3]);
    }
}
