//! `svg plot`: columns of training tables as a picture.

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use clap::Args;
use svg_report::{Chart, Series};

use crate::commands::outputs::Outputs;
use crate::steps::Steps;

/// Draw columns of the tables of runs as one SVG picture
///
/// Every training writes its numbers to steps.csv in the folder of its run. The picture has a curve for each run and
/// column. Long curves are drawn by the means of neighbouring steps.
#[derive(Args)]
#[command(after_help = "Examples:
  svg plot runs/flow --columns loss,validation/loss --out loss.svg
  svg plot with=runs/cifar10 without=runs/semantic --columns samples/psnr --out psnr.svg
  svg plot runs/flow --columns gradient_norm --log --title Gradients --out norm.svg")]
pub struct Plot {
    /// Folders of runs, each by itself or as NAME=FOLDER with the name to show
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<Run>,
    /// Columns of steps.csv
    #[arg(long, value_name = "NAMES", required = true, value_delimiter = ',')]
    columns: Vec<String>,
    /// The picture to write
    #[arg(long, value_name = "FILE.svg")]
    out: PathBuf,
    /// A line above the picture
    #[arg(long, value_name = "TEXT", default_value = "")]
    title: String,
    /// Make the vertical axis logarithmic; values that are not above zero are left out
    #[arg(long)]
    log: bool,
}

/// The folder of a run, and what it is called in the picture.
#[derive(Clone, Debug)]
struct Run {
    name: String,
    folder: PathBuf,
}

impl From<&str> for Run {
    fn from(text: &str) -> Self {
        let (name, folder) = match text.split_once('=') {
            // A folder may have the sign in its own name.
            Some((name, folder)) if !PathBuf::from(text).exists() => (name, folder),
            _ => (text, text),
        };
        Self {
            name: name.to_string(),
            folder: folder.into(),
        }
    }
}

impl Plot {
    pub fn run(self) -> Result<()> {
        ensure!(
            self.out.extension().is_some_and(|ending| ending == "svg"),
            "--out {}: the picture is an SVG file; name it so, {}",
            self.out.display(),
            self.out.with_extension("svg").display()
        );
        let tables = self.runs.iter().map(|run| run.folder.join("steps.csv"));
        let outputs = Outputs::default().file("--out", [&self.out]);
        outputs.reads("RUN", tables).check()?;
        let mut series = Vec::new();
        for run in &self.runs {
            let table = run.folder.join("steps.csv");
            ensure!(
                table.is_file(),
                "{} holds no steps.csv; name the folder that was given to a training as --out",
                run.folder.display()
            );
            let steps = Steps::read(&table)?;
            for column in &self.columns {
                series.push(Series {
                    name: self.name(run, column),
                    points: self.curve(run, &steps, column)?,
                });
            }
        }
        let chart = Chart {
            title: self.title.clone(),
            x_label: "step".to_string(),
            y_label: self.columns.join(", "),
            log_x: false,
            log_y: self.log,
            series,
        };
        let svg = chart.svg([720, 400]);
        Ok(svg_store::write_bytes(&self.out, svg.as_bytes())?)
    }

    /// What a curve is called: by what differs between the curves.
    fn name(&self, run: &Run, column: &str) -> String {
        match (self.runs.len(), self.columns.len()) {
            (_, 1) => run.name.clone(),
            (1, _) => column.to_string(),
            _ => format!("{}, {column}", run.name),
        }
    }

    fn curve(&self, run: &Run, steps: &Steps, column: &str) -> Result<Vec<[f64; 2]>> {
        let folder = run.folder.display();
        let Some(points) = steps.curve(column) else {
            let known = svg_store::listed(steps.columns());
            bail!("--columns {column}: {folder} has no such column; it has {known}");
        };
        let drawn = |point: &&[f64; 2]| point[1].is_finite() && (!self.log || point[1] > 0.0);
        ensure!(
            points.iter().any(|point| drawn(&point)),
            "--columns {column}: {folder} has no value there that can be drawn{}",
            if self.log { "; try without --log" } else { "" }
        );
        Ok(points)
    }
}
