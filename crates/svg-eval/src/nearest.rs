//! Classification by nearest neighbours.

use burn::prelude::*;

use crate::highest::highest;

/// Maximum number of similarities on the host at once.
const AT_ONCE: usize = 1 << 22;

/// Weighted nearest-neighbour classifier (Wu et al., 2018, arXiv 1805.01978; used by DINO, arXiv 2104.14294):
/// each of the most similar known features votes for its class with the weight
/// `exp(cosine similarity / temperature)`.
///
/// Nothing is trained, so the accuracy measures the features alone.
///
/// ```
/// use burn::prelude::*;
/// use svg_eval::NearestNeighbours;
///
/// let device = Device::default();
/// let known = Tensor::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
/// let asked = Tensor::from_floats([[5.0, 1.0], [-1.0, 2.0]], &device);
/// let said = NearestNeighbours::default().classify(known, &[0, 1], asked);
/// assert_eq!(said, [0, 1]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NearestNeighbours {
    /// Number of neighbours that vote; all if fewer are known. Default: 20.
    pub neighbours: usize,
    /// Temperature; lower values give more weight to the nearest neighbours. Default: 0.07.
    pub temperature: f64,
}

impl Default for NearestNeighbours {
    fn default() -> Self {
        Self {
            neighbours: 20,
            temperature: 0.07,
        }
    }
}

impl NearestNeighbours {
    /// Predicts the class of each feature in `asked`.
    ///
    /// Ties between neighbours go to the first one, ties between classes to the lowest. A feature of zeros has
    /// the similarity 0 to all others.
    ///
    /// # Shapes
    ///
    /// - known: `[n, channels]`, with `n` labels
    /// - asked: `[m, channels]`
    /// - output: `m` labels
    ///
    /// # Panics
    ///
    /// If `known` is empty, the number of labels or of channels differs, `neighbours` is 0, or the temperature is
    /// not positive.
    pub fn classify(&self, known: Tensor<2>, labels: &[usize], asked: Tensor<2>) -> Vec<usize> {
        let [count, _] = known.dims();
        self.classify_in(known, labels, asked, (AT_ONCE / count.max(1)).max(1))
    }

    /// [`classify`](Self::classify) with chunks of `chunk` features.
    fn classify_in(
        &self,
        known: Tensor<2>,
        labels: &[usize],
        asked: Tensor<2>,
        chunk: usize,
    ) -> Vec<usize> {
        let ([count, channels], given) = (known.dims(), labels.len());
        assert!(count > 0, "`known` must have at least one feature");
        assert!(count == given, "{given} labels for {count} features");
        assert_shape!(asked, [_, channels]);
        assert!(self.neighbours > 0, "`neighbours` must be at least 1");
        let temperature = self.temperature;
        assert!(
            temperature > 0.0,
            "the temperature {temperature} is not positive"
        );
        if asked.dims()[0] == 0 {
            return Vec::new();
        }
        let known = unit(known).transpose();
        let chunks = asked.split(chunk, 0).into_iter();
        chunks
            .flat_map(|asked| {
                let similarities = svg_nn::matmul(unit(asked), known.clone()).into_data(); // [chunk, n]
                let rows = similarities.iter::<f32>().collect::<Vec<_>>();
                rows.chunks_exact(count)
                    .map(|row| self.vote(row, labels))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// Class of one feature by the votes of its neighbours, given its similarities to all known features.
    fn vote(&self, similarities: &[f32], labels: &[usize]) -> usize {
        let mut nearest: Vec<usize> = (0..similarities.len()).collect();
        let closer = |a: &usize, b: &usize| {
            let by_similarity = similarities[*b].total_cmp(&similarities[*a]);
            by_similarity.then(a.cmp(b))
        };
        if self.neighbours < nearest.len() {
            nearest.select_nth_unstable_by(self.neighbours - 1, closer);
            nearest.truncate(self.neighbours);
        }
        nearest.sort_unstable_by(closer);
        // Only ratios matter; relative to the best, votes at a low temperature do not all underflow.
        let best = f64::from(similarities[nearest[0]]);
        let classes = nearest.iter().map(|&at| labels[at] + 1).max();
        let mut votes = vec![0.0; classes.unwrap_or(0)];
        for &at in &nearest {
            votes[labels[at]] += ((f64::from(similarities[at]) - best) / self.temperature).exp();
        }
        highest(&votes)
    }
}

/// `x / |x|`
fn unit(features: Tensor<2>) -> Tensor<2> {
    let lengths = features.clone().square().sum_dim(1).sqrt();
    features / lengths.clamp_min(1e-12)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, TensorData};

    use super::*;

    /// Unit vectors of the plane at these angles in degrees.
    fn at(degrees: &[f32]) -> Tensor<2> {
        let points = degrees.iter().flat_map(|degree| {
            let (sin, cos) = degree.to_radians().sin_cos();
            [cos, sin]
        });
        let data = TensorData::new(points.collect::<Vec<f32>>(), [degrees.len(), 2]);
        Tensor::from_data(data, &Device::default())
    }

    fn nearest(neighbours: usize, temperature: f64) -> NearestNeighbours {
        NearestNeighbours {
            neighbours,
            temperature,
        }
    }

    #[test]
    fn neighbours_are_compared_by_angle_and_not_by_length() {
        let known = at(&[0.0, 40.0, 90.0]);
        let said = nearest(1, 0.07).classify(known, &[2, 0, 1], at(&[15.0, 30.0, 80.0]) * 7.0);
        assert_eq!(said, [2, 0, 1]);
    }

    /// The votes are `exp(1 / T)` for class 0 and `2 exp(cos 60 / T)` for class 1, equal at `T = 1 / (2 ln 2)`.
    #[test]
    fn the_temperature_weights_near_against_distant_neighbours() {
        let (known, labels) = (at(&[0.0, 60.0, -60.0]), [0, 1, 1]);
        let equal = 0.5 / 2f64.ln();
        for (temperature, class) in [(0.99 * equal, 0), (1.01 * equal, 1), (1e-9, 0), (1e9, 1)] {
            let said = nearest(3, temperature).classify(known.clone(), &labels, at(&[0.0]));
            assert_eq!(said, [class], "at {temperature}");
        }
    }

    #[test]
    fn the_number_of_votes_is_limited() {
        let (known, labels) = (at(&[0.0, 20.0, 30.0]), [1, 0, 0]);
        let said = |count| nearest(count, 10.0).classify(known.clone(), &labels, at(&[1.0]));
        assert_eq!([said(1), said(3), said(50)], [[1], [0], [0]]);
    }

    #[test]
    fn ties_go_to_the_first_neighbour_and_the_lowest_class() {
        let known = Tensor::from_floats([[1.0, 0.0], [0.0, 1.0]], &Device::default());
        let asked = Tensor::from_floats([[1.0, 1.0], [0.0, 0.0]], &Device::default());
        let said = |count, labels: &[usize]| {
            nearest(count, 0.07).classify(known.clone(), labels, asked.clone())
        };
        assert_eq!(said(2, &[3, 1]), [1, 1]);
        assert_eq!(said(1, &[3, 1]), [3, 3]);
    }

    #[test]
    fn predictions_do_not_depend_on_the_chunk_size() {
        let random = |count| {
            let all = Distribution::Normal(0.0, 1.0);
            Tensor::<2>::random([count, 8], all, &Device::default())
        };
        let (known, asked) = (random(60), random(25));
        let labels: Vec<usize> = (0..60).map(|index| index % 4).collect();
        let probe = NearestNeighbours::default();
        let whole = probe.classify(known.clone(), &labels, asked.clone());
        for chunk in [1, 7, 25] {
            let parts = probe.classify_in(known.clone(), &labels, asked.clone(), chunk);
            assert_eq!(parts, whole);
        }
        assert!(
            probe
                .classify(known, &labels, Tensor::empty([0, 8], &Device::default()))
                .is_empty()
        );
    }

    #[test]
    #[should_panic(expected = "1 labels for 2 features")]
    fn a_feature_without_a_label_panics() {
        NearestNeighbours::default().classify(at(&[0.0, 1.0]), &[0], at(&[0.0]));
    }
}
