//! The zip archives that `torch.save` writes since PyTorch 1.6.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Read;
use std::ops::Range;
use std::sync::OnceLock;

use flate2::{Crc, bufread::DeflateDecoder};
use rawzip::{CompressionMethod, ZipArchive};

use super::TorchError;

/// Deflate makes nothing smaller than this part of its size.
const STRONGEST_DEFLATION: usize = 1032;

const SCRIPT: &str = "it is a TorchScript archive, which holds a program beside its weights. Save the weights alone in \
                      Python: torch.save(torch.jit.load(FILE).state_dict(), \"weights.pth\")";
const PROGRAM: &str = "it is an exported program of PyTorch. Save the weights alone in Python: \
                       torch.save(torch.export.load(FILE).state_dict, \"weights.pth\")";
const UNFINISHED: &str =
    "its pickle is missing, as if torch.save had failed while it wrote the file";
const BIG_ENDIAN: &str =
    "it was written on a big-endian machine. Load and save it with PyTorch on an ordinary one";

/// Bytes of the file.
#[derive(Debug)]
pub(super) struct Entry {
    pub range: Range<usize>,
    /// Number of bytes after inflation.
    pub size: usize,
    deflated: bool,
    crc: Option<u32>,
    checked: OnceLock<bool>,
}

impl Entry {
    /// Bytes that lie in the file as they are, without a checksum.
    pub fn plain(range: Range<usize>) -> Self {
        Self {
            size: range.len(),
            range,
            deflated: false,
            crc: None,
            checked: OnceLock::new(),
        }
    }

    /// The bytes, which are compared with their checksum when they are read for the first time.
    ///
    /// # Errors
    ///
    /// In words, that they are not those that were written.
    pub fn read<'a>(&self, file: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        let stored = file.get(self.range.clone()).ok_or("they end too early")?;
        let bytes = match self.deflated {
            false => Cow::Borrowed(stored),
            true => {
                let mut bytes = Vec::new();
                // One more byte, to see that there is none.
                let mut inflated = DeflateDecoder::new(stored).take(self.size as u64 + 1);
                inflated
                    .read_to_end(&mut bytes)
                    .map_err(|error| error.to_string())?;
                Cow::Owned(bytes)
            }
        };
        let right = self.checked.get_or_init(|| {
            let sum = self.crc.map(|expected| {
                let mut crc = Crc::new();
                crc.update(&bytes);
                crc.sum() == expected
            });
            bytes.len() == self.size && sum.unwrap_or(true)
        });
        match right {
            true => Ok(bytes),
            false => Err("they do not fit their checksum: the file is damaged".to_string()),
        }
    }
}

/// An archive with its pickle.
pub(super) struct Archive {
    entries: HashMap<String, Entry>,
    /// Folder of the pickle in the archive, with a slash at its end, or empty.
    root: String,
}

impl Archive {
    /// Reads the table of contents.
    pub fn open(file: &[u8]) -> Result<Self, TorchError> {
        let entries = entries(file)?;
        let roots = entries
            .keys()
            .filter_map(|name| name.strip_suffix("data.pkl"));
        let roots = roots.filter(|root| root.is_empty() || root.ends_with('/'));
        let root = roots
            .min_by_key(|root| (root.len(), *root))
            .map(str::to_string);
        let Some(root) = root else {
            return Err(without_pickle(&entries));
        };
        let archive = Self { entries, root };
        if archive.entry("constants.pkl").is_some() || script(&archive.entries) {
            return Err(TorchError::Unsupported(SCRIPT.to_string()));
        }
        if let Some(order) = archive.entry("byteorder") {
            let order = order
                .read(file)
                .map_err(|reason| damaged("byteorder", reason))?;
            if order.trim_ascii() != b"little" {
                return Err(TorchError::Unsupported(BIG_ENDIAN.to_string()));
            }
        }
        Ok(archive)
    }

    /// The pickle, which holds everything but the numbers.
    pub fn pickle<'a>(&self, file: &'a [u8]) -> Result<Cow<'a, [u8]>, TorchError> {
        let entry = self
            .entry("data.pkl")
            .expect("it is how the root was found");
        entry
            .read(file)
            .map_err(|reason| damaged("data.pkl", reason))
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(&format!("{}{name}", self.root))
    }

    /// The storages by their names in the pickle.
    pub fn into_storages(self) -> HashMap<String, Entry> {
        let folder = format!("{}data/", self.root);
        let entries = self.entries.into_iter().filter_map(|(name, entry)| {
            let key = name.strip_prefix(&folder)?.to_string();
            Some((key, entry))
        });
        entries.collect()
    }
}

fn damaged(name: &str, reason: String) -> TorchError {
    TorchError::Damaged(format!("the bytes of {name}: {reason}"))
}

fn script(entries: &HashMap<String, Entry>) -> bool {
    entries.keys().any(|name| name.contains("/code/__torch__"))
}

/// What an archive is that has no pickle.
fn without_pickle(entries: &HashMap<String, Entry>) -> TorchError {
    let has = |end: &str| entries.keys().any(|name| name.ends_with(end));
    if script(entries) {
        TorchError::Unsupported(SCRIPT.to_string())
    } else if has("archive_format") {
        TorchError::Unsupported(PROGRAM.to_string())
    } else if has(".data/serialization_id") {
        TorchError::Damaged(UNFINISHED.to_string())
    } else {
        let names = some_names(entries);
        TorchError::Unsupported(format!("it is a zip archive of other things ({names})"))
    }
}

/// A few of the names in an archive.
fn some_names(entries: &HashMap<String, Entry>) -> String {
    let mut names: Vec<_> = entries.keys().map(String::as_str).collect();
    names.sort_unstable();
    let more = if names.len() > 3 { ", ..." } else { "" };
    names.truncate(3);
    names.join(", ") + more
}

fn entries(file: &[u8]) -> Result<HashMap<String, Entry>, TorchError> {
    let cut = |error: rawzip::Error| {
        let reason = format!(
            "its table of contents cannot be read ({error}): the file ends too early, or was changed"
        );
        TorchError::Damaged(reason)
    };
    let archive = ZipArchive::from_slice(file).map_err(cut)?;
    let mut entries = HashMap::new();
    let mut count = 0;
    for header in archive.entries() {
        let header = header.map_err(cut)?;
        count += 1;
        let name = String::from_utf8_lossy(header.file_path().as_bytes()).into_owned();
        let local = archive.get_entry(header.wayfinder()).map_err(cut)?;
        let (start, end) = local.compressed_data_range();
        let method = header.compression_method();
        let deflated = method == CompressionMethod::DEFLATE;
        if header.flags().is_encrypted() || !(deflated || method == CompressionMethod::STORE) {
            let reason = "is encrypted or compressed by another method than deflate. Unpack the archive and pack it \
                          with `zip -0`";
            return Err(TorchError::Unsupported(format!("its {name} {reason}")));
        }
        let size = header.uncompressed_size_hint() as usize;
        let range = start as usize..end as usize;
        let possible = match deflated {
            true => size.div_ceil(STRONGEST_DEFLATION) <= range.len(),
            false => size == range.len(),
        };
        if !possible {
            return Err(damaged(
                &name,
                format!("{} cannot become {size}", range.len()),
            ));
        }
        let entry = Entry {
            range,
            size,
            deflated,
            // Zero is what torch writes if it was asked not to compute checksums.
            crc: Some(header.crc32()).filter(|crc| *crc != 0),
            checked: OnceLock::new(),
        };
        entries.insert(name, entry);
    }
    // The count has 16 bits in small archives.
    let said = archive.entries_hint();
    match count == said || (said == u64::from(u16::MAX) && count > said) {
        true => Ok(entries),
        false => Err(TorchError::Damaged(format!(
            "it has {count} entries where it should have {said}"
        ))),
    }
}
