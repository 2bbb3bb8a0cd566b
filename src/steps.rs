//! The table of a run, `steps.csv`, as curves.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Steps and values of columns, by their names.
pub type Curves = BTreeMap<String, Vec<[f64; 2]>>;

/// A run's table: the step in the first column, then a column for each number.
pub struct Steps {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Steps {
    pub fn read(path: &Path) -> Result<Self> {
        let text = svg_store::read_text(path).with_context(|| path.display().to_string())?;
        let cells = |line: &str| line.split(',').map(String::from).collect();
        let mut lines = text.lines();
        let columns: Vec<String> = lines.next().map(cells).unwrap_or_default();
        ensure!(
            columns.first().is_some_and(|first| first == "step"),
            "{} is not the steps.csv of a run: its first column is not `step`",
            path.display()
        );
        Ok(Self {
            columns,
            rows: lines.map(cells).collect(),
        })
    }

    /// The curves of all columns by their names.
    pub fn curves(&self) -> Curves {
        let names = self.columns().iter();
        names
            .filter_map(|name| Some((name.clone(), self.curve(name)?)))
            .collect()
    }

    /// The names of the columns after the step.
    pub fn columns(&self) -> &[String] {
        &self.columns[1..]
    }

    /// Steps and values of a column, without its gaps; `None` if there is no such column.
    pub fn curve(&self, column: &str) -> Option<Vec<[f64; 2]>> {
        let place = 1 + self.columns().iter().position(|found| found == column)?;
        let point = |row: &Vec<String>| {
            let value = row.get(place)?.parse().ok()?;
            Some([row.first()?.parse().ok()?, value])
        };
        Some(self.rows.iter().filter_map(point).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Steps> {
        let place = tempfile::tempdir().unwrap();
        let table = place.path().join("steps.csv");
        std::fs::write(&table, text).unwrap();
        Steps::read(&table)
    }

    #[test]
    fn a_column_is_a_curve_without_its_gaps() {
        let steps = read("step,loss,seldom\n1,0.5,\n2,0.25,7.0\n").unwrap();
        assert_eq!(steps.columns(), ["loss", "seldom"]);
        assert_eq!(steps.curve("loss").unwrap(), [[1.0, 0.5], [2.0, 0.25]]);
        assert_eq!(steps.curve("seldom").unwrap(), [[2.0, 7.0]]);
        assert!(steps.curve("step").is_none() && steps.curve("none").is_none());
    }

    #[test]
    fn another_table_is_refused() {
        for text in ["", "name,loss\na,1\n"] {
            let error = read(text).err().unwrap().to_string();
            assert!(error.contains("first column is not `step`"), "{error}");
        }
    }
}
