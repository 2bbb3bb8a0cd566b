//! The Inception Score.

use crate::sets::summary::{deviation, mean};
use crate::{Features, FeaturesError, NumpyRandom};

/// How the images are divided into the parts of an Inception Score.
///
/// The score of a part grows with its number of images, so scores are compared with the same rule only. With 50,000
/// images both rules have ten parts of 5,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Splits {
    /// Consecutive parts of this many images; the last one may be shorter. The order of images matters: the parts of
    /// a file that is sorted by classes have few classes each and a far lower score.
    Consecutive(usize),
    /// So many parts, equal up to one image, after the permutation by `RandomState(seed)` of NumPy.
    Shuffled {
        /// Number of parts.
        parts: usize,
        /// Seed of NumPy's generator.
        seed: u32,
    },
}

impl Splits {
    /// The rule of the ADM evaluator: parts of 5,000 without a shuffle.
    pub const ADM: Self = Self::Consecutive(5000);
    /// The rule of torch-fidelity: ten parts after a shuffle with seed 2020.
    pub const TORCH_FIDELITY: Self = Self::Shuffled {
        parts: 10,
        seed: 2020,
    };

    /// The images of each part.
    pub(crate) fn parts(self, count: usize) -> Vec<Vec<usize>> {
        match self {
            Self::Consecutive(size) => {
                let starts = (0..count).step_by(size);
                starts
                    .map(|at| (at..(at + size).min(count)).collect())
                    .collect()
            }
            Self::Shuffled { parts, seed } => {
                let order = NumpyRandom::new(seed).permutation(count);
                let start = |part: usize| part * count / parts;
                let slices = (0..parts).map(|part| &order[start(part)..start(part + 1)]);
                slices.map(<[usize]>::to_vec).collect()
            }
        }
    }
}

/// An Inception Score.
#[derive(Clone, Debug, PartialEq)]
pub struct InceptionScore {
    /// Score of each part.
    pub splits: Vec<f64>,
}

impl InceptionScore {
    /// Mean over the parts, which is the score that is reported.
    pub fn mean(&self) -> f64 {
        mean(&self.splits)
    }

    /// Standard deviation over the parts, divided by their number as NumPy and torch-fidelity do. torchmetrics divides
    /// by one less; the ADM evaluator reports none.
    pub fn deviation(&self) -> f64 {
        deviation(&self.splits, 0)
    }
}

/// `exp(mean_i KL(p_i || p))` of each part, where `p_i = softmax(logits_i)` and `p` is the mean of `p_i` over the part
/// (Salimans et al., 2016), in f64.
///
/// By convention the logits are the 1,008 of the Inception network without the bias of its last layer. The ADM
/// evaluator computes this in f32.
///
/// # Errors
///
/// [`FeaturesError`] if there are no images, fewer images than parts, or logits that are not finite.
///
/// # Panics
///
/// If the parts have no images or there are no parts.
///
/// ```
/// use svg_eval::{Features, Splits, inception_score};
///
/// // Four images, of which each is certainly of another class: the best score of four classes.
/// let logits = (0..16).map(|at| if at % 5 == 0 { 50.0 } else { 0.0 }).collect();
/// let score = inception_score(&Features::from_rows(4, logits), Splits::ADM)?;
/// assert!((score.mean() - 4.0).abs() < 1e-9);
/// # Ok::<(), svg_eval::FeaturesError>(())
/// ```
pub fn inception_score(logits: &Features, splits: Splits) -> Result<InceptionScore, FeaturesError> {
    check(logits, splits)?;
    let parts = splits.parts(logits.len());
    let scores = parts.iter().map(|part| {
        let mut part_mean = vec![0.0; logits.channels()];
        let mut entropies = 0.0;
        for row in part {
            let (probabilities, entropy) = softmax(logits.row(*row));
            entropies += entropy;
            for (sum, probability) in part_mean.iter_mut().zip(probabilities) {
                *sum += probability;
            }
        }
        score(&mut part_mean, entropies, part.len() as f64)
    });
    Ok(InceptionScore {
        splits: scores.collect(),
    })
}

/// What both the score and its interval need.
pub(crate) fn check(logits: &Features, splits: Splits) -> Result<(), FeaturesError> {
    let (needed, advice) = match splits {
        Splits::Consecutive(size) => {
            assert!(size > 0, "a part has at least one image");
            (1, "name some images")
        }
        Splits::Shuffled { parts, .. } => {
            assert!(parts > 0, "there must be at least one part");
            (parts, "take fewer parts or more images")
        }
    };
    logits.check(needed, advice)
}

/// `softmax(logits)` and `sum_c p_c ln p_c`.
pub(crate) fn softmax(logits: &[f32]) -> (Vec<f64>, f64) {
    let highest = logits.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
    let shifted = logits.iter().map(|l| f64::from(*l) - f64::from(highest));
    let mut values: Vec<f64> = shifted.collect();
    let sum: f64 = values.iter().map(|value| value.exp()).sum();
    let log_sum = sum.ln();
    let mut entropy = 0.0;
    for value in &mut values {
        let log = *value - log_sum;
        *value = log.exp();
        entropy += *value * log;
    }
    (values, entropy)
}

/// `exp(mean KL)` from the sums of probabilities and of `p ln p`, since
/// `mean_i KL(p_i || p) = mean_i sum_c p_ic ln p_ic - sum_c p_c ln p_c`. Leaves the mean in `sums`.
pub(crate) fn score(sums: &mut [f64], entropies: f64, count: f64) -> f64 {
    let mut of_mean = 0.0;
    for sum in sums {
        *sum /= count;
        if *sum > 0.0 {
            of_mean += *sum * sum.ln();
        }
    }
    (entropies / count - of_mean).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logits(count: usize) -> Features {
        let value = |at: usize| ((at * at * 31 + at * 7) % 97) as f32 / 16.0;
        Features::from_rows(5, (0..count * 5).map(value).collect())
    }

    #[test]
    fn the_score_lies_between_one_and_the_number_of_classes() {
        let alike = Features::from_rows(3, [0.5, -1.0, 2.0].repeat(9));
        let score = inception_score(&alike, Splits::ADM).unwrap();
        assert!((score.mean() - 1.0).abs() < 1e-12);
        let score = inception_score(&logits(50), Splits::Consecutive(50)).unwrap();
        assert!(score.mean() > 1.1 && score.mean() < 5.0, "{score:?}");
    }

    #[test]
    fn a_constant_added_to_logits_changes_nothing_even_if_it_is_large() {
        let some = Features::from_rows(2, vec![1.0, 2.0, 0.5, -3.0]);
        let large = some.values().iter().map(|value| value + 1024.0).collect();
        let large = Features::from_rows(2, large);
        let score = |logits| inception_score(logits, Splits::ADM).unwrap().mean();
        assert!((score(&some) - score(&large)).abs() < 1e-12);
    }

    #[test]
    fn the_last_consecutive_part_may_be_shorter() {
        let parts = Splits::Consecutive(4).parts(10);
        assert_eq!(parts, [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]]);
    }

    #[test]
    fn shuffled_parts_hold_every_image_once() {
        let parts = Splits::Shuffled { parts: 3, seed: 1 }.parts(11);
        let sizes: Vec<usize> = parts.iter().map(Vec::len).collect();
        assert_eq!(sizes, [3, 4, 4]);
        let mut all = parts.concat();
        all.sort_unstable();
        assert_eq!(all, (0..11).collect::<Vec<_>>());
    }

    #[test]
    fn files_sorted_by_classes_have_a_low_score_under_the_consecutive_rule() {
        let rows = (0..40).flat_map(|image| (0..4).map(move |class| (image, class)));
        let sorted = rows.map(|(image, class)| if image / 10 == class { 9.0 } else { 0.0 });
        let sorted = Features::from_rows(4, sorted.collect());
        let blocks = inception_score(&sorted, Splits::Consecutive(10)).unwrap();
        let shuffled = Splits::Shuffled { parts: 4, seed: 3 };
        let shuffled = inception_score(&sorted, shuffled).unwrap();
        assert!(blocks.mean() < 1.001 && shuffled.mean() > 2.0);
    }

    #[test]
    fn errors_name_what_is_wrong() {
        let said = |logits: &Features| {
            let error = inception_score(logits, Splits::TORCH_FIDELITY);
            error.unwrap_err().to_string()
        };
        assert!(said(&logits(9)).contains("at least 10 images"));
        let broken = Features::from_rows(1, vec![f32::INFINITY; 10]);
        assert!(said(&broken).contains("image 0"));
    }
}
