//! Archives and lists of pictures, in every form that is read.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use bzip2::write::BzEncoder;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::world::repository;

/// Pictures of each class in an archive.
const EACH: usize = 2;

/// Writes archives and lists of pictures, which lie in a folder for each class, into a folder.
pub fn write(pictures: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let pictures = some(pictures)?;
    let tar = tar(&pictures, "")?;
    fs::write(folder.join("plain.tar"), &tar)?;
    fs::write(folder.join("webdataset-000.tar"), webdataset(&pictures)?)?;
    let deep = "a-folder-with-a-long-name/".repeat(6);
    fs::write(folder.join("long.tar"), self::tar(&pictures, &deep)?)?;
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&tar)?;
    fs::write(folder.join("gzip.tar.gz"), gzip.finish()?)?;
    let mut bzip2 = BzEncoder::new(Vec::new(), bzip2::Compression::default());
    bzip2.write_all(&tar)?;
    fs::write(folder.join("bzip2.tar.bz2"), bzip2.finish()?)?;
    let zstd = compress_to_vec(tar.as_slice(), CompressionLevel::Fastest);
    fs::write(folder.join("zstd.tar.zst"), zstd)?;
    let xz = repository("fuzz/seeds/pictures.tar.xz");
    fs::copy(xz, folder.join("xz.tar.xz"))?;
    for (name, method) in [
        ("stored.zip", CompressionMethod::Stored),
        ("deflated.zip", CompressionMethod::Deflated),
    ] {
        let options = SimpleFileOptions::default().compression_method(method);
        let mut zip = ZipWriter::new(File::create(folder.join(name))?);
        for (inner, path) in &pictures {
            zip.start_file(inner.as_str(), options)?;
            zip.write_all(&fs::read(path)?)?;
        }
        zip.finish()?;
    }
    lists(&pictures, folder)
}

/// Lists of the same pictures, and the pictures beside them.
fn lists(pictures: &[(String, PathBuf)], folder: &Path) -> Result<()> {
    let lists = folder.join("lists");
    for (inner, path) in pictures {
        let to = lists.join(inner);
        fs::create_dir_all(to.parent().unwrap_or(&lists))?;
        fs::copy(path, to)?;
    }
    let table = |line: fn(&str, &str) -> String| -> String {
        let class = |inner: &str| inner.split('/').next().unwrap_or_default().to_string();
        let lines = pictures.iter().map(|(inner, _)| line(inner, &class(inner)));
        lines.collect()
    };
    let head = "file_name,label\n";
    let texts = [
        ("plain.txt", table(|path, _| format!("{path}\n"))),
        (
            "labelled.txt",
            table(|path, class| format!("{path} {class}\n")),
        ),
        (
            "table.csv",
            head.to_string() + &table(|path, class| format!("{path},{class}\n")),
        ),
        (
            "table.tsv",
            "image\tclass\n".to_string() + &table(|path, class| format!("{path}\t{class}\n")),
        ),
        (
            "lines.jsonl",
            table(|path, class| format!("{{\"image\": \"{path}\", \"label\": \"{class}\"}}\n")),
        ),
    ];
    for (name, text) in texts {
        fs::write(lists.join(name), text)?;
    }
    let objects = table(|path, class| format!(",{{\"path\": \"{path}\", \"class\": \"{class}\"}}"));
    let objects = objects.trim_start_matches(',');
    fs::write(lists.join("list.json"), format!("[{objects}]"))?;
    Ok(())
}

/// The first pictures of each class, by their paths below the folder.
fn some(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut some = Vec::new();
    for class in ["dark", "light"] {
        let mut paths: Vec<PathBuf> = fs::read_dir(folder.join(class))?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        paths.sort();
        for path in paths.into_iter().take(EACH) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            some.push((format!("{class}/{name}"), path.clone()));
        }
    }
    Ok(some)
}

fn tar(pictures: &[(String, PathBuf)], below: &str) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (inner, path) in pictures {
        append(&mut tar, &format!("{below}{inner}"), &fs::read(path)?)?;
    }
    Ok(tar.into_inner()?)
}

/// An archive of samples with a picture, a class and a document each.
fn webdataset(pictures: &[(String, PathBuf)]) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (number, (_, path)) in pictures.iter().enumerate() {
        let name = |ending: &str| format!("{number:06}.{ending}");
        append(&mut tar, &name("png"), &fs::read(path)?)?;
        append(&mut tar, &name("cls"), (number % 2).to_string().as_bytes())?;
        let document = format!(
            "{{\"caption\": \"picture {number}\", \"label\": {}}}",
            number % 2
        );
        append(&mut tar, &name("json"), document.as_bytes())?;
    }
    Ok(tar.into_inner()?)
}

fn append(tar: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    Ok(tar.append_data(&mut header, name, bytes)?)
}
