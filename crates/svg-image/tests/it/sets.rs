//! Sets of pictures in every form in which people have them.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use svg_image::{DecodeOptions, ImageSet, Rgb, RgbImage, decode, encode_png};

/// Pictures of two classes, some in folders within them.
const NAMES: [&str; 5] = [
    "cat/0.png",
    "cat/indoor/1.png",
    "cat/outdoor/1.png",
    "dog/0.png",
    "dog/2.png",
];
const LABELS: [usize; 5] = [0, 0, 0, 1, 1];

/// A picture whose pixels tell its number.
pub fn picture(number: usize) -> Vec<u8> {
    encode_png(&RgbImage::from_pixel(2, 3, Rgb([number as u8, 7, 9])), &[])
}

pub fn write(path: PathBuf, bytes: impl AsRef<[u8]>) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

/// A tar file of these names and contents.
fn tar_of<'a>(entries: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

fn pictures() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    NAMES
        .into_iter()
        .enumerate()
        .map(|(number, name)| (name, picture(number)))
}

fn zip_of(method: zip::CompressionMethod) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    // Out of order, as tools that do not sort write it.
    for (name, bytes) in pictures().collect::<Vec<_>>().into_iter().rev() {
        writer.start_file(name, options).unwrap();
        writer.write_all(&bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub fn open(paths: &[PathBuf]) -> ImageSet {
    ImageSet::open(paths).unwrap()
}

pub fn message(paths: &[PathBuf]) -> String {
    ImageSet::open(paths).unwrap_err().to_string()
}

/// The set has the pictures of [`NAMES`], in their order.
fn check(set: &ImageSet, what: &str) {
    for number in 0..NAMES.len() {
        let bytes = set.read(number).unwrap();
        assert_eq!(bytes, picture(number), "{what}: {}", set.name(number));
        assert_eq!(set.size(number).unwrap(), bytes.len() as u64, "{what}");
        let image = decode(&bytes, &DecodeOptions::default()).unwrap();
        assert_eq!(image.get_pixel(0, 0).0[0], number as u8, "{what}");
    }
    let (names, labels) = set.classes().unwrap();
    assert_eq!(
        (set.len(), labels),
        (NAMES.len(), LABELS.to_vec()),
        "{what}"
    );
    let numbers = ["0", "1"].map(String::from);
    assert!(
        names == ["cat", "dog"] || names == numbers,
        "{what}: {names:?}"
    );
}

#[test]
fn every_form_gives_the_same_classes_order_and_bytes() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    for (name, bytes) in pictures() {
        write(at("folder").join(name), bytes);
    }
    check(&open(&[at("folder")]), "folder");

    let tar = tar_of(pictures());
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(&tar).unwrap();
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    xz.write_all(&tar).unwrap();
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    // Two frames with one to be skipped between them, as parallel compressors write.
    let (first, second) = tar.split_at(700);
    let mut zstd = ruzstd::encoding::compress_to_vec(first, level);
    zstd.extend(b"\x50\x2a\x4d\x18\x03\0\0\0abc");
    zstd.extend(ruzstd::encoding::compress_to_vec(second, level));
    let forms: [(&str, Vec<u8>); 9] = [
        ("a.tar", tar.clone()),
        ("a.tar.gz", gzip(&tar)),
        ("a.tar.bz2", bzip2.finish().unwrap()),
        ("a.tar.xz", xz.finish().unwrap()),
        ("a.tar.zst", zstd),
        // Names that say something else.
        ("gzip.tar", gzip(&tar)),
        ("plain.tar.gz", tar.clone()),
        ("stored.zip", zip_of(zip::CompressionMethod::Stored)),
        ("deflated.png", zip_of(zip::CompressionMethod::Deflated)),
    ];
    for (name, bytes) in forms {
        check(&open(&[write(at(name), bytes)]), name);
    }

    let wrapped = pictures().map(|(name, bytes)| (format!("set/{name}"), bytes));
    let wrapped: Vec<_> = wrapped.collect();
    let wrapped = tar_of(
        wrapped
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.clone())),
    );
    check(
        &open(&[write(at("set.tar"), &wrapped)]),
        "the folder that bears the archive's name",
    );
    let other = write(at("other.tar"), &wrapped);
    let problem = open(std::slice::from_ref(&other))
        .classes()
        .unwrap_err()
        .to_string();
    assert!(
        problem.contains("other.tar/set if those are the classes"),
        "{problem}"
    );
    check(&open(&[other.join("set")]), "a path into an archive");
    assert!(message(&[other.join("none")]).contains("other.tar/none"));

    let class = |class: &str| {
        let inside = pictures().filter(|(name, _)| name.starts_with(class));
        let inside: Vec<_> = inside
            .map(|(name, bytes)| (name[4..].replace('/', "-"), bytes))
            .collect();
        tar_of(
            inside
                .iter()
                .map(|(name, bytes)| (name.as_str(), bytes.clone())),
        )
    };
    let outer = tar_of([("cat.tar", class("cat")), ("dog.tar", class("dog"))]);
    check(&open(&[write(at("outer.tar"), outer)]), "a tar of tars");
    write(at("tars/cat.tar"), class("cat"));
    write(at("tars/dog.tar"), class("dog"));
    check(&open(&[at("tars")]), "a folder of tars");
    check(&open(&[at("tars/*.tar")]), "tars by a wildcard");

    let half =
        |range: std::ops::Range<usize>| tar_of(pictures().skip(range.start).take(range.len()));
    write(at("shards/part-000.tar"), half(0..3));
    write(at("shards/part-001.tar"), half(3..5));
    check(&open(&[at("shards")]), "shards in a folder");
    check(
        &open(&[at("shards/part-{000..001}.tar")]),
        "shards by braces",
    );

    let rows = |separator: &str| {
        let rows = NAMES.iter().zip(["cat", "cat", "cat", "dog", "dog"]);
        let rows = rows.map(|(name, class)| format!("folder/{name}{separator}{class}\n"));
        rows.collect::<String>()
    };
    let lists = [
        ("list.txt", format!("\u{feff}{}", rows(" "))),
        ("list.tsv", rows("\t")),
        ("list.csv", format!("file_name,label\n{}", rows(","))),
        ("no ending", rows(",")),
    ];
    for (name, text) in lists {
        check(&open(&[write(at(name), text)]), name);
    }
    let objects = NAMES.iter().zip(LABELS);
    let objects = objects
        .map(|(name, label)| format!("{{\"image\": \"folder/{name}\", \"label\": {label}}}\n"));
    check(
        &open(&[write(at("rows.jsonl"), objects.collect::<String>())]),
        "JSON lines",
    );

    let samples = |ending: &'static str, label: fn(usize) -> String| {
        let members = (0..NAMES.len()).flat_map(move |number| {
            let name = format!("{number:06}");
            let picture = (format!("{name}.left.PNG"), picture(number));
            [
                picture,
                (
                    format!("{name}.{ending}"),
                    label(LABELS[number]).into_bytes(),
                ),
            ]
        });
        let members: Vec<_> = members.collect();
        tar_of(
            members
                .iter()
                .map(|(name, bytes)| (name.as_str(), bytes.clone())),
        )
    };
    let cls = samples("cls", |label| label.to_string());
    check(
        &open(&[write(at("wds-cls.tar"), cls)]),
        "WebDataset with .cls",
    );
    let json = samples("json", |label| format!("{{\"label\": {label}}}"));
    check(
        &open(&[write(at("wds-json.tar"), json)]),
        "WebDataset with .json",
    );
}

#[test]
fn links_in_a_tar_are_followed() {
    let place = tempfile::tempdir().unwrap();
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(picture(3).len() as u64);
    header.set_entry_type(tar::EntryType::Continuous);
    builder
        .append_data(&mut header, "all/1.png", &picture(3)[..])
        .unwrap();
    for (kind, name, target) in [
        (tar::EntryType::Symlink, "cat/1.png", "../all/1.png"),
        (tar::EntryType::Link, "dog/1.png", "all/1.png"),
        (tar::EntryType::Symlink, "dog/2.png", "/nowhere.png"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        builder.append_link(&mut header, name, target).unwrap();
    }
    let path = write(
        place.path().join("links.tar"),
        builder.into_inner().unwrap(),
    );
    let set = open(&[path]);
    let (names, labels) = set.classes().unwrap();
    assert_eq!((names.len(), labels), (3, vec![0, 1, 2]));
    assert!((0..3).all(|index| set.read(index).unwrap() == picture(3)));
    assert!(
        set.notes()[0].contains("1 link that leads to nothing"),
        "{:?}",
        set.notes()
    );
}

#[test]
fn parts_of_a_data_set_are_never_merged() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    for (root, name) in [
        ("two", "train/cat/1.png"),
        ("two", "val/cat/1.png"),
        ("one", "train/cat/1.png"),
        ("years", "train2017/1.png"),
        ("years", "val2017/1.png"),
    ] {
        write(at(root).join(name), picture(1));
    }
    for root in ["two", "one", "years"] {
        let problem = open(&[at(root)]).classes().unwrap_err().to_string();
        assert!(
            problem.contains("parts of a data set") && problem.contains("/train"),
            "{problem}"
        );
    }
    let (names, _) = open(&[at("two/train")]).classes().unwrap();
    assert_eq!(names, ["cat"]);
    // A class may have such a name among others, and paths that are given by name are no parts.
    write(at("vehicles/train/1.png"), picture(1));
    write(at("vehicles/ship/1.png"), picture(1));
    assert_eq!(
        open(&[at("vehicles")]).classes().unwrap().0,
        ["ship", "train"]
    );
    let named = open(&[at("years/train2017"), at("years/val2017")]);
    assert_eq!(named.classes().unwrap().0, ["train2017", "val2017"]);

    let tar = tar_of([("1.png", picture(1))]);
    write(at("shards/train-00000.tar"), &tar);
    write(at("shards/validation-00000.tar"), &tar);
    let problem = open(&[at("shards")]).classes().unwrap_err().to_string();
    assert!(problem.contains("shards/train*"), "{problem}");
}

#[test]
fn validation_folders_have_their_labels_in_a_file() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    for number in 1..4 {
        write(
            at(&format!("tiny/val/images/val_{number}.JPEG")),
            picture(number),
        );
        write(
            at(&format!("flat/ILSVRC2012_val_0000000{number}.JPEG")),
            picture(number),
        );
    }
    let rows = "val_3.JPEG\tn01\t0\t1\nval_1.JPEG\tn02\t0\t1\nval_2.JPEG\tn01\t0\t1\n";
    write(at("tiny/val/val_annotations.txt"), rows);
    let (names, labels) = open(&[at("tiny/val")]).classes().unwrap();
    assert_eq!(
        (names, labels),
        (vec!["n01".into(), "n02".into()], vec![1, 0, 0])
    );

    let problem = open(&[at("flat")]).classes().unwrap_err().to_string();
    assert!(
        problem.contains("name a file of labels after the folder"),
        "{problem}"
    );
    let synsets = write(at("synsets.txt"), "n02\nn01\nn02\n");
    let (names, labels) = open(&[at("flat"), synsets.clone()]).classes().unwrap();
    assert_eq!((names.len(), labels), (2, vec![1, 0, 1]));
    let truth = write(
        at("ILSVRC2012_validation_ground_truth.txt"),
        "490\n361\n171\n",
    );
    assert!(message(&[at("flat"), truth]).contains("ILSVRC2012_IDs"));
    // Labels alone are no list of pictures.
    assert!(message(&[synsets]).contains("line 1: cannot read"));
}

#[test]
fn folders_without_pictures_and_pictures_without_folders_are_said() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    write(at("set/b/1.png"), picture(1));
    write(at("set/a/1.heic"), "");
    write(at("set/.ipynb_checkpoints/1.png"), picture(1));
    let set = open(&[at("set")]);
    let problem = set.classes().unwrap_err().to_string();
    assert!(problem.contains("the first is a;"), "{problem}");
    assert_eq!(
        set.notes()[0].split_once("set: ").unwrap().1,
        "1 .heic picture and 1 hidden file or folder are not read here; convert pictures to PNG or JPEG"
    );
    fs::remove_dir_all(at("set/a")).unwrap();
    assert_eq!(open(&[at("set")]).classes().unwrap().0, ["b"]);
    write(at("set/2.png"), picture(1));
    let problem = open(&[at("set")]).classes().unwrap_err().to_string();
    assert!(problem.contains("set/2.png has no class"), "{problem}");

    write(at("only/1.heic"), "");
    assert!(message(&[at("only")]).contains("holds no pictures; looked"));
    assert!(message(&[at("only")]).contains("1 .heic picture is not read here"));
}

#[test]
fn numbers_are_classes_by_their_value_and_folders_by_their_text() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    for name in ["0", "1", "2", "10"] {
        write(at("set").join(name).join("1.png"), picture(1));
    }
    let set = open(&[at("set")]);
    assert_eq!(set.classes().unwrap().0, ["0", "1", "10", "2"]);
    assert!(
        set.class_notes()[0].contains("class 2 is the folder 10"),
        "{:?}",
        set.class_notes()
    );
    let rows: String = ["0", "1", "10", "2"]
        .map(|name| format!("set/{name}/1.png {name}\n"))
        .concat();
    let (names, labels) = open(&[write(at("list.txt"), rows)]).classes().unwrap();
    assert_eq!((names.len(), labels), (11, vec![0, 1, 10, 2]));

    let mixed = write(at("mixed.txt"), "set/0/1.png cat\n");
    let numbers = write(at("numbers.txt"), "set/1/1.png 3\n");
    let problem = open(&[mixed, numbers]).classes().unwrap_err().to_string();
    assert!(problem.contains("labels of one kind"), "{problem}");
}

#[test]
fn what_is_not_read_in_many_paths_is_one_line() {
    let place = tempfile::tempdir().unwrap();
    for number in 0..5 {
        let bytes = tar_of([("1.png", picture(1)), ("1.heic", vec![])]);
        write(place.path().join(format!("{number}.tar")), bytes);
    }
    let notes = open(&[place.path().join("*.tar")]).notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    let expected = "0.tar and 4 more: 5 .heic pictures are not read here";
    assert!(notes[0].contains(expected), "{notes:?}");
}

#[test]
fn many_archives_need_few_open_files() {
    let place = tempfile::tempdir().unwrap();
    for number in 0..1500 {
        let bytes = tar_of([("cat/1.png", picture(number % 200))]);
        let mut file = File::create(place.path().join(format!("{number:05}.tar"))).unwrap();
        file.write_all(&bytes).unwrap();
    }
    let set = open(&[place.path().into()]);
    assert_eq!(set.len(), 1500);
    assert_eq!(set.read(1499).unwrap(), picture(1499 % 200));
}

#[test]
fn foreign_files_are_named_with_advice() {
    let place = tempfile::tempdir().unwrap();
    let refused = |name: &str, bytes: &[u8], expected: &str| {
        let text = message(&[write(Path::new(place.path()).join(name), bytes)]);
        assert!(text.contains(expected), "{text}");
    };
    refused(
        "a.rar",
        b"Rar!\x1a\x07\x01\0",
        "RAR archive is not read; unpack it",
    );
    refused("data.arrow", b"ARROW1\0\0", "Dataset.to_parquet");
    refused(
        "a.7z",
        b"7z\xbc\xaf\x27\x1c\0\x04",
        "7z archive is not read; unpack it",
    );
    refused(
        "set.h5",
        b"\x89HDF\r\n\x1a\n\0\0",
        "HDF5 file is not read; write its pictures as files",
    );
    refused(
        "set.npy",
        b"\x93NUMPY\x01\0",
        "set.npy/arr_0: its header is damaged: it ends too early",
    );
    refused("list.csv", b"\xff\xfea\0", "UTF-16; save it as UTF-8");
    refused(
        "picture.gz",
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0",
        "holds is no tar archive",
    );
}

#[test]
fn entries_of_a_zip_that_are_not_read_are_named() {
    let place = tempfile::tempdir().unwrap();
    let at =
        |mark: &[u8; 4], bytes: &[u8]| bytes.windows(4).rposition(|four| four == mark).unwrap();
    let changed = |field: [usize; 2], value: u8| {
        let mut bytes = zip_of(zip::CompressionMethod::Stored);
        let (local, central) = (at(b"PK\x03\x04", &bytes), at(b"PK\x01\x02", &bytes));
        bytes[local + field[0]] = value;
        bytes[central + field[1]] = value;
        message(&[write(place.path().join("some.zip"), bytes)])
    };
    let encrypted = changed([6, 8], 1);
    assert!(
        encrypted.contains("its entry cat/0.png is encrypted"),
        "{encrypted}"
    );
    let method = changed([8, 10], 14);
    assert!(
        method.contains("its entry cat/0.png is compressed by"),
        "{method}"
    );
    let mut bytes = zip_of(zip::CompressionMethod::Stored);
    let header = at(b"PK\x03\x04", &bytes);
    bytes.truncate(header);
    assert!(
        message(&[write(place.path().join("cut.zip"), bytes)]).contains("not a readable archive")
    );
}
