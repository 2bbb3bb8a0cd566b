//! What lies among pictures and is not read, counted by kind.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use svg_store::printable;

use crate::kind::is_archive_name;

/// Endings of pictures that are not read.
const PICTURES: [&str; 37] = [
    "arw", "avif", "avifs", "cr2", "cr3", "cur", "dds", "dib", "dng", "eps", "exr", "hdr", "heic",
    "heif", "hif", "icns", "ico", "j2c", "j2k", "jfif", "jp2", "jpe", "jpf", "jpx", "jxl", "nef",
    "orf", "pcx", "psd", "qoi", "raf", "raw", "rw2", "sgi", "svg", "tga", "xcf",
];

/// Endings of films.
const VIDEOS: [&str; 10] = [
    "avi", "flv", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "webm", "wmv",
];

/// Endings of files that hold many pictures and are not read.
const SETS: [(&str, &str); 15] = [
    ("7z", "archive"),
    ("arrow", "table"),
    ("feather", "table"),
    ("h5", "table"),
    ("hdf5", "table"),
    ("lmdb", "table"),
    ("lz4", "archive"),
    ("mat", "table"),
    ("mdb", "table"),
    ("npy", "array"),
    ("npz", "array"),
    ("pkl", "table"),
    ("rar", "archive"),
    ("tfrecord", "table"),
    ("tfrecords", "table"),
];

pub(crate) fn is_unread_picture(ending: &str) -> bool {
    PICTURES.contains(&ending)
}

/// Counts of files that are not read.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    /// By the noun for one and the ending.
    known: BTreeMap<(&'static str, String), usize>,
    others: usize,
    /// Endings of the others.
    endings: BTreeSet<String>,
    pub hidden: usize,
    pub dangling: usize,
    pub special: usize,
}

impl Unread {
    /// Counts a file that is no picture.
    pub fn count(&mut self, name: &str) {
        let path = Path::new(name);
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        let ending = ending.to_ascii_lowercase();
        let set = SETS.iter().find(|(known, _)| *known == ending);
        let noun = match ending.as_str() {
            "parquet" => Some("table"),
            _ if is_archive_name(name) => Some("archive"),
            ending if PICTURES.contains(&ending) => Some("picture"),
            ending if VIDEOS.contains(&ending) => Some("video"),
            _ => set.map(|(_, noun)| *noun),
        };
        match noun {
            Some(noun) => *self.known.entry((noun, ending)).or_default() += 1,
            None => {
                self.others += 1;
                self.endings.insert(ending);
            }
        }
    }

    /// Counts what another has counted, too.
    pub fn add(&mut self, other: &Self) {
        for (kind, count) in &other.known {
            *self.known.entry(kind.clone()).or_default() += count;
        }
        self.others += other.others;
        self.endings.extend(other.endings.iter().cloned());
        self.hidden += other.hidden;
        self.dangling += other.dangling;
        self.special += other.special;
    }

    /// In one line, or nothing if all was read.
    pub fn in_words(&self) -> Option<String> {
        let known = self.known.iter();
        let mut parts: Vec<_> = known
            .map(|((noun, ending), count)| {
                counted(
                    *count,
                    &format!(".{ending} {noun}"),
                    &format!(".{ending} {noun}s"),
                )
            })
            .collect();
        if self.others > 0 {
            let endings = self
                .endings
                .iter()
                .take(4)
                .map(|ending| match ending.as_str() {
                    "" => "no ending".to_string(),
                    ending => format!(".{}", printable(ending)),
                });
            let mut endings: Vec<_> = endings.collect();
            if self.endings.len() > endings.len() {
                endings.push("…".into());
            }
            let other = counted(self.others, "other file", "other files");
            parts.push(format!("{other} ({})", endings.join(", ")));
        }
        if self.hidden > 0 {
            let many = "hidden files or folders";
            parts.push(counted(self.hidden, "hidden file or folder", many));
        }
        if self.dangling > 0 {
            let many = "links that lead to nothing";
            parts.push(counted(self.dangling, "link that leads to nothing", many));
        }
        if self.special > 0 {
            let many = "pipes, sockets or devices";
            parts.push(counted(self.special, "pipe, socket or device", many));
        }
        let last = parts.pop()?;
        let one = parts.is_empty() && last.starts_with("1 ");
        let all = match parts.as_slice() {
            [] => last,
            parts => format!("{} and {last}", parts.join(", ")),
        };
        let verb = if one { "is" } else { "are" };
        Some(format!("{all} {verb} not read here{}", self.advice()))
    }

    fn advice(&self) -> &'static str {
        let has = |noun: &str| self.known.keys().any(|(known, _)| *known == noun);
        if has("picture") {
            "; convert pictures to PNG or JPEG"
        } else if has("archive") {
            "; archives are read if given by name, or in folders without other pictures"
        } else if has("array") {
            "; arrays of pictures are read if given by name"
        } else if has("table") {
            "; write data sets as parquet (Dataset.to_parquet), tar archives or files"
        } else {
            ""
        }
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    let noun = if count == 1 { one } else { many };
    format!("{count} {noun}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(names: &[&str]) -> Option<String> {
        let mut unread = Unread::default();
        names.iter().for_each(|name| unread.count(name));
        unread.in_words()
    }

    #[test]
    fn kinds_are_counted_in_one_line_with_advice() {
        assert_eq!(words(&[]), None);
        assert_eq!(
            words(&["a.heic", "b.HEIC"]).unwrap(),
            "2 .heic pictures are not read here; convert pictures to PNG or JPEG"
        );
        assert_eq!(
            words(&["a.mp4", "b.heic", "c.txt", "LICENCE"]).unwrap(),
            "1 .heic picture, 1 .mp4 video and 2 other files (no ending, .txt) are not read here; convert \
             pictures to PNG or JPEG"
        );
        assert_eq!(
            words(&["a.xml"]).unwrap(),
            "1 other file (.xml) is not read here"
        );
        assert!(
            words(&["a.tar.gz"])
                .unwrap()
                .starts_with("1 .gz archive is not read here; archives")
        );
    }

    #[test]
    fn what_is_hidden_or_leads_to_nothing_is_counted_too() {
        let unread = Unread {
            hidden: 2,
            dangling: 1,
            special: 1,
            ..Unread::default()
        };
        assert_eq!(
            unread.in_words().unwrap(),
            "2 hidden files or folders, 1 link that leads to nothing and 1 pipe, socket or device are not read here"
        );
    }
}
