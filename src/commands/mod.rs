//! One file for each command: words to configurations, then one call.

mod align_stats;
pub mod bundle;
mod cache;
pub mod checks;
pub mod classes;
mod compare;
mod convert;
mod cost;
mod dataset;
pub mod decode;
mod demo;
mod distance;
mod encode;
mod evaluate;
mod export;
mod export_vae;
mod features;
pub mod generate;
mod import;
mod import_vae;
mod info;
pub mod init;
mod interpolate;
mod noise_file;
mod outputs;
pub mod pictures;
mod plot;
mod pretrain;
mod probe;
pub mod reconstruct;
mod sample;
mod sample_array;
mod saved;
mod stats;
mod sweep;
mod train;
mod tune;
mod verify;

use std::io::Write as _;

use anyhow::{Context as _, Result};
use clap::{Subcommand, ValueEnum};
use svg_store::printable_lines;

use crate::device::DeviceOptions;

#[derive(Subcommand)]
pub enum Command {
    Demo(demo::Demo),
    Pretrain(pretrain::Pretrain),
    #[command(subcommand)]
    Train(train::Train),
    Reconstruct(reconstruct::Reconstruct),
    Encode(encode::Encode),
    Decode(decode::Decode),
    AlignStats(align_stats::AlignStats),
    Stats(stats::Stats),
    Sample(sample::Sample),
    Interpolate(interpolate::Interpolate),
    Cache(cache::Cache),
    Distance(distance::Distance),
    Evaluate(evaluate::Evaluate),
    Sweep(sweep::Sweep),
    Verify(verify::Verify),
    Compare(compare::Compare),
    Probe(probe::Probe),
    Plot(plot::Plot),
    #[command(subcommand)]
    Import(import::Import),
    #[command(subcommand)]
    Export(export::Export),
    Features(features::Features),
    Info(info::Info),
    Convert(convert::Convert),
    Cost(cost::Cost),
    #[command(subcommand)]
    Dataset(dataset::Dataset),
    #[command(subcommand)]
    Init(init::Init),
    Tune(tune::Tune),
}

impl Command {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        match self {
            Self::Demo(command) => command.run(device),
            Self::Pretrain(command) => command.run(device),
            Self::Train(command) => command.run(device),
            Self::Reconstruct(command) => command.run(device),
            Self::Encode(command) => command.run(device),
            Self::Decode(command) => command.run(device),
            Self::AlignStats(command) => command.run(device),
            Self::Stats(command) => command.run(device),
            Self::Sample(command) => command.run(device),
            Self::Interpolate(command) => command.run(device),
            Self::Cache(command) => command.run(device),
            Self::Distance(command) => command.run(device),
            Self::Evaluate(command) => command.run(device),
            Self::Sweep(command) => command.run(device),
            Self::Verify(command) => command.run(device),
            Self::Compare(command) => command.run(device),
            Self::Probe(command) => command.run(device),
            Self::Import(command) => command.run(device),
            Self::Export(command) => command.run(device),
            Self::Features(command) => command.run(device),
            Self::Info(command) => command.run(device),
            Self::Convert(command) => command.run(),
            Self::Plot(command) => command.run(),
            Self::Cost(command) => command.run(),
            Self::Dataset(command) => command.run(),
            Self::Init(command) => command.run(device),
            Self::Tune(command) => command.run(device),
        }
    }
}

/// Writes a result to standard output, without what controls a terminal. A reader that has seen enough, such as `head`, is no error.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout();
    match out
        .write_all(printable_lines(text).as_bytes())
        .and_then(|()| out.flush())
    {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("the result cannot be written to standard output"),
    }
}

/// A choice as it stands on the command line.
pub fn word(value: impl ValueEnum) -> String {
    let word = value.to_possible_value();
    word.map_or(String::new(), |word| word.get_name().to_string())
}
