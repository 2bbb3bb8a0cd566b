//! One file of features.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;

use burn::store::bridge;
use burn::store::burn_pack::Bytes;
use burn::tensor::TensorData;
use crc32c::crc32c;
use serde::{Deserialize, Serialize};
use svg_nn::{LoadError, StoredTensor, save_tensors};
use svg_store::{Dtype, OpenError, Safetensors, Sha256, plain_json};

use super::plan::CachePlan;

/// The key of a shard's only metadata.
const KEY: &str = "cache";

/// The metadata of a shard.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    plan: CachePlan,
    shard: usize,
}

/// The contents of a shard that is being made.
#[derive(Default)]
pub(super) struct Contents {
    /// Packed numbers, `[pictures, variants, tokens, channels]`.
    pub features: Vec<u8>,
    /// The class of each picture.
    pub labels: Vec<i64>,
    /// The number of each picture in its set.
    pub pictures: Vec<i64>,
}

impl Contents {
    /// Writes the shard, whole or not at all.
    pub fn save(self, path: &Path, plan: &CachePlan, number: usize) -> Result<(), LoadError> {
        let header = Header {
            plan: plan.clone(),
            shard: number,
        };
        let header = serde_json::to_string(&header).expect("plain fields always serialise");
        let count = self.labels.len();
        let integers = |name: &str, values: Vec<i64>, shape: &[usize]| {
            bridge::from_data(
                TensorData::new(values, shape.to_vec()),
                name.to_string(),
                None,
            )
        };
        let variants = self.features.chunks_exact(plan.variant_bytes());
        let sums = variants.map(|variant| crc32c(variant).into()).collect();
        let tensors = [
            StoredTensor::new(
                "features".to_string(),
                plan.dtype.in_memory(),
                shape(plan, count),
                None,
                Bytes::from_bytes_vec(self.features),
            ),
            integers("labels", self.labels, &[count]),
            integers("pictures", self.pictures, &[count]),
            integers("sums", sums, &[count, plan.variants.count()]),
        ];
        save_tensors(path, &tensors, HashMap::from([(KEY.to_string(), header)]))
    }
}

fn shape(plan: &CachePlan, pictures: usize) -> Vec<usize> {
    let [rows, columns, channels] = plan.grid;
    vec![pictures, plan.variants.count(), rows * columns, channels]
}

/// Why a file is not the shard that was asked for.
pub(super) enum Unfit {
    /// There is none.
    Missing,
    /// It is damaged, in words.
    Damaged(String),
    /// It is whole and belongs to another cache; the difference in words.
    Other(String),
}

/// A shard, mapped into memory. Its file must not be changed meanwhile.
#[derive(Debug)]
pub(super) struct Shard {
    file: Safetensors,
    features: Range<usize>,
    /// The class of each picture.
    pub labels: Vec<usize>,
    /// The number of each picture in its set.
    pub pictures: Vec<usize>,
    /// The checksum of each variant of each picture; `None` in a cache of format 1.
    sums: Option<Vec<usize>>,
}

impl From<String> for Unfit {
    fn from(damage: String) -> Self {
        Self::Damaged(damage)
    }
}

impl Shard {
    /// Opens the shard of that number, and checks that it is what the plan says; its features are not read.
    pub fn open(path: &Path, plan: &CachePlan, number: usize) -> Result<Self, Unfit> {
        let file = Safetensors::open(path).map_err(|error| match error {
            OpenError::System(error) if error.kind() == ErrorKind::NotFound => Unfit::Missing,
            error => error.to_string().into(),
        })?;
        let told = file.metadata().get(KEY);
        let told = told.ok_or_else(|| "it does not say what it is of".to_string())?;
        let told: Header = plain_json(told)?;
        if let Some(difference) = told.plan.difference(plan) {
            return Err(Unfit::Other(difference));
        }
        if told.shard != number {
            return Err(format!("it is shard {}, not {number}", told.shard).into());
        }
        Ok(Self::checked(file, plan, number)?)
    }

    /// The tensors of the shard of that number, or how they are damaged.
    fn checked(file: Safetensors, plan: &CachePlan, number: usize) -> Result<Self, String> {
        let tensor = |name: &str| {
            let found = file.tensor(name);
            found.ok_or_else(|| format!("{name} is missing"))
        };
        let integers = |name: &str, below: usize| -> Result<Vec<usize>, String> {
            let tensor = tensor(name)?;
            if tensor.dtype != Dtype::I64 {
                let found = tensor.dtype;
                return Err(format!("{name} is of type {found:?}, not I64"));
            }
            let (words, _) = file.data(tensor).as_chunks();
            let number = |word: &[u8; 8]| {
                let value = i64::from_le_bytes(*word);
                let known = usize::try_from(value).ok().filter(|value| *value < below);
                known.ok_or_else(|| format!("{name} has {value}, which is not below {below}"))
            };
            words.iter().map(number).collect()
        };
        let pictures = integers("pictures", plan.pictures())?;
        let labels = integers("labels", plan.classes.len())?;
        let sums = file.tensor("sums").map(|_| integers("sums", usize::MAX));
        let sums = sums.transpose()?;
        let info = tensor("features")?;
        let (dtype, shape) = (plan.dtype.on_disk(), shape(plan, pictures.len()));
        if (info.dtype, &info.shape) != (dtype, &shape) || labels.len() != pictures.len() {
            return Err(format!(
                "its features are {:?} {:?} with {} labels where the index says {dtype:?} {shape:?}",
                info.dtype,
                info.shape,
                labels.len()
            ));
        }
        let needed = pictures.len() * plan.variants.count();
        if let Some(sums) = &sums
            && sums.len() != needed
        {
            let found = sums.len();
            return Err(format!("it has {found} checksums for {needed} variants"));
        }
        let range = plan.range(number);
        if !pictures.iter().all(|picture| range.contains(picture)) || !pictures.is_sorted() {
            let (start, last) = (range.start, range.end - 1);
            return Err(format!("its pictures are not of {start} to {last}"));
        }
        Ok(Self {
            features: info.range.clone(),
            file,
            labels,
            pictures,
            sums,
        })
    }

    /// Bytes of the whole file.
    pub fn bytes(&self) -> u64 {
        self.file.bytes().len() as u64
    }

    /// SHA-256 of all bytes but the features.
    pub fn head(&self) -> String {
        let bytes = self.file.bytes();
        let mut hash = Sha256::new();
        hash.update(&bytes[..self.features.start]);
        hash.update(&bytes[self.features.end..]);
        hash.finish()
    }

    /// Whether its features have checksums.
    pub fn is_checked(&self) -> bool {
        self.sums.is_some()
    }

    /// Compares all features with their checksums.
    pub fn check(&self, plan: &CachePlan) -> Result<(), String> {
        let variants = |row| (0..plan.variants.count()).map(move |variant| (row, variant));
        let mut all = (0..self.pictures.len()).flat_map(variants);
        all.try_for_each(|(row, variant)| self.variant(plan, row, variant).map(|_| ()))
    }

    /// The packed numbers of one variant of the picture in a row, or how they are damaged.
    pub fn variant(&self, plan: &CachePlan, row: usize, variant: usize) -> Result<&[u8], String> {
        let begin = row * plan.picture_bytes() + variant * plan.variant_bytes();
        let bytes = &self.file.bytes()[self.features.clone()][begin..begin + plan.variant_bytes()];
        let sum = row * plan.variants.count() + variant;
        match &self.sums {
            Some(sums) if sums[sum] != crc32c(bytes) as usize => Err(format!(
                "the features of picture {} are not what was written",
                self.pictures[row]
            )),
            _ => Ok(bytes),
        }
    }
}
