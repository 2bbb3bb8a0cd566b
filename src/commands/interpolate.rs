//! `svg interpolate`: pictures between two noises.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use svg_image::{RgbImage, grid, save_png};
use svg_model::Interpolation;

use crate::commands::bundle::BundleOptions;
use crate::commands::checks::check_ending;
use crate::commands::classes::{ClassNames, class};
use crate::commands::generate::{SamplingOptions, number};
use crate::commands::outputs::Outputs;
use crate::commands::print;
use crate::commands::sample::notes;
use crate::device::DeviceOptions;

/// Make pictures of one class on the way from one noise to another
///
/// The ends are sample 0 of the class with either seed, as `svg sample` makes them. Noises are mixed as flat
/// vectors. Writes one sheet with a row for each mode.
#[derive(Args)]
#[command(after_help = "Examples:
  svg interpolate --bundle svg/ --class 207 --points 10 --seeds 233,234 --mode both --guidance 6 --out way.png")]
pub struct Interpolate {
    #[command(flatten)]
    bundle: BundleOptions,
    /// The class: a number, or a name of the bundle
    #[arg(long, value_name = "CLASS", allow_hyphen_values = true)]
    class: String,
    /// Pictures on the way, both ends included
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(2..=1000))]
    points: u16,
    /// The seeds of both ends
    #[arg(long, value_name = "A,B", default_value = "233,234", value_parser = seeds)]
    seeds: [u64; 2],
    /// The way: linear, slerp or both
    #[arg(long, value_name = "MODE", default_value = "both", value_parser = ways)]
    mode: &'static [Interpolation],
    /// The picture to write
    #[arg(long, value_name = "FILE.png")]
    out: PathBuf,
    #[command(flatten)]
    sampling: SamplingOptions,
}

fn seeds(text: &str) -> Result<[u64; 2], String> {
    let both = text.split_once(',');
    let both = both.and_then(|(a, b)| Some([a.trim().parse().ok()?, b.trim().parse().ok()?]));
    both.ok_or_else(|| format!("{text:?} are no two seeds; write them as 233,234"))
}

fn ways(text: &str) -> Result<&'static [Interpolation], String> {
    match text {
        "linear" => Ok(&[Interpolation::Linear]),
        "slerp" => Ok(&[Interpolation::Slerp]),
        "both" => Ok(&[Interpolation::Linear, Interpolation::Slerp]),
        _ => Err(format!("{text:?} is no way; write linear, slerp or both")),
    }
}

impl Interpolate {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let [from, to] = self.seeds;
        let sampling = self.sampling.sampling(from)?;
        check_ending(&self.out, "png")?;
        let bundle = self.bundle.open()?;
        let class = class(&self.class, &ClassNames::of(&bundle)?)?;
        let outputs = Outputs::default().file("--out", [&self.out]);
        self.bundle.read_by(outputs).check()?;
        let sampler = self
            .sampling
            .sampler(&bundle, self.bundle.options(), sampling, device)?;
        let [a, b] = [from, to].map(|seed| sampler.noise(seed, &[number(class, 0)]));
        let points = usize::from(self.points);
        let ways = self.mode.iter();
        let ways = ways.flat_map(|way| (0..points).map(move |point| (way, point)));
        let ways: Vec<_> = ways.collect();
        let bar = sampler.bar(ways.len());
        let mut images: Vec<RgbImage> = Vec::new();
        for some in ways.chunks(self.sampling.batch()) {
            let place = |point: &usize| *point as f64 / (points - 1) as f64;
            let mixed = some
                .iter()
                .map(|(way, point)| way.between(&a, &b, place(point)));
            let noise: Vec<f32> = mixed.flatten().collect();
            // A stochastic solver adds the same noise at each point, so that what differs is the point.
            let (labels, numbers) = (vec![class; some.len()], vec![number(class, 0); some.len()]);
            images.extend(sampler.make(&noise, &labels, &numbers, &bar)?.to_rgb());
        }
        bar.finish_and_clear();
        let modes: Vec<_> = self.mode.iter().map(Interpolation::to_string).collect();
        let way = format!("{} between seeds {from} and {to}", modes.join(" and "));
        let words = format!("class {class}, {way}, {}", sampler.words);
        save_png(&grid(&images, points, 2), &self.out, &notes(&words))?;
        let (out, modes) = (self.out.display(), modes.join(" over "));
        print(&format!("{out}: {points} points, {modes}\n"))
    }
}
