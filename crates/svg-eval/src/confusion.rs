//! Confusion matrices.

/// Confusion matrix: rows are true classes, columns predicted classes.
///
/// ```
/// use svg_eval::Confusion;
///
/// let confusion = Confusion::new(2, &[0, 0, 1, 1], &[0, 1, 1, 1]);
/// assert_eq!(confusion.of(0, 1), 1);
/// assert_eq!(confusion.accuracy(), 0.75);
/// assert_eq!(confusion.recall(0), Some(0.5));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// Row by row.
    counts: Vec<u64>,
}

impl Confusion {
    /// Counts pairs of a true and a predicted class.
    ///
    /// # Panics
    ///
    /// If the numbers of true and predicted classes differ, or a class is not below `classes`.
    pub fn new(classes: usize, truth: &[usize], said: &[usize]) -> Self {
        let (asked, answered) = (truth.len(), said.len());
        assert!(
            asked == answered,
            "{answered} predictions for {asked} labels"
        );
        let mut counts = vec![0; classes * classes];
        for (&truth, &said) in truth.iter().zip(said) {
            let class = truth.max(said);
            assert!(class < classes, "class {class} is not below {classes}");
            counts[truth * classes + said] += 1;
        }
        Self { classes, counts }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Number of predictions.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How often the class `said` was predicted for the class `truth`.
    ///
    /// # Panics
    ///
    /// If a class is out of range.
    pub fn of(&self, truth: usize, said: usize) -> u64 {
        let (class, classes) = (truth.max(said), self.classes);
        assert!(class < classes, "class {class} is not below {classes}");
        self.counts[truth * classes + said]
    }

    /// Fraction of correct predictions; 0 if there are none.
    pub fn accuracy(&self) -> f64 {
        let right: u64 = (0..self.classes).map(|class| self.of(class, class)).sum();
        right as f64 / self.total().max(1) as f64
    }

    /// Fraction of a class that is predicted correctly; `None` if the class does not occur.
    ///
    /// # Panics
    ///
    /// If the class is out of range.
    pub fn recall(&self, class: usize) -> Option<f64> {
        let all = self.asked(class);
        (all > 0).then(|| self.of(class, class) as f64 / all as f64)
    }

    /// Number of samples of a class.
    ///
    /// # Panics
    ///
    /// If the class is out of range.
    pub fn asked(&self, class: usize) -> u64 {
        (0..self.classes).map(|said| self.of(class, said)).sum()
    }

    /// Accuracy of always predicting the most frequent class; 0 if there are no samples.
    pub fn chance(&self) -> f64 {
        let most = (0..self.classes).map(|class| self.asked(class)).max();
        most.unwrap_or(0) as f64 / self.total().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_true_classes_and_columns_predicted_ones() {
        let confusion = Confusion::new(3, &[0, 0, 1, 1, 1], &[1, 0, 1, 0, 0]);
        assert_eq!((confusion.of(0, 1), confusion.of(1, 0)), (1, 2));
        assert_eq!((confusion.total(), confusion.asked(1)), (5, 3));
        assert_eq!(confusion.accuracy(), 0.4);
        assert_eq!(confusion.recall(0), Some(0.5));
        assert_eq!(confusion.recall(2), None);
        assert_eq!(confusion.chance(), 0.6);
    }

    #[test]
    fn an_empty_matrix_has_accuracy_zero() {
        let confusion = Confusion::new(2, &[], &[]);
        assert_eq!((confusion.accuracy(), confusion.chance()), (0.0, 0.0));
    }

    #[test]
    #[should_panic(expected = "class 2 is not below 2")]
    fn a_class_out_of_range_panics() {
        Confusion::new(2, &[0], &[2]);
    }

    #[test]
    #[should_panic(expected = "1 predictions for 2 labels")]
    fn a_missing_prediction_panics() {
        Confusion::new(2, &[0, 1], &[1]);
    }
}
