//! Precision, recall, density and coverage.

use crate::sets::blocks::{each_block, squared_distance};
use crate::{Features, FeaturesError};

/// Neighbours that are kept beyond those asked for, so that those whose distances differ by less than the rounding
/// of a product are ordered by their exact distances.
const SPARE: usize = 4;

/// Whether a point at exactly the distance of the radius lies inside a ball.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Inside if the distance is at most the radius.
    Inside,
    /// Inside if the distance is below the radius.
    Outside,
}

/// How [`prdc`] makes the balls of a set: around each point, up to its `neighbours`-th other point.
///
/// The values depend on the number of neighbours and on the sizes of both sets, so only equal rules and sizes compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balls {
    /// Which of the other points, in order of distance, gives the radius.
    pub neighbours: usize,
    /// Points on the surface.
    pub edge: Edge,
}

impl Balls {
    /// The ADM evaluator: three neighbours. It computes distances in f16 where they are finite, which moves points
    /// across surfaces and sees distances near 0 as 0; here they are exact.
    pub const ADM: Self = Self {
        neighbours: 3,
        edge: Edge::Inside,
    };
    /// torch-fidelity: as ADM, with distances in f32.
    pub const TORCH_FIDELITY: Self = Self::ADM;
    /// The `prdc` package with its usual five neighbours.
    pub const PRDC: Self = Self {
        neighbours: 5,
        edge: Edge::Outside,
    };
    /// dgm-eval: the same, on at most 10,000 images of each set, which the caller chooses.
    pub const DGM_EVAL: Self = Self::PRDC;

    fn holds(self, distance: f64, radius: f64) -> bool {
        match self.edge {
            Edge::Inside => distance <= radius,
            Edge::Outside => distance < radius,
        }
    }
}

/// Which images lie in the balls of the other set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prdc {
    /// Number of neighbours of each ball.
    pub neighbours: usize,
    /// For each sample, the number of balls of the reference that hold it.
    pub samples_held: Vec<u32>,
    /// For each image of the reference, whether a ball of the samples holds it.
    pub reference_held: Vec<bool>,
    /// For each image of the reference, whether its own ball holds a sample.
    pub reference_holds: Vec<bool>,
}

impl Prdc {
    /// Share of the samples inside the reference's balls.
    pub fn precision(&self) -> f64 {
        let held = self.samples_held.iter().filter(|balls| **balls > 0);
        held.count() as f64 / self.samples_held.len() as f64
    }

    /// Share of the reference inside the samples' balls.
    pub fn recall(&self) -> f64 {
        share(&self.reference_held)
    }

    /// Mean number of the reference's balls that hold a sample, divided by the number of neighbours.
    pub fn density(&self) -> f64 {
        let balls: f64 = self
            .samples_held
            .iter()
            .map(|balls| f64::from(*balls))
            .sum();
        balls / (self.neighbours as f64 * self.samples_held.len() as f64)
    }

    /// Share of the reference's balls that hold a sample.
    pub fn coverage(&self) -> f64 {
        share(&self.reference_holds)
    }
}

fn share(images: &[bool]) -> f64 {
    images.iter().filter(|image| **image).count() as f64 / images.len() as f64
}

/// Improved precision and recall (Kynkäänniemi et al., 2019) with density and coverage (Naeem et al., 2020).
///
/// Both sets may have any number of images; the published ImageNet values compare 50,000 samples with 10,000 reference
/// images. Distances come from products of blocks in f64. Where their rounding could decide on which side of a surface
/// a point lies, as for copies of images, the distance is computed from the differences, so the result equals a
/// comparison of all pairs in f64. It costs `4 channels (n + m)^2` operations for `n` and `m` images.
///
/// # Errors
///
/// [`FeaturesError`] if the numbers of channels differ, a set has no more images than neighbours, or a feature is not
/// finite.
///
/// # Panics
///
/// If `neighbours` is 0.
///
/// ```
/// use svg_eval::{Balls, Edge, Features, prdc};
///
/// let reference = Features::from_rows(1, vec![0.0, 1.0, 5.0]);
/// let samples = Features::from_rows(1, vec![0.4, 0.5, 20.0]);
/// let found = prdc(&reference, &samples, Balls { neighbours: 1, edge: Edge::Inside })?;
/// assert_eq!((found.precision(), found.coverage()), (2.0 / 3.0, 2.0 / 3.0));
/// # Ok::<(), svg_eval::FeaturesError>(())
/// ```
pub fn prdc(reference: &Features, samples: &Features, balls: Balls) -> Result<Prdc, FeaturesError> {
    assert!(balls.neighbours > 0, "`neighbours` must be at least 1");
    let advice = "that is one more than neighbours; take more";
    reference.check_both(samples, balls.neighbours + 1, advice)?;
    let of_reference = squared_radii(reference, balls.neighbours);
    let of_samples = squared_radii(samples, balls.neighbours);
    let slack = slack(reference.channels());
    let parts = each_block(samples, reference, |own, with_others| {
        let mut held = vec![0; own.rows.len()];
        let mut reference_held = vec![false; reference.len()];
        let mut reference_holds = vec![false; reference.len()];
        with_others(&mut |others, products| {
            let columns = products.columns().zip(&others.norms);
            for (at, (products, norm)) in others.rows.clone().zip(columns) {
                for (row, product) in products.iter().enumerate() {
                    let sample = own.rows.start + row;
                    let lengths = own.norms[row] + norm;
                    let mut distance = lengths - 2.0 * product;
                    let radii = [of_reference[at], of_samples[sample]];
                    let near = |radius: f64| (distance - radius).abs() <= slack * lengths;
                    if radii.into_iter().any(near) {
                        distance = squared_distance(samples.row(sample), reference.row(at));
                    }
                    if balls.holds(distance, radii[0]) {
                        held[row] += 1;
                        reference_holds[at] = true;
                    }
                    reference_held[at] |= balls.holds(distance, radii[1]);
                }
            }
        });
        (held, reference_held, reference_holds)
    });
    let any = |flags: &mut Vec<bool>, part: Vec<bool>| {
        flags
            .iter_mut()
            .zip(part)
            .for_each(|(all, one)| *all |= one);
    };
    let mut found = Prdc {
        neighbours: balls.neighbours,
        samples_held: Vec::with_capacity(samples.len()),
        reference_held: vec![false; reference.len()],
        reference_holds: vec![false; reference.len()],
    };
    for (held, reference_held, reference_holds) in parts {
        found.samples_held.extend(held);
        any(&mut found.reference_held, reference_held);
        any(&mut found.reference_holds, reference_holds);
    }
    Ok(found)
}

/// Bound of the rounding error of `|u|^2 + |v|^2 - 2 u.v`, relative to `|u|^2 + |v|^2`.
fn slack(channels: usize) -> f64 {
    (2 * channels + 8) as f64 * f64::EPSILON
}

/// Squared distance of each row to its `neighbours`-th other row.
fn squared_radii(features: &Features, neighbours: usize) -> Vec<f64> {
    let kept = neighbours + SPARE;
    let parts = each_block(features, features, |own, with_others| {
        // The nearest so far of each row, in ascending order.
        let mut nearest = vec![Vec::<(f64, usize)>::with_capacity(kept + 1); own.rows.len()];
        let mut furthest = vec![f64::INFINITY; own.rows.len()];
        with_others(&mut |others, products| {
            let columns = products.columns().zip(&others.norms);
            for (at, (products, norm)) in others.rows.clone().zip(columns) {
                for (row, product) in products.iter().enumerate() {
                    let distance = own.norms[row] + norm - 2.0 * product;
                    if distance >= furthest[row] || at == own.rows.start + row {
                        continue;
                    }
                    let nearest = &mut nearest[row];
                    let place = nearest.partition_point(|(other, _)| *other <= distance);
                    nearest.insert(place, (distance, at));
                    nearest.truncate(kept);
                    if nearest.len() == kept {
                        furthest[row] = nearest[kept - 1].0;
                    }
                }
            }
        });
        let exact = own.rows.clone().zip(&nearest).map(|(this, nearest)| {
            let exact =
                |(_, at): &(f64, usize)| squared_distance(features.row(this), features.row(*at));
            let mut exact: Vec<f64> = nearest.iter().map(exact).collect();
            exact.sort_by(f64::total_cmp);
            exact[neighbours - 1]
        });
        exact.collect::<Vec<_>>()
    });
    parts.concat()
}

#[cfg(test)]
mod tests {
    use svg_store::Random;

    use super::*;

    fn points(count: usize, channels: usize, seed: u64) -> Features {
        let values = Random::keyed([seed, 0, 0, 0]).gaussian(count * channels);
        Features::from_rows(channels, values)
    }

    /// All pairs in f64.
    fn oracle(reference: &Features, samples: &Features, balls: Balls) -> Prdc {
        let radii = |set: &Features| -> Vec<f64> {
            let radius = |row: usize| {
                let others = (0..set.len()).filter(|other| *other != row);
                let distances = others.map(|other| squared_distance(set.row(row), set.row(other)));
                let mut distances: Vec<f64> = distances.collect();
                distances.sort_by(f64::total_cmp);
                distances[balls.neighbours - 1]
            };
            (0..set.len()).map(radius).collect()
        };
        let (of_reference, of_samples) = (radii(reference), radii(samples));
        let distance = |r: usize, s: usize| squared_distance(reference.row(r), samples.row(s));
        let holds = |r: usize, s: usize| balls.holds(distance(r, s), of_reference[r]);
        let held = |r: usize, s: usize| balls.holds(distance(r, s), of_samples[s]);
        let (references, samples) = (0..reference.len(), 0..samples.len());
        let count = |s| references.clone().filter(|r| holds(*r, s)).count() as u32;
        Prdc {
            neighbours: balls.neighbours,
            samples_held: samples.clone().map(count).collect(),
            reference_held: references
                .clone()
                .map(|r| samples.clone().any(|s| held(r, s)))
                .collect(),
            reference_holds: references
                .clone()
                .map(|r| samples.clone().any(|s| holds(r, s)))
                .collect(),
        }
    }

    #[test]
    fn results_equal_a_comparison_of_all_pairs() {
        for balls in [Balls::ADM, Balls::PRDC] {
            let (reference, samples) = (points(530, 6, 1), points(190, 6, 2));
            let found = prdc(&reference, &samples, balls).unwrap();
            assert_eq!(found, oracle(&reference, &samples, balls));
            assert!(found.precision() > 0.2 && found.precision() < 1.0);
            assert!(found.recall() > 0.1 && found.recall() < 1.0);
        }
    }

    /// Copies have distance 0, and points of a grid many equal distances.
    #[test]
    fn copies_and_equal_distances_are_exact() {
        let grid = |count: usize, step: usize| {
            let value = |at: usize| (at * at / step % 3) as f32 + 1000.1;
            Features::from_rows(3, (0..count * 3).map(value).collect())
        };
        let (reference, samples) = (grid(60, 2), grid(41, 5));
        for edge in [Edge::Inside, Edge::Outside] {
            for neighbours in [1, 3, 8] {
                let balls = Balls { neighbours, edge };
                let found = prdc(&reference, &samples, balls).unwrap();
                assert_eq!(found, oracle(&reference, &samples, balls));
            }
        }
    }

    #[test]
    fn a_set_lies_inside_its_own_balls() {
        let set = points(40, 3, 5);
        let found = prdc(&set, &set, Balls::ADM).unwrap();
        assert_eq!(
            (found.precision(), found.recall(), found.coverage()),
            (1.0, 1.0, 1.0)
        );
    }

    #[test]
    fn the_order_of_images_changes_no_share() {
        let (reference, samples) = (points(600, 4, 1), points(70, 4, 2));
        let backwards = |set: &Features| set.select(&(0..set.len()).rev().collect::<Vec<_>>());
        let one = prdc(&reference, &samples, Balls::PRDC).unwrap();
        let other = prdc(&backwards(&reference), &backwards(&samples), Balls::PRDC).unwrap();
        assert_eq!(one.density(), other.density());
        assert_eq!(
            (one.precision(), one.recall()),
            (other.precision(), other.recall())
        );
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let (reference, samples) = (points(1100, 4, 1), points(700, 4, 2));
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let pool = pool.build().unwrap();
            pool.install(|| prdc(&reference, &samples, Balls::ADM).unwrap())
        };
        assert_eq!(with(1), with(3));
    }

    #[test]
    fn errors_name_what_is_wrong() {
        let said = |one: &Features, other: &Features| {
            prdc(one, other, Balls::ADM).unwrap_err().to_string()
        };
        assert!(said(&points(9, 2, 1), &points(3, 2, 1)).contains("at least 4 images"));
        assert!(said(&points(9, 2, 1), &points(9, 3, 1)).contains("of 2 and of 3"));
        let broken = Features::from_rows(2, vec![f32::NAN; 8]);
        assert!(said(&points(9, 2, 1), &broken).contains("image 0"));
    }
}
