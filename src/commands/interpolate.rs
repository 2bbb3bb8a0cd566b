//! `svg interpolate`: pictures between two noises.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use clap::Args;
use svg_image::{RgbImage, grid, save_png};
use svg_model::{Interpolation, gaussian};

use crate::commands::bundle::BundleOptions;
use crate::commands::checks::check_output;
use crate::commands::classes::{ClassNames, class};
use crate::commands::generate::{SamplingOptions, number};
use crate::commands::print;
use crate::commands::sample::notes;
use crate::device::DeviceOptions;

/// Make pictures of one class on the way from one noise to another
///
/// The ends are sample 0 of the class with either seed, as `svg sample` makes them. Noises are mixed as flat
/// vectors. Writes one sheet with a row for each mode.
#[derive(Args)]
#[command(after_help = "\
Examples:
  svg interpolate --bundle svg/ --class 207 --points 10 --seeds 233,234 --mode both --guidance 6 --out way.png")]
pub struct Interpolate {
    #[command(flatten)]
    bundle: BundleOptions,
    /// The class: a number, or a name of the bundle
    #[arg(long, value_name = "CLASS", allow_hyphen_values = true)]
    class: String,
    /// Pictures on the way, both ends included
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(2..))]
    points: u16,
    /// The seeds of both ends
    #[arg(long, value_name = "A,B", default_value = "233,234")]
    seeds: Seeds,
    /// The way: linear, slerp or both
    #[arg(long, value_name = "MODE", default_value = "both")]
    mode: Mode,
    /// The picture to write
    #[arg(long, value_name = "FILE.png")]
    out: PathBuf,
    #[command(flatten)]
    sampling: SamplingOptions,
}

#[derive(Clone, Copy, Debug)]
struct Seeds([u64; 2]);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seeds = text
            .split_once(',')
            .and_then(|(a, b)| Some([a.trim().parse().ok()?, b.trim().parse().ok()?]));
        let seeds =
            seeds.ok_or_else(|| format!("{text:?} are no two seeds; write them as 233,234"))?;
        Ok(Self(seeds))
    }
}

#[derive(Clone, Debug)]
struct Mode(Vec<Interpolation>);

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "both" => Ok(Self(vec![Interpolation::Linear, Interpolation::Slerp])),
            _ => match text.parse() {
                Ok(way) => Ok(Self(vec![way])),
                Err(_) => Err(format!("{text:?} is no way; write linear, slerp or both")),
            },
        }
    }
}

impl Interpolate {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let Seeds([from, to]) = self.seeds;
        let sampling = self.sampling.sampling(from)?;
        if self.out.extension().is_none_or(|ending| ending != "png") {
            bail!("--out {}: name a .png file", self.out.display());
        }
        let bundle = self.bundle.open()?;
        let class = class(&self.class, &ClassNames::of(&bundle)?)?;
        check_output(&self.out, "--out")?;
        let sampler = self.sampling.sampler(&self.bundle, sampling, device)?;
        let [a, b] = [from, to].map(|seed| gaussian(seed, 0, number(class, 0), sampler.len()));
        let points = usize::from(self.points);
        let ways: Vec<_> = self
            .mode
            .0
            .iter()
            .flat_map(|way| (0..points).map(move |point| (way, point)))
            .collect();
        let bar = sampler.bar(ways.len());
        let mut images: Vec<RgbImage> = Vec::new();
        for some in ways.chunks(self.sampling.batch()) {
            let mixed = some
                .iter()
                .flat_map(|(way, point)| way.between(&a, &b, *point as f64 / (points - 1) as f64));
            let noise: Vec<f32> = mixed.collect();
            // A stochastic solver adds the same noise at each point, so that what differs is the point.
            let (labels, numbers) = (vec![class; some.len()], vec![number(class, 0); some.len()]);
            images.extend(sampler.make(&noise, &labels, &numbers, &bar)?.images);
        }
        bar.finish_and_clear();
        let modes = self.mode.0.iter().map(Interpolation::to_string);
        let modes: Vec<_> = modes.collect();
        let words = format!(
            "class {class}, {} between seeds {from} and {to}, {}",
            modes.join(" and "),
            sampler.words
        );
        save_png(&grid(&images, points, 2), &self.out, &notes(&words))
            .with_context(|| format!("--out {}", self.out.display()))?;
        print(&format!(
            "{}: {points} points, {}\n",
            self.out.display(),
            modes.join(" over ")
        ))
    }
}
