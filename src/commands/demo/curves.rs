//! The curves of a training, from its table of steps.

use std::path::Path;

use anyhow::Result;
use svg_report::{Chart, Series};

use crate::steps::Steps;

/// A curve of a column, under a name for people.
pub type Curve<'a> = (&'a str, &'a str);

/// Curves of columns of a `steps.csv`. Columns that are not there are left out.
pub fn chart(
    table: &Path,
    title: &str,
    y_label: &str,
    log_y: bool,
    curves: &[Curve],
) -> Result<Chart> {
    let steps = Steps::read(table)?;
    let series = curves.iter().filter_map(|(column, name)| {
        Some(Series {
            name: name.to_string(),
            points: steps.curve(column)?,
        })
    });
    Ok(Chart {
        title: title.to_string(),
        x_label: "step".to_string(),
        y_label: y_label.to_string(),
        log_x: false,
        log_y,
        series: series.collect(),
    })
}
