//! The numbers of one step.

/// Named numbers, in the order in which they were added.
///
/// ```
/// use svg_train::log::Scalars;
///
/// let scalars = Scalars::new().with("loss", 0.5).with("learning_rate", 1e-4);
/// assert_eq!(scalars.get("loss"), Some(0.5));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scalars {
    entries: Vec<(String, f64)>,
}

impl Scalars {
    /// No numbers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a number.
    ///
    /// # Panics
    ///
    /// If there is a number of that name already, or the name is `step`, which logs have beside.
    pub fn push(&mut self, name: impl Into<String>, value: f64) {
        let name = name.into();
        assert!(
            name != "step" && self.get(&name).is_none(),
            "a step has one number named {name:?}"
        );
        self.entries.push((name, value));
    }

    /// The same with one number more.
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push).
    pub fn with(mut self, name: impl Into<String>, value: f64) -> Self {
        self.push(name, value);
        self
    }

    /// Adds numbers after the others.
    pub(crate) fn append(&mut self, more: Self) {
        for (name, value) in more.entries {
            self.push(name, value);
        }
    }

    /// Whether every number is finite.
    pub(crate) fn are_finite(&self) -> bool {
        self.iter().all(|(_, value)| value.is_finite())
    }

    /// The number of that name.
    pub fn get(&self, name: &str) -> Option<f64> {
        let found = self.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value)
    }

    /// The means of the numbers of each name over those of `all` that have it, in the order in which names
    /// first come.
    pub(crate) fn mean(all: &[Self]) -> Self {
        let mut mean = Self::new();
        for (name, _) in all.iter().flat_map(Self::iter) {
            if mean.get(name).is_none() {
                let values: Vec<f64> = all.iter().filter_map(|one| one.get(name)).collect();
                mean.push(name, values.iter().sum::<f64>() / values.len() as f64);
            }
        }
        mean
    }

    /// Names and numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.entries
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
    }

    /// Whether there are no numbers.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_order() {
        let scalars = Scalars::new().with("b", 1.0).with("a", 2.0);
        assert_eq!(scalars.iter().collect::<Vec<_>>(), [("b", 1.0), ("a", 2.0)]);
        assert_eq!((scalars.get("a"), scalars.get("c")), (Some(2.0), None));
    }

    #[test]
    fn a_mean_is_over_those_that_have_the_number() {
        let one = Scalars::new().with("b", 1.0).with("a", 2.0);
        let mean = Scalars::mean(&[one, Scalars::new().with("a", 4.0)]);
        assert_eq!(mean.iter().collect::<Vec<_>>(), [("b", 1.0), ("a", 3.0)]);
    }

    #[test]
    #[should_panic(expected = "one number named \"loss\"")]
    fn two_numbers_of_one_name_are_a_mistake_of_the_caller() {
        let _ = Scalars::new().with("loss", 1.0).with("loss", 2.0);
    }
}
