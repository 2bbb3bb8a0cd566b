//! One part of a bundle, and what a new one is made of.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use svg_nn::{CHANNELS, CLASSES, GRID, SIDE, StoredTensor, save_tensors};
use svg_roles::{Geometry, VelocitySpec};
use svg_store::{Checked, checked_json, first, outside};

use crate::ModelError;

/// The name of the frozen encoder's part.
pub const ENCODER: &str = "encoder";
/// The name of the part that turns images into features and back.
pub const SPACE: &str = "space";
/// The name of the statistics that features are normalised by.
pub const LATENTS: &str = "latents";
/// The name of the velocity network's part.
pub const FLOW: &str = "flow";

/// What a manifest says of one part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// What opens it: a key of the [`Registry`](crate::Registry).
    pub kind: String,
    /// A name for people, such as that of a released architecture.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Everything that its files do not say, such as sizes.
    #[serde(default)]
    pub config: Value,
    /// Of an encoder, a hash of its weights; of a space, a hash of everything that features depend on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Fingerprints of what it belongs to, such as the `features` of a flow.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub belongs_to: BTreeMap<String, String>,
    /// Weights that are referred to and not copied; relative to the bundle if they lie inside it. Of a new part,
    /// `<stem>.safetensors` is its new file of that stem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
    /// Of a space, how its latents lie over an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geometry: Option<Geometry>,
    /// Of a flow, the sizes of its latents and the number of its classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub velocity: Option<VelocitySpec>,
    /// Of a flow, the names of its classes in the order of their labels; empty if they are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// How it came about.
    #[serde(default)]
    pub provenance: Provenance,
    /// Its files in the folder.
    #[serde(default)]
    pub files: BTreeMap<String, FileEntry>,
}

/// How a part came about, for people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The program and version that wrote it.
    pub made_by: String,
    /// Imported from this file, or trained on this data.
    pub source: String,
    /// Optimiser steps, if it was trained here.
    pub steps: Option<u64>,
    /// The perceptual distance that it was trained with: LPIPS, or features of the encoder.
    pub perceptual: Option<String>,
    /// Anything else a reader should know.
    pub notes: Vec<String>,
}

/// One file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

/// A part that is to be written.
#[derive(Default)]
pub struct NewPart {
    /// What the manifest will say. Its `files` are those of the old part that stay; the new ones are filled in.
    pub part: Part,
    /// Its files.
    pub files: Vec<NewFile>,
}

/// A safetensors file that is to be written, as `<stem>-<hash>.safetensors`, so that no file ever takes the place of
/// another.
pub struct NewFile {
    /// The beginning of its name.
    pub stem: String,
    /// Its tensors.
    pub tensors: Vec<StoredTensor>,
    /// Its free-text metadata.
    pub metadata: HashMap<String, String>,
}

impl NewPart {
    /// A part of `kind` with `config`, without files.
    ///
    /// # Panics
    ///
    /// If `config` cannot be written as JSON.
    pub fn new(kind: &str, config: &impl Serialize) -> Self {
        Self {
            part: Part {
                kind: kind.to_string(),
                config: serde_json::to_value(config).expect("a configuration is JSON"),
                ..Part::default()
            },
            files: vec![],
        }
    }

    /// With one more file.
    pub fn with_file(mut self, file: NewFile) -> Self {
        self.files.push(file);
        self
    }
}

impl NewFile {
    /// Creates one.
    pub fn new(stem: &str, tensors: Vec<StoredTensor>, metadata: HashMap<String, String>) -> Self {
        Self {
            stem: stem.to_string(),
            tensors,
            metadata,
        }
    }

    /// Writes the tensors under a name of their own, whole or not at all.
    pub(crate) fn save(&self, path: &Path) -> Result<(), ModelError> {
        Ok(save_tensors(path, &self.tensors, self.metadata.clone())?)
    }

    /// Whether `name` is that of an earlier file of the same stem. Some had no hash in their names.
    pub(crate) fn replaces(stem: &str, name: &str) -> bool {
        let rest = name.strip_prefix(stem);
        rest.is_some_and(|rest| rest.starts_with('-') || rest == ".safetensors")
    }
}

impl Part {
    /// The configuration, every field of which must be known and in its range.
    ///
    /// # Errors
    ///
    /// In words, what is missing, not known or outside its range.
    pub fn read_config<T: DeserializeOwned + Serialize + Checked>(&self) -> Result<T, String> {
        checked_json(&self.config.to_string())
    }

    /// The name of the file of that stem.
    pub fn file(&self, stem: &str) -> Option<&str> {
        let mut names = self.files.keys().map(String::as_str);
        names.find(|name| NewFile::replaces(stem, name))
    }
}

/// The sizes that are used before a part is opened. There is a name for each class or for none.
impl Checked for Part {
    fn problem(&self) -> Option<String> {
        let geometry = self.geometry.and_then(|geometry| {
            let [height, width] = geometry.image;
            first([
                outside("geometry.image[0]", height, SIDE),
                outside("geometry.image[1]", width, SIDE),
                outside("geometry.rows", geometry.rows, 1..=height),
                outside("geometry.columns", geometry.columns, 1..=width),
                outside("geometry.channels", geometry.channels, CHANNELS),
            ])
        });
        let velocity = self.velocity.and_then(|velocity| {
            let (classes, names) = (velocity.classes, self.classes.len());
            let named = (names > 0 && names != classes).then(|| {
                format!("classes has {names} names, and velocity.classes is {classes}; give each its name, or none")
            });
            first([
                outside("velocity.grid[0]", velocity.grid[0], GRID),
                outside("velocity.grid[1]", velocity.grid[1], GRID),
                outside("velocity.channels", velocity.channels, CHANNELS),
                outside("velocity.classes", classes, 0..=*CLASSES.end()),
                named,
            ])
        });
        geometry.or(velocity)
    }
}
