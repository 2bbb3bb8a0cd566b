//! `svg`: the command line program.

#![recursion_limit = "256"]

mod commands;
mod device;
mod encoded;
mod pca;
mod progress;

use clap::Parser;
use mimalloc::MiMalloc;

use crate::commands::Command;
use crate::device::DeviceOptions;

/// Activations are tens of megabytes that live for microseconds. The system's allocator returns each to
/// the kernel, which clears it page by page; this one keeps them, and encoding takes half the time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

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
    let cli = Cli::parse();
    match cli.command.run(&cli.device) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
