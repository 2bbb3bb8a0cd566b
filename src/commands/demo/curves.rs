//! The curves of a training, from its table of steps.

use std::path::Path;

use anyhow::{Context, Result};

use crate::report::{Chart, Series};

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
    let text = std::fs::read_to_string(table).with_context(|| table.display().to_string())?;
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let series = curves.iter().filter_map(|(column, name)| {
        let place = head.iter().position(|found| found == column)?;
        let point = |row: &Vec<&str>| {
            let value = row.get(place)?.parse().ok()?;
            Some([row.first()?.parse().ok()?, value])
        };
        Some(Series {
            name: name.to_string(),
            points: rows.iter().filter_map(point).collect(),
        })
    });
    Ok(Chart {
        title: title.to_string(),
        x_label: "step".to_string(),
        y_label: y_label.to_string(),
        log_y,
        series: series.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_a_curve_without_its_gaps() {
        let place = tempfile::tempdir().unwrap();
        let table = place.path().join("steps.csv");
        std::fs::write(&table, "step,loss,seldom\n1,0.5,\n2,0.25,7.0\n").unwrap();
        let curves = [
            ("loss", "loss"),
            ("seldom", "now and then"),
            ("none", "none"),
        ];
        let chart = chart(&table, "", "", false, &curves).unwrap();
        let points: Vec<_> = chart
            .series
            .iter()
            .map(|series| series.points.clone())
            .collect();
        assert_eq!(points, [vec![[1.0, 0.5], [2.0, 0.25]], vec![[2.0, 7.0]]]);
    }
}
