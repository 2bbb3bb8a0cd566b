//! The figures that a protocol asks for.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use svg_eval::{
    Features, Interval, KidConfig, Moments, Splits, bootstrap_mean, frechet_distance,
    frechet_error, inception_score, inception_score_interval, kid, prdc,
};

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
    let mut all = vec![distance(
        protocol.distance(),
        samples,
        reference,
        request.level,
    )?];
    if protocol.spatial {
        match (&samples.spatial, &reference.spatial) {
            (Some(samples), Some(reference)) => {
                let value = frechet_distance(samples, reference)?;
                let why = "no interval: its features are not kept for each image";
                all.push(Figure::exact("sFID", value).without_interval(why));
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
    let mean_of = |name: &str, held: &[bool]| {
        let held: Vec<f64> = held.iter().map(|&held| f64::from(u8::from(held))).collect();
        Figure::mean(name, &held, request)
    };
    if let Some(balls) = protocol.manifold {
        let found = prdc(reference, samples, balls)?;
        let held: Vec<bool> = found.samples_held.iter().map(|&held| held > 0).collect();
        all.push(mean_of("precision", &held)?);
        all.push(mean_of("recall", &found.reference_held)?);
    }
    if let Some(balls) = protocol.density {
        let found = prdc(reference, samples, balls)?;
        let held = found.samples_held.iter().map(|&held| f64::from(held));
        let held: Vec<f64> = held.map(|held| held / balls.neighbours as f64).collect();
        all.push(Figure::mean("density", &held, request)?);
        all.push(mean_of("coverage", &found.reference_holds)?);
    }
    if protocol.kernel {
        all.push(kernel(
            protocol.kernel_distance(),
            samples,
            reference,
            request.level,
        )?);
    }
    Ok(all)
}

/// The Fréchet distance. Its interval says what other images of the same number would give: not that so few images make
/// it too large, of which a warning tells.
fn distance(name: &str, samples: &Side, reference: &Side, level: f64) -> Result<Figure> {
    let (ours, theirs) = (&samples.moments, &reference.moments);
    let figure = Figure::exact(name, frechet_distance(ours, theirs)?);
    let few = [ours, theirs].into_iter().find(|side| is_few(side));
    if let Some(few) = few {
        let (count, channels) = (few.count().unwrap_or_default(), few.channels());
        status!(
            "warning: one side has {count} images for features of {channels} channels, so its covariance is not of full \
             rank and {name} is far too large; take many times as many images as channels"
        );
        return Ok(figure.without_interval("fewer images than channels: compares with nothing"));
    }
    let Some(features) = &samples.features else {
        return Ok(figure.without_interval("statistics alone"));
    };
    let mut squared = frechet_error(features, ours, theirs)?.powi(2);
    if let Some(features) = &reference.features {
        squared += frechet_error(features, theirs, ours)?.powi(2);
    }
    let method = "influence of each image";
    Ok(Figure::with_error(
        name,
        figure.value,
        squared.sqrt(),
        level,
        method,
    ))
}

/// Whether the images are known to be too few for a covariance of full rank.
fn is_few(moments: &Moments) -> bool {
    moments.count().is_some() && !moments.is_enough()
}

fn score(logits: &Features, splits: Splits, request: &Request) -> Result<Figure> {
    let figure = Figure::exact("IS", inception_score(logits, splits)?.mean());
    let interval = inception_score_interval(logits, splits, request.resampling())?;
    Ok(figure.within(interval, "bootstrap within each part"))
}

/// Kernel distance over 100 pairs of subsets of 1,000, or of all images where there are fewer.
fn kernel(name: &str, samples: &Features, reference: &Features, level: f64) -> Result<Figure> {
    let usual = KidConfig::default();
    let fewest = samples.len().min(reference.len());
    ensure!(fewest >= 2, "{name} needs at least two images on each side");
    let config = KidConfig {
        subset_size: usual.subset_size.min(fewest),
        ..usual
    };
    let found = kid(samples, reference, config)?;
    let figure = Figure::exact(name, found.mean());
    if config.subset_size < usual.subset_size {
        status!(
            "note: {name} of subsets of {} images, for there are no {}",
            config.subset_size,
            usual.subset_size
        );
        return Ok(figure.without_interval("subsets of all images"));
    }
    // Subsets overlap; what so many images can say twice as many say by root two better.
    let pairs = (fewest as f64 / config.subset_size as f64).max(1.0);
    let error = found.deviation() / pairs.sqrt();
    Ok(Figure::with_error(
        name,
        found.mean(),
        error,
        level,
        "spread of the subsets",
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
