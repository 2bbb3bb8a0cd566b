//! `svg`: the command line program.

#![recursion_limit = "256"]

mod allocator;
mod commands;
mod device;
mod encoded;
mod pca;
mod progress;

use clap::Parser;

use crate::commands::Command;
use crate::device::DeviceOptions;

/// Latent diffusion on frozen DINOv3 features.
///
/// Commands print results on standard output, progress and warnings on standard error, and leave no
/// half-written file: what has its final name is whole.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    device: DeviceOptions,
    #[command(subcommand)]
    command: Command,
}

fn main() -> std::process::ExitCode {
    allocator::keep_memory();
    let cli = Cli::parse();
    match cli.command.run(&cli.device) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
