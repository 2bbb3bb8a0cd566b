//! What judging 50,000 samples costs once their features are known: FID, sFID, IS, precision and recall by `adm`.
//!
//! ```text
//! cargo bench --bench evaluate -- --samples 50000 --reference 10000
//! ```
//!
//! Features are drawn and kept in files as `svg evaluate --save-samples` keeps them, in parts of 5,000 as of ten machines.
//! The program itself is run on them, and says at its end how long it took and how much memory it held.

mod support;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use burn::prelude::*;
use burn::store::bridge;
use burn::tensor::TensorData;
use clap::Parser;
use svg_eval::{Features, Moments};
use svg_inception::{Inception, InceptionV3, Kind, Resize};
use svg_nn::{StoredTensor, save_tensors};
use svg_roles::Embedding as _;
use svg_store::Random;

/// Samples of one file.
const PART: usize = 5000;

/// Judges drawn features.
#[derive(Parser)]
struct Options {
    /// Samples.
    #[arg(long, default_value_t = 50_000)]
    samples: usize,
    /// Images of the reference.
    #[arg(long, default_value_t = 10_000)]
    reference: usize,
    /// What cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let folder = tempfile::tempdir()?;
    let weights = folder.path().join("inception.safetensors");
    save_tensors(
        &weights,
        &InceptionV3::init(Kind::Fid, &Device::flex()).tensors(),
        HashMap::new(),
    )?;
    let of = Inception::open(&weights, Resize::Tensorflow, &Device::flex())?.name();
    let part = |index: usize| -> Result<PathBuf> {
        let path = folder.path().join(format!("part-{index}.safetensors"));
        write(
            &path,
            &of,
            PART.min(options.samples - index * PART),
            1 + index as u64,
        )?;
        Ok(path)
    };
    let parts = (0..options.samples.div_ceil(PART))
        .map(part)
        .collect::<Result<Vec<_>>>()?;
    let reference = folder.path().join("reference.safetensors");
    write(&reference, &of, options.reference, 0)?;
    let mut program = Command::new(env!("CARGO_BIN_EXE_svg"));
    program
        .args(["evaluate", "--protocol", "adm", "--inception"])
        .arg(&weights);
    program
        .arg("--samples")
        .args(&parts)
        .arg("--reference")
        .arg(&reference);
    ensure!(program.status()?.success(), "svg evaluate failed");
    Ok(())
}

/// Keeps features of so many images: positive, of deviations that fall with the channel, as Inception's are.
fn write(path: &Path, of: &str, rows: usize, seed: u64) -> Result<()> {
    let drawn = |channels: usize, stream: u64| {
        let mut random = Random::keyed([seed, stream, 0, 0]);
        let mut features = Features::new(channels);
        for _ in 0..rows {
            let normal = random.gaussian(channels).into_iter().enumerate();
            let row = normal.map(|(at, value)| (0.3 + value / (1.0 + at as f32).sqrt()).abs());
            features.push_rows(&row.collect::<Vec<_>>());
        }
        features
    };
    let (features, logits, spatial) = (drawn(2048, 0), drawn(1008, 1), drawn(2023, 2));
    let moments: Moments = spatial.moments();
    let table = |name: &str, rows: &Features| {
        tensor(
            name,
            TensorData::new(rows.values().to_vec(), [rows.len(), rows.channels()]),
        )
    };
    let channels = moments.channels();
    let tensors = [
        table("features", &features),
        table("logits", &logits),
        table("spatial", &spatial),
        tensor("spatial.count", TensorData::new(vec![rows as u64], [1])),
        tensor(
            "spatial.mean",
            TensorData::new(moments.mean().to_vec(), [channels]),
        ),
        tensor(
            "spatial.covariance",
            TensorData::new(moments.covariance_matrix(), [channels, channels]),
        ),
    ];
    let said = [
        ("of", of),
        ("source", "drawn features"),
        ("data", &seed.to_string()),
    ];
    let said = said.map(|(key, value)| (key.to_string(), value.to_string()));
    Ok(save_tensors(path, &tensors, HashMap::from(said))?)
}

fn tensor(name: &str, data: TensorData) -> StoredTensor {
    bridge::from_data(data, name.to_string(), None)
}
