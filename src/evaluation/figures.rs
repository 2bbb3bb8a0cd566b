//! The figures that a protocol asks for.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use svg_eval::{
    Balls, Features, Interval, KidConfig, Moments, Prdc, Splits, bootstrap_mean, frechet_distance,
    frechet_error, inception_score, inception_score_interval, kid, mind, prdc, random_directions,
};
use svg_store::Random;

use crate::evaluation::protocol::Protocol;
use crate::evaluation::request::Request;
use crate::evaluation::side::Side;
use crate::progress::status;

/// A figure, and between which numbers it would probably lie if other images were drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// Name, such as `FID`.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// Lower end of the interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// How the interval was had, or why there is none.
    pub method: String,
}

impl Figure {
    /// A figure without an interval.
    pub fn exact(name: &str, value: f64) -> Self {
        Self {
            name: name.to_string(),
            value,
            low: None,
            high: None,
            method: String::new(),
        }
    }

    /// A figure with its standard error.
    pub fn with_error(name: &str, value: f64, error: f64, level: f64, method: &str) -> Self {
        let reach = quantile(level) * error;
        Self {
            low: Some(value - reach),
            high: Some(value + reach),
            method: method.to_string(),
            ..Self::exact(name, value)
        }
    }

    /// The mean of one number for each image.
    pub fn mean(name: &str, values: &[f64], request: &Request) -> Result<Self> {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let interval = bootstrap_mean(values, request.resampling())?;
        Ok(Self::exact(name, mean).within(interval, "bootstrap"))
    }

    /// The share of images that something holds of, with Wilson's interval, which is none of a point at 0 and 1.
    fn share(name: &str, holds: &[bool], level: f64) -> Self {
        let (z, n) = (quantile(level), holds.len() as f64);
        let share = holds.iter().filter(|holds| **holds).count() as f64 / n;
        let middle = share + z * z / (2.0 * n);
        let reach = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
        let whole = 1.0 + z * z / n;
        Self {
            low: Some(((middle - reach) / whole).max(0.0)),
            high: Some(((middle + reach) / whole).min(1.0)),
            method: "Wilson".to_string(),
            ..Self::exact(name, share)
        }
    }

    fn within(self, interval: Interval, method: &str) -> Self {
        Self {
            low: Some(interval.low),
            high: Some(interval.high),
            method: method.to_string(),
            ..self
        }
    }

    fn without_interval(self, why: &str) -> Self {
        Self {
            method: why.to_string(),
            ..self
        }
    }

    /// Why it cannot be one of these.
    pub fn problem(&self) -> Option<String> {
        let numbers = [Some(self.value), self.low, self.high];
        let broken = numbers
            .into_iter()
            .flatten()
            .any(|number| !number.is_finite());
        broken.then(|| format!("{} is {}, which is no number", self.name, self.value))
    }
}

/// All figures of a protocol for two sides.
pub fn figures(
    protocol: &Protocol,
    samples: &Side,
    reference: &Side,
    request: &Request,
) -> Result<Vec<Figure>> {
    let pair = [
        Known::of(&samples.moments, &samples.features),
        Known::of(&reference.moments, &reference.features),
    ];
    let mut all = vec![distance(protocol.distance(), pair, request.level)?];
    if protocol.spatial {
        let both = (&samples.spatial_moments, &reference.spatial_moments);
        match both {
            (Some(ours), Some(theirs)) => {
                let pair = [
                    Known::of(ours, &samples.spatial),
                    Known::of(theirs, &reference.spatial),
                ];
                all.push(distance("sFID", pair, request.level)?);
            }
            _ => status!("note: no sFID: the reference has no statistics of spatial features"),
        }
    }
    if let (Some(splits), Some(logits)) = (protocol.inception_score, &samples.logits) {
        all.push(score(logits, splits, request)?);
    }
    let both = (&samples.features, &reference.features);
    let (Some(samples), Some(reference)) = both else {
        if protocol.manifold.is_some() || protocol.kernel {
            status!(
                "note: one side is statistics alone, so figures that compare single images are left out"
            );
        }
        return Ok(all);
    };
    let mut found: Option<(Balls, Prdc)> = None;
    let mut held_by = |balls: Balls| -> Result<Prdc> {
        // Both pairs of figures may have the same balls, which cost more than all else.
        let known = found.as_ref().filter(|(known, _)| *known == balls);
        let of_balls = match known {
            Some((_, of_balls)) => of_balls.clone(),
            None => prdc(reference, samples, balls)?,
        };
        found = Some((balls, of_balls.clone()));
        Ok(of_balls)
    };
    if let Some(balls) = protocol.manifold {
        let found = held_by(balls)?;
        let held: Vec<bool> = found.samples_held.iter().map(|&held| held > 0).collect();
        all.push(Figure::share("precision", &held, request.level));
        all.push(Figure::share(
            "recall",
            &found.reference_held,
            request.level,
        ));
    }
    if let Some(balls) = protocol.density {
        let found = held_by(balls)?;
        let held = found.samples_held.iter().map(|&held| f64::from(held));
        let held: Vec<f64> = held.map(|held| held / balls.neighbours as f64).collect();
        all.push(Figure::mean("density", &held, request)?);
        all.push(Figure::share(
            "coverage",
            &found.reference_holds,
            request.level,
        ));
    }
    if protocol.kernel {
        all.extend(kernel(protocol, samples, reference, request.level)?);
    }
    if protocol.own {
        all.push(sliced(samples, reference, request)?);
    }
    Ok(all)
}

/// Moments of one side, and features of all of its images or of some, where they are known.
#[derive(Clone, Copy)]
struct Known<'a> {
    moments: &'a Moments,
    features: Option<&'a Features>,
    /// The share of the images whose features are known.
    share: f64,
}

impl<'a> Known<'a> {
    fn of(moments: &'a Moments, features: &'a Option<Features>) -> Self {
        // Of published statistics nobody knows how many images they are of.
        let features = features.as_ref().filter(|_| moments.count().is_some());
        let known = features.map_or(0, Features::len) as f64;
        Self {
            moments,
            features,
            share: known / moments.count().unwrap_or(1).max(1) as f64,
        }
    }

    /// Whether the images are known to be too few for a covariance of full rank.
    fn is_few(&self) -> bool {
        self.moments.count().is_some() && !self.moments.is_enough()
    }
}

/// The Fréchet distance. Its interval says what other images of the same number would give: not that so few images make
/// it too large, of which a warning tells.
fn distance(name: &str, sides: [Known; 2], level: f64) -> Result<Figure> {
    let [ours, theirs] = sides;
    let value = frechet_distance(ours.moments, theirs.moments)?;
    let few = sides.into_iter().find(Known::is_few);
    if let Some(Known { moments, .. }) = few {
        let (count, channels) = (moments.count().unwrap_or_default(), moments.channels());
        status!(
            "warning: one side has {count} images for features of {channels} channels, so its covariance is not of full \
             rank and {name} is far too large; take many times as many images as channels"
        );
    }
    let mut squared = 0.0;
    for (side, other) in [(ours, theirs), (theirs, ours)] {
        let Some(features) = side.features else {
            continue;
        };
        let error = match few {
            Some(_) => {
                let without = |rows: &Features| frechet_distance(&rows.moments(), other.moments);
                jackknife(features, |rows| Ok(without(rows)?))?
            }
            None => frechet_error(features, side.moments, other.moments)?,
        };
        // An error of so many images is smaller for all of them.
        squared += error.powi(2) * side.share;
    }
    let method = match few {
        Some(_) => "jackknife of 10 groups; too few images",
        None => "influence of each image",
    };
    Ok(match squared > 0.0 {
        true => Figure::with_error(name, value, squared.sqrt(), level, method),
        false => Figure::exact(name, value).without_interval("statistics alone"),
    })
}

/// Standard error of a figure of some images, from what it is without each tenth of them.
fn jackknife(features: &Features, figure: impl Fn(&Features) -> Result<f64>) -> Result<f64> {
    const GROUPS: usize = 10;
    let groups = GROUPS.min(features.len());
    if features.len() - features.len().div_ceil(groups) < 2 {
        return Ok(0.0);
    }
    // Images come in turns of their classes or sorted by them, and a group is no class.
    let mut order: Vec<usize> = (0..features.len()).collect();
    Random::keyed([GROUPS as u64, features.len() as u64, 0, 0]).shuffle(&mut order);
    let without = |group: usize| {
        let kept = order
            .iter()
            .enumerate()
            .filter(|(place, _)| place % groups != group);
        let mut rows: Vec<usize> = kept.map(|(_, row)| *row).collect();
        rows.sort_unstable();
        figure(&features.select(&rows))
    };
    let figures: Vec<f64> = (0..groups).map(without).collect::<Result<_>>()?;
    let n = groups as f64;
    let mean = figures.iter().sum::<f64>() / n;
    let squares: f64 = figures.iter().map(|value| (value - mean).powi(2)).sum();
    Ok((squares * (n - 1.0) / n).sqrt())
}

fn score(logits: &Features, splits: Splits, request: &Request) -> Result<Figure> {
    let figure = Figure::exact("IS", inception_score(logits, splits)?.mean());
    let interval = inception_score_interval(logits, splits, request.resampling())?;
    Ok(figure.within(interval, "bootstrap within each part"))
}

/// Kernel distance over 100 pairs of subsets of 1,000. This project's own takes subsets of half the images where there
/// are fewer; other tools then refuse, and so the figure is left out.
fn kernel(
    protocol: &Protocol,
    samples: &Features,
    reference: &Features,
    level: f64,
) -> Result<Option<Figure>> {
    let (name, usual) = (protocol.kernel_distance(), KidConfig::default());
    let fewest = samples.len().min(reference.len());
    let size = match protocol.own {
        true => usual.subset_size.min(fewest / 2),
        false => usual.subset_size,
    };
    if fewest < size || size < 2 {
        status!(
            "note: no {name}: it needs {} images on each side, and one has {fewest}",
            size.max(4)
        );
        return Ok(None);
    }
    let config = KidConfig {
        subset_size: size,
        ..usual
    };
    let found = kid(samples, reference, config)?;
    // Subsets overlap: so many images know as much as this many subsets that do not.
    let apart = (fewest as f64 / size as f64).max(1.0);
    let error = found.deviation() / apart.sqrt();
    let method = format!("spread of subsets of {size}");
    Ok(Some(Figure::with_error(
        name,
        found.mean(),
        error,
        level,
        &method,
    )))
}

/// MIND over 1,000 directions, which fewer images than channels leave meaningful.
fn sliced(samples: &Features, reference: &Features, request: &Request) -> Result<Figure> {
    const DIRECTIONS: usize = 1000;
    const FEW: usize = 100;
    let directions = random_directions(DIRECTIONS, samples.channels(), request.seed);
    let value = mind(samples, reference, &directions)?;
    // Fewer directions tell how far other images would lead.
    let few = random_directions(FEW, samples.channels(), request.seed);
    let ours = jackknife(samples, |rows| Ok(mind(rows, reference, &few)?))?;
    let theirs = jackknife(reference, |rows| Ok(mind(samples, rows, &few)?))?;
    let error = ours.hypot(theirs);
    let method = "jackknife of 10 groups";
    Ok(Figure::with_error(
        "MIND",
        value,
        error,
        request.level,
        method,
    ))
}

/// How many standard errors an interval of this level reaches to each side, for a normal distribution.
fn quantile(level: f64) -> f64 {
    // Bisection of the distribution: exact enough, and no table.
    let (mut low, mut high) = (0.0, 10.0);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        match libm::erf(middle / std::f64::consts::SQRT_2) < level {
            true => low = middle,
            false => high = middle,
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::request::tests::request;

    #[test]
    fn quantiles_are_those_of_the_normal_distribution() {
        for (level, expected) in [(0.95, 1.959964), (0.99, 2.575829), (0.6827, 1.000022)] {
            assert!((quantile(level) - expected).abs() < 1e-5, "{level}");
        }
    }

    #[test]
    fn the_jackknife_of_a_mean_is_its_standard_error_whatever_the_order_of_classes() {
        // Ten classes in turns, far apart: groups of every tenth image would each be a class.
        let value = |at: usize| 100.0 * (at % 10) as f32 + (at * 7919 % 13) as f32;
        let features = Features::from_rows(1, (0..400).map(value).collect());
        let mean = |rows: &Features| {
            let sum: f64 = rows.values().iter().map(|value| f64::from(*value)).sum();
            Ok(sum / rows.len() as f64)
        };
        let found = jackknife(&features, mean).unwrap();
        let whole = mean(&features).unwrap();
        let squares = features
            .values()
            .iter()
            .map(|value| (f64::from(*value) - whole).powi(2));
        let expected = (squares.sum::<f64>() / 399.0 / 400.0).sqrt();
        // Ten groups know it to a quarter.
        assert!(
            (found / expected - 1.0).abs() < 0.6,
            "{found} and {expected}"
        );
    }

    #[test]
    fn an_interval_of_a_share_stays_within_0_and_1_and_is_no_point() {
        let share = Figure::share("precision", &[true; 50], 0.95);
        // Wilson's lower end for 50 of 50 is n / (n + z^2).
        assert!(
            (share.low.unwrap() - 50.0 / 53.841459).abs() < 1e-6,
            "{share:?}"
        );
        assert_eq!((share.value, share.high), (1.0, Some(1.0)));
        let half: Vec<bool> = (0..100).map(|at| at % 2 == 0).collect();
        let half = Figure::share("precision", &half, 0.95);
        assert!((half.low.unwrap() - 0.403832).abs() < 1e-5, "{half:?}");
        assert!((half.high.unwrap() - 0.596168).abs() < 1e-5, "{half:?}");
    }

    #[test]
    fn an_interval_of_a_mean_surrounds_it() {
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        let figure = Figure::mean("PSNR", &values, &request()).unwrap();
        // The standard error is 2.9.
        let (low, high) = (figure.low.unwrap(), figure.high.unwrap());
        assert!(
            (43.0..45.5).contains(&low) && (53.5..56.0).contains(&high),
            "{figure:?}"
        );
        assert_eq!(figure.value, 49.5);
    }

    #[test]
    fn a_figure_that_is_no_number_is_a_problem() {
        assert_eq!(Figure::exact("FID", 2.0).problem(), None);
        assert!(Figure::exact("FID", f64::NAN).problem().is_some());
        let figure = Figure::with_error("FID", 2.0, f64::INFINITY, 0.95, "");
        assert!(figure.problem().is_some());
    }
}
