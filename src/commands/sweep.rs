//! `svg sweep`: figures over a grid of settings.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use svg_store::{sha256, write_bytes};

use crate::commands::evaluate::options::{GridOptions, JudgingOptions};
use crate::commands::evaluate::table::grid;
use crate::commands::outputs::{Outputs, hold_folder};
use crate::commands::print;
use crate::device::DeviceOptions;
use crate::evaluation::card::{Card, OfSamples};
use crate::evaluation::page;
use crate::evaluation::parts::{PARTS, remove_parts};
use crate::evaluation::request::{Point, Request, Samples};
use crate::evaluation::run::Session;
use crate::progress::status;

/// Steps where none are said.
const STEPS: [usize; 5] = [1, 2, 5, 10, 25];

/// Measure samples over a grid of settings: guidance, shift, steps, solvers, models
///
/// Every combination of the lists is a set of samples, judged as by `svg evaluate`. Several models, such as averages of
/// different decay, are one more axis. The folder receives a card and lines of sweep.csv for each combination as soon
/// as it is done, and at the end a page with the curves; the same command goes on where it was ended.
#[derive(Args)]
#[command(after_help = "Examples:
  svg sweep --bundle demo/bundle --reference demo/data/train --guidance 1,1.5,2,4 --steps 5,25 --out sweep/
  svg sweep --bundle ema/ last/ --reference imagenet.npz --protocol svg \\
      --inception pt_inception-2015-12-05-6726825d.pth --count 10000 --shift 0.15,0.3,1 --out sweep/")]
pub struct Sweep {
    /// The models
    #[arg(long, num_args = 1.., required = true, value_name = "FOLDER")]
    bundle: Vec<PathBuf>,
    #[command(flatten)]
    judging: JudgingOptions,
    #[command(flatten)]
    grid: GridOptions,
    /// The folder for cards, table and page
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

impl Sweep {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        ensure!(
            !self.judging.reference.is_empty(),
            "name what to compare with by --reference: pictures, published statistics (.npz), or features of \
             `svg evaluate --save-reference`"
        );
        let outputs = Outputs::default().folder("--out", [&self.out]);
        let outputs = outputs.bundle("--bundle", &self.bundle);
        self.judging.read_by(outputs).check()?;
        let points = self.grid.points(&self.bundle, &STEPS)?;
        let samples = self
            .grid
            .samples(points.clone(), &self.judging.protocol, device.dtype());
        let whole = self.judging.request(samples, self.grid.seed);
        let _lock = hold_folder(&self.out, "--out")?;
        let parts = self.out.join(PARTS);

        let mut cards: Vec<Option<Card>> = Vec::new();
        for point in &points {
            let path = self.out.join(file(point));
            let found = path.is_file().then(|| Card::read(&path)).transpose()?;
            cards.push(found.filter(|card| card.request == one(&whole, point)));
        }
        let there = cards.iter().flatten().count();
        if there > 0 {
            status!("there already: {there} of {} sets of samples", points.len());
        }
        if there < points.len() {
            let machine = self.judging.machine(device, Some(parts.clone()))?;
            let session = Session::open(&machine, &whole)?;
            for (number, point) in points.iter().enumerate() {
                if cards[number].is_some() {
                    continue;
                }
                status!("{} of {}: {point}", number + 1, points.len());
                let request = one(&whole, point);
                let mut card = session.card(&request)?;
                let judged = session.samples(&request.samples, point)?;
                card.results.push(judged.figures);
                card.write(&self.out.join(file(point)))?;
                cards[number] = Some(card);
                let done = points.iter().zip(&cards);
                let done = done.filter_map(|(point, card)| Some((point, card.as_ref()?)));
                write_bytes(self.out.join("sweep.csv"), csv(done)?)?;
            }
        }
        let cards: Vec<Card> = cards.into_iter().flatten().collect();
        let results: Vec<OfSamples> = cards.iter().flat_map(|card| card.results.clone()).collect();
        print(&grid(&points, &results))?;
        let Some(first) = cards.into_iter().next() else {
            return Ok(());
        };
        let all = Card {
            request: whole,
            results,
            ..first
        };
        let page_path = self.out.join("report.html");
        page::write(&all, None, &page_path)?;
        remove_parts(&parts);
        status!("{} shows the curves", page_path.display());
        Ok(())
    }
}

/// The request of one combination.
fn one(whole: &Request, point: &Point) -> Request {
    let mut request = whole.clone();
    if let Samples::Model { points, .. } = &mut request.samples {
        *points = vec![point.clone()];
    }
    request
}

/// The name of the card of a combination.
fn file(point: &Point) -> String {
    let bundle = sha256(point.bundle.display().to_string());
    let words = format!("{point} {}", &bundle[..6]);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.';
    let words: Vec<&str> = words
        .split(|c: char| !plain(c))
        .filter(|word| !word.is_empty())
        .collect();
    format!("card-{}.json", words.join("-"))
}

/// A line for each combination and figure.
fn csv<'a>(done: impl Iterator<Item = (&'a Point, &'a Card)>) -> Result<String> {
    let head = "bundle,solver,steps,shift,guidance,guidance_mode,images,figure,value,low,high\n";
    let mut text = head.to_string();
    let optional = |value: Option<f64>| value.map_or(String::new(), digits);
    for (point, card) in done {
        let Point {
            bundle,
            solver,
            steps,
            shift,
            guidance,
            guidance_mode,
        } = point;
        let bundle = bundle.display().to_string().replace('"', "\"\"");
        for of in &card.results {
            for figure in &of.figures {
                let (name, value) = (&figure.name, digits(figure.value));
                let (low, high) = (optional(figure.low), optional(figure.high));
                write!(
                    text,
                    "\"{bundle}\",{solver},{steps},{shift},{guidance},{guidance_mode},"
                )?;
                writeln!(text, "{},{name},{value},{low},{high}", of.count)?;
            }
        }
    }
    Ok(text)
}

/// A number to ten digits. More are no information, and the last is not always what was written after JSON is read.
fn digits(value: f64) -> String {
    let rounded = format!("{value:.9e}").parse::<f64>();
    rounded.unwrap_or(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_ten_digits() {
        let of = [10.202943249312264, 10.202943249312263, 0.0013, 25.0].map(digits);
        assert_eq!(of, ["10.20294325", "10.20294325", "0.0013", "25"]);
    }

    #[test]
    fn combinations_have_file_names_of_their_own() {
        let point = |guidance: f64, mode: &str| Point {
            bundle: PathBuf::from("a/b c"),
            solver: "euler".to_string(),
            steps: 5,
            shift: 0.15,
            guidance,
            guidance_mode: mode.to_string(),
        };
        let names = [
            file(&point(1.5, "constant")),
            file(&point(15.0, "constant")),
            file(&point(1.5, "interval:0.1:0.8")),
        ];
        assert!(names[0].starts_with("card-euler-5-steps-shift-0.15-guidance-1.5-constant-"));
        assert!(names[0] != names[1] && names[0] != names[2]);
        assert!(names.iter().all(|name| !name.contains([':', ' ', '/'])));
    }
}
