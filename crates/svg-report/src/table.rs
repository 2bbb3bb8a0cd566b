//! Tables.

use crate::markup::{escape, inline};

/// A table. Columns of numbers are right-aligned, and wide tables scroll.
pub struct Table {
    /// Names of the columns.
    pub head: Vec<String>,
    /// Cells. The first cell of a row is its name.
    pub rows: Vec<Vec<String>>,
    /// Caption.
    pub caption: String,
}

impl Table {
    /// # Panics
    ///
    /// If the number of cells of a row is not the number of columns.
    pub(crate) fn html(&self) -> String {
        let columns = self.head.len();
        for row in &self.rows {
            let cells = row.len();
            assert_eq!(
                cells, columns,
                "{cells} cells in a table of {columns} columns"
            );
        }
        let aligned: Vec<&str> = (0..columns)
            .map(|column| {
                let mut cells = self.rows.iter().map(|row| &row[column]);
                if cells.all(|cell| is_number(cell)) {
                    " class=\"number\""
                } else {
                    ""
                }
            })
            .collect();
        let head = self.head.iter().zip(&aligned);
        let head =
            head.map(|(cell, class)| format!("<th scope=\"col\"{class}>{}</th>", inline(cell)));
        let rows = self.rows.iter().map(|row| {
            let cells = row.iter().zip(&aligned).enumerate();
            let cells = cells.map(|(place, (cell, class))| match place {
                0 => format!("<th scope=\"row\"{class}>{}</th>", inline(cell)),
                _ => format!("<td{class}>{}</td>", inline(cell)),
            });
            format!("<tr>{}</tr>\n", cells.collect::<String>())
        });
        // A scrollable region must be focusable by keyboard and therefore needs a name.
        format!(
            "<figure class=\"table\">\n<figcaption>{caption}</figcaption>\n\
             <div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{name}\">\n<table>\n\
             <thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n</figure>\n",
            caption = inline(&self.caption),
            name = escape(&self.caption),
            head = head.collect::<String>(),
            rows = rows.collect::<String>(),
        )
    }
}

/// Whether a cell is a number, possibly with a unit, or a placeholder for a missing one.
fn is_number(cell: &str) -> bool {
    let digits = cell.trim_start_matches(['-', '+', '\u{2212}', '<', '~', ' ']);
    matches!(cell, "" | "-" | "\u{2013}" | "\u{2014}")
        || digits.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[[&str; 2]]) -> Table {
        Table {
            head: vec!["Name".into(), "Value".into()],
            rows: rows
                .iter()
                .map(|row| row.map(String::from).to_vec())
                .collect(),
            caption: "Things".into(),
        }
    }

    #[test]
    fn only_columns_of_numbers_are_right_aligned() {
        let html = table(&[["a", "1.5 s"], ["b", "\u{2013}"]]).html();
        assert!(
            html.contains(
                "<th scope=\"col\">Name</th><th scope=\"col\" class=\"number\">Value</th>"
            )
        );
        assert!(html.contains("<th scope=\"row\">a</th><td class=\"number\">1.5 s</td>"));
        let html = table(&[["a", "1.5 s"], ["b", "none"]]).html();
        assert!(!html.contains("number"));
    }

    #[test]
    #[should_panic(expected = "1 cells in a table of 2 columns")]
    fn a_row_with_too_few_cells_panics() {
        let mut table = table(&[["a", "b"]]);
        table.rows.push(vec!["c".into()]);
        table.html();
    }
}
