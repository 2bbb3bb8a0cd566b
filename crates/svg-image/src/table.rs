//! Pictures in a parquet file, as Hugging Face's `datasets` writes it: a column of structures `{bytes, path}` or of
//! bytes, and a column of labels.

use std::io;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Type;
use parquet::errors::Result;
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};
use serde_json::Value;

use crate::column::{Parquet, general};
use crate::error::ImageError;
use crate::label::{LABELS, label};
use crate::list::wrong;
use crate::place::{Place, Spool, Window};

/// Names of columns that hold pictures; the first that is there counts.
const PICTURES: [&str; 9] = [
    "image",
    "img",
    "picture",
    "pixel_values",
    "jpg",
    "jpeg",
    "png",
    "webp",
    "image_bytes",
];

/// The rows of a file, in its order.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub rows: Vec<Row>,
    /// The names of the classes in the order of their labels, if the file states them.
    pub names: Option<Vec<String>>,
}

#[derive(Debug)]
pub(crate) struct Row {
    /// The number of the row, and the last part of the path that was stored with it.
    pub name: String,
    pub label: Option<String>,
    pub place: Place,
}

/// The picture in a row.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    file: Arc<Parquet>,
    column: usize,
    group: usize,
    row: usize,
}

impl Cell {
    /// The bytes of the picture. Pictures near it are decoded with it and kept for a while.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let bytes = self.file.bytes(self.group, self.column, self.row);
        let bytes = bytes.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        bytes.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the row holds no picture"))
    }

    /// The file on disk that the bytes are read from; `None` if that is an anonymous one.
    pub fn path(&self) -> Option<&Path> {
        self.file.path()
    }

    /// The size of the rows that are stored together with this one, which tells files apart; that of the picture
    /// is not stored.
    pub fn size(&self) -> u64 {
        self.file.size(self.group, self.column)
    }
}

/// Columns by their places among the leaves.
struct Columns {
    picture: usize,
    path: Option<usize>,
    label: Option<usize>,
}

/// Reads the labels of a file; its pictures are read when they are asked for.
pub(crate) fn read_table(
    file: &Path,
    window: &Window,
    spool: &Spool,
) -> std::result::Result<Table, ImageError> {
    read(file, window, spool).map_err(|error| {
        let text = error.to_string();
        match text.split_once("Disabled feature at compile time: ") {
            Some((_, codec)) => {
                let reason = format!(
                    "its pages are compressed by {codec}, which is not read; write it anew with compression=\"snappy\" \
                     or \"gzip\""
                );
                wrong(file, &reason)
            }
            None => wrong(file, &format!("the parquet file cannot be read: {text}")),
        }
    })
}

fn read(file: &Path, window: &Window, spool: &Spool) -> Result<Table> {
    let parquet = Arc::new(Parquet::open(file, window, spool.recent.clone())?);
    let metadata = parquet.metadata.file_metadata();
    let schema = metadata.schema_descr();
    let columns = columns(schema)?;
    let pairs = metadata.key_value_metadata().into_iter().flatten();
    let info = pairs.filter(|pair| pair.key == "huggingface");
    let info = info.filter_map(|pair| serde_json::from_str(pair.value.as_deref()?).ok());
    let field = columns
        .label
        .map(|label| schema.column(label).name().to_string());
    let names =
        field.and_then(|field| info.into_iter().find_map(|info| class_names(&info, &field)));
    let mut table = Table {
        names,
        ..Table::default()
    };
    for group in 0..parquet.metadata.num_row_groups() {
        let count = parquet.rows(group);
        let texts = |column: Option<usize>| match column {
            Some(column) => parquet.texts(group, column),
            None => Ok(vec![None; count]),
        };
        let (paths, labels) = (texts(columns.path)?, texts(columns.label)?);
        // A compression that is not read is an error now and not at the first picture.
        parquet.column(group, columns.picture)?;
        let chunk = parquet.metadata.row_group(group).column(columns.picture);
        let nulls = chunk.statistics().and_then(|known| known.null_count_opt());
        let has_bytes = nulls != Some(count as u64);
        for (row, (path, text)) in paths.into_iter().zip(labels).enumerate() {
            let number = table.rows.len();
            let base = path
                .as_deref()
                .and_then(|path| path.rsplit(['/', '\\']).next());
            let name = base.map_or_else(
                || format!("{number:08}"),
                |base| format!("{number:08}-{base}"),
            );
            let place = match has_bytes {
                true => Place::Cell(Cell {
                    file: parquet.clone(),
                    column: columns.picture,
                    group,
                    row,
                }),
                false => beside(file, path.as_deref(), number)?,
            };
            let label = text.and_then(|text| label(&text));
            let label = label.map(|label| named(label, table.names.as_deref()));
            table.rows.push(Row { name, label, place });
        }
    }
    Ok(table)
}

/// The name of a class whose number is stored.
fn named(label: String, names: Option<&[String]>) -> String {
    let place: Option<usize> = label.parse().ok();
    let name = place.and_then(|place| names?.get(place));
    name.cloned().unwrap_or(label)
}

/// A picture whose path is stored and not its bytes.
fn beside(file: &Path, path: Option<&str>, row: usize) -> Result<Place> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let path = path
        .map(|path| folder.join(path))
        .filter(|path| path.is_file());
    path.map(Place::File).ok_or_else(|| {
        general(&format!(
            "row {row} has neither bytes nor the path of a file that is there; embed the files before to_parquet \
             (datasets.table.embed_table_storage)"
        ))
    })
}

fn columns(schema: &SchemaDescriptor) -> Result<Columns> {
    let leaves = schema.columns().iter().enumerate();
    let leaves: Vec<_> = leaves
        .filter(|(_, column)| column.max_rep_level() == 0)
        .collect();
    let parts = |column: &ColumnDescriptor| column.path().parts().to_vec();
    let find = |path: &[&str]| {
        let found = leaves.iter().find(|(_, column)| parts(column) == path);
        found.map(|(index, _)| *index)
    };
    let is_bytes = |index: &usize| schema.column(*index).physical_type() == Type::BYTE_ARRAY;
    let of_name = |name: &&str| {
        find(&[name, "bytes"])
            .or_else(|| find(&[name]))
            .filter(is_bytes)
    };
    let mut structures = leaves.iter().filter(|(_, column)| {
        let parts = parts(column);
        parts.len() == 2 && parts[1] == "bytes"
    });
    let only = structures.next().map(|(index, _)| *index);
    let only = only.filter(|index| is_bytes(index) && structures.next().is_none());
    let Some(picture) = PICTURES.iter().find_map(of_name).or(only) else {
        let names: Vec<_> = leaves
            .iter()
            .map(|(_, column)| column.path().string())
            .collect();
        return Err(general(&format!(
            "no column holds pictures as bytes (image: {{bytes, path}}); the columns are {}",
            names.join(", ")
        )));
    };
    let parent = &parts(&schema.column(picture))[0];
    let known = LABELS.iter().filter_map(|name| find(&[name]));
    let mut known = known.filter(|index| {
        let types = [Type::BYTE_ARRAY, Type::INT32, Type::INT64];
        types.contains(&schema.column(*index).physical_type())
    });
    Ok(Columns {
        picture,
        path: find(&[parent, "path"]),
        label: known.next(),
    })
}

/// The names of the classes in what `datasets` stores of its features.
fn class_names(info: &Value, field: &str) -> Option<Vec<String>> {
    let names = info
        .pointer("/info/features")?
        .get(field)?
        .get("names")?
        .as_array()?;
    names
        .iter()
        .map(|name| Some(name.as_str()?.to_string()))
        .collect()
}
