//! Which classes are taken for which.

/// How often each class was said of each: rows are the truth, columns what was said.
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
    /// Counts pairs of a true class and the class that was said.
    ///
    /// # Panics
    ///
    /// If there are not as many answers as truths, or a class is not below `classes`.
    pub fn new(classes: usize, truth: &[usize], said: &[usize]) -> Self {
        let (asked, answered) = (truth.len(), said.len());
        assert!(asked == answered, "{answered} answers to {asked} questions");
        let mut counts = vec![0; classes * classes];
        for (&truth, &said) in truth.iter().zip(said) {
            let class = truth.max(said);
            assert!(class < classes, "class {class} is none of {classes}");
            counts[truth * classes + said] += 1;
        }
        Self { classes, counts }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Number of answers.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How often `said` was said of the class `truth`.
    ///
    /// # Panics
    ///
    /// If one of the two is no class.
    pub fn of(&self, truth: usize, said: usize) -> u64 {
        let (class, classes) = (truth.max(said), self.classes);
        assert!(class < classes, "class {class} is none of {classes}");
        self.counts[truth * classes + said]
    }

    /// The share of answers that are right; 0 if there are none.
    pub fn accuracy(&self) -> f64 {
        let right: u64 = (0..self.classes).map(|class| self.of(class, class)).sum();
        right as f64 / self.total().max(1) as f64
    }

    /// The share of a class that is known as such; `None` if there is nothing of it.
    ///
    /// # Panics
    ///
    /// If it is no class.
    pub fn recall(&self, class: usize) -> Option<f64> {
        let all = self.asked(class);
        (all > 0).then(|| self.of(class, class) as f64 / all as f64)
    }

    /// How often a class was asked for.
    ///
    /// # Panics
    ///
    /// If it is no class.
    pub fn asked(&self, class: usize) -> u64 {
        (0..self.classes).map(|said| self.of(class, said)).sum()
    }

    /// What is right without looking at anything: the share of the class that was asked for most; 0 if
    /// nothing was.
    pub fn chance(&self) -> f64 {
        let most = (0..self.classes).map(|class| self.asked(class)).max();
        most.unwrap_or(0) as f64 / self.total().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_the_truth_and_columns_what_was_said() {
        let confusion = Confusion::new(3, &[0, 0, 1, 1, 1], &[1, 0, 1, 0, 0]);
        assert_eq!((confusion.of(0, 1), confusion.of(1, 0)), (1, 2));
        assert_eq!((confusion.total(), confusion.asked(1)), (5, 3));
        assert_eq!(confusion.accuracy(), 0.4);
        assert_eq!(confusion.recall(0), Some(0.5));
        assert_eq!(confusion.recall(2), None);
        assert_eq!(confusion.chance(), 0.6);
    }

    #[test]
    fn nobody_is_right_about_nothing() {
        let confusion = Confusion::new(2, &[], &[]);
        assert_eq!((confusion.accuracy(), confusion.chance()), (0.0, 0.0));
    }

    #[test]
    #[should_panic(expected = "class 2 is none of 2")]
    fn a_class_that_is_none_panics() {
        Confusion::new(2, &[0], &[2]);
    }

    #[test]
    #[should_panic(expected = "1 answers to 2 questions")]
    fn a_question_without_an_answer_panics() {
        Confusion::new(2, &[0, 1], &[1]);
    }
}
