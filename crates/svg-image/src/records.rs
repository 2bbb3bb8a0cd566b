//! Lists of pictures as tables with a header (CSV) and as JSON.

use std::path::Path;

use csv::ReaderBuilder;
use serde_json::Value;

use crate::error::ImageError;
use crate::label::{LABELS, PATHS, json_label, label};
use crate::list::{Listed, at, lines, missing, names_a_file, wrong};

const DELIMITERS: [char; 4] = [',', '\t', ';', '|'];

/// The position of the first of the usual names among a table's.
fn position(header: &[String], known: &[&str]) -> Option<usize> {
    let find = |name: &&str| header.iter().position(|field| field == name);
    known.iter().find_map(find)
}

fn field(text: &str) -> String {
    text.trim().trim_matches('"').trim().to_ascii_lowercase()
}

/// Whether the first line of a list is the header of a table: more than one field, one of which is usual for
/// paths, and no file of that name.
pub(crate) fn is_header(list: &Path, text: &str) -> bool {
    header(text).is_some() && !names_a_file(list, text)
}

/// The delimiter and the names of the fields.
fn header(text: &str) -> Option<(char, Vec<String>)> {
    let (_, first) = lines(text).next()?;
    let split = |delimiter: &char| {
        let fields: Vec<_> = first.split(*delimiter).map(field).collect();
        position(&fields, &PATHS).map(|_| (*delimiter, fields))
    };
    DELIMITERS.iter().find_map(split)
}

/// The rows of a table with a header.
pub(crate) fn read_csv(list: &Path, text: &str) -> Result<Vec<Listed>, ImageError> {
    let (delimiter, fields) = header(text).expect("`is_header` was asked");
    let path = position(&fields, &PATHS).expect("`header` has found it");
    let class = position(&fields, &LABELS);
    let mut reader = ReaderBuilder::new();
    let reader = reader.delimiter(delimiter as u8).flexible(true);
    let reader = reader.comment(Some(b'#'));
    let mut listed = Vec::new();
    for row in reader.from_reader(text.as_bytes()).records() {
        let row = row.map_err(|error| wrong(list, &error.to_string()))?;
        let line = row
            .position()
            .map_or(0, |position| position.line() as usize);
        let name = row.get(path).unwrap_or_default().trim();
        let label = class.and_then(|class| row.get(class)).and_then(label);
        push(list, line, name, label, &mut listed)?;
    }
    Ok(listed)
}

/// JSON objects, one a line or in an array.
pub(crate) fn read_json(list: &Path, text: &str) -> Result<Vec<Listed>, ImageError> {
    let mut listed = Vec::new();
    if text.trim_start().starts_with('[') {
        let rows: Vec<Value> = serde_json::from_str(text)
            .map_err(|error| wrong(list, &format!("it is no array of JSON objects: {error}")))?;
        for (index, row) in rows.iter().enumerate() {
            push_object(list, index + 1, row, &mut listed)?;
        }
        return Ok(listed);
    }
    for (number, line) in lines(text) {
        let row: Value = serde_json::from_str(line).map_err(|error| {
            let reason =
                format!("line {number} is no JSON object: {error}; write one object on each line");
            wrong(list, &reason)
        })?;
        push_object(list, number, &row, &mut listed)?;
    }
    Ok(listed)
}

fn push_object(
    list: &Path,
    number: usize,
    row: &Value,
    listed: &mut Vec<Listed>,
) -> Result<(), ImageError> {
    let name = PATHS.iter().find_map(|field| row.get(*field)?.as_str());
    let Some(name) = name else {
        let usual = PATHS.join(", ");
        let reason = format!("line {number} has none of the fields {usual} with a path");
        return Err(wrong(list, &reason));
    };
    push(list, number, name, json_label(row), listed)
}

fn push(
    list: &Path,
    line: usize,
    name: &str,
    label: Option<String>,
    listed: &mut Vec<Listed>,
) -> Result<(), ImageError> {
    let path = at(list, name).map_err(|_| missing(list, line, name))?;
    let name = name.to_string();
    if listed
        .first()
        .is_some_and(|first| first.label.is_some() != label.is_some())
    {
        let reason = format!("line {line}: some rows have a label and others have none");
        return Err(wrong(list, &reason));
    }
    listed.push(Listed { name, path, label });
    Ok(())
}
