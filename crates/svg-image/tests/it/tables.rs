//! Pictures in parquet.

use std::fs;
use std::path::Path;

use svg_image::{DecodeOptions, decode};

use crate::sets::{message, open, picture, write};

/// Three pictures of two classes, as `tests/sets/export.py` has had them written by datasets.
#[test]
fn a_table_of_datasets_gives_pictures_and_named_classes() {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sets/rows.parquet");
    let set = open(std::slice::from_ref(&table));
    assert_eq!(
        set.classes().unwrap(),
        (vec!["cat".into(), "dog".into()], vec![0, 0, 1])
    );
    let names = ["00000000-0.png", "00000001-1.png", "00000002-0.png"];
    for (index, name) in names.into_iter().enumerate() {
        assert_eq!(set.inner_name(index), name);
        let image = decode(&set.read(index).unwrap(), &DecodeOptions::default()).unwrap();
        assert_eq!(image.dimensions(), (2, 3));
        assert_eq!(image.get_pixel(0, 0).0, [index as u8, 7, 9]);
    }

    let place = tempfile::tempdir().unwrap();
    let bytes = fs::read(&table).unwrap();
    let at = |name: &str| place.path().join(name);
    write(at("set/train-00000-of-00001.parquet"), &bytes);
    let set = open(&[at("set")]);
    assert_eq!((set.len(), set.classes().unwrap().0.len()), (3, 2));
    write(at("set/test-00000-of-00001.parquet"), &bytes);
    let problem = open(&[at("set")]).classes().unwrap_err().to_string();
    assert!(problem.contains("set/test*"), "{problem}");
    for length in [5, 100, bytes.len() - 3] {
        let cut = message(&[write(at("cut.parquet"), &bytes[..length])]);
        assert!(
            cut.contains("cut.parquet: the parquet file cannot be read"),
            "{cut}"
        );
    }
}

#[test]
fn what_is_not_read_of_tables_is_said() {
    let sets = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sets");
    let zstd = message(&[sets.join("zstd.parquet")]);
    assert!(zstd.contains("compressed by zstd"), "{zstd}");
    assert!(zstd.contains("compression=\"snappy\""), "{zstd}");
    let paths = message(&[sets.join("paths.parquet")]);
    assert!(
        paths.contains("row 0 has neither bytes nor the path of a file that is there"),
        "{paths}"
    );

    // Where the files are there, they are read.
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let bytes = fs::read(sets.join("paths.parquet")).unwrap();
    let table = write(at("paths.parquet"), bytes);
    write(at("0.png"), picture(5));
    write(at("1.png"), picture(6));
    let set = open(&[table]);
    let pictures: Vec<_> = (0..3).map(|row| set.read(row).unwrap()).collect();
    assert!(pictures == [picture(5), picture(6), picture(5)]);
    assert_eq!(set.classes().unwrap().0, ["cat", "dog"]);
}

/// A table is written with the low-level writer, as no more of the library is a dependency.
#[test]
fn columns_of_tables_are_found_by_their_names() {
    use parquet::data_type::{ByteArrayType, Int64Type};
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    let place = tempfile::tempdir().unwrap();
    let table = |schema: &str, labels: Option<&[i64]>| {
        let schema = std::sync::Arc::new(parse_message_type(schema).unwrap());
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, Default::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let pictures = [picture(1).into(), picture(2).into()];
        let mut column = group.next_column().unwrap().unwrap();
        column
            .typed::<ByteArrayType>()
            .write_batch(&pictures, None, None)
            .unwrap();
        column.close().unwrap();
        if let Some(labels) = labels {
            let mut column = group.next_column().unwrap().unwrap();
            let levels: Vec<i16> = vec![1; labels.len()];
            let levels = (labels.len() == 2).then_some(levels).unwrap_or(vec![0, 1]);
            column
                .typed::<Int64Type>()
                .write_batch(labels, Some(&levels), None)
                .unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
        write(
            place.path().join("table.parquet"),
            writer.into_inner().unwrap(),
        )
    };
    let schema = "message m { required binary jpg; optional int64 fine_label; }";
    let set = open(&[table(schema, Some(&[7, 2]))]);
    let (names, labels) = set.classes().unwrap();
    assert_eq!((names.len(), labels), (8, vec![7, 2]));
    assert_eq!(set.read(1).unwrap(), picture(2));
    // A label that is null is none.
    let problem = open(&[table(schema, Some(&[3]))])
        .classes()
        .unwrap_err()
        .to_string();
    assert!(
        problem.contains("table.parquet/00000000 has no class"),
        "{problem}"
    );

    let text = message(&[table("message m { required binary text; }", None)]);
    assert!(text.contains("the columns are text"), "{text}");
}
