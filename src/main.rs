//! `svg`: the command line program.

#![recursion_limit = "256"]

mod allocator;
mod commands;
mod confusion_picture;
mod device;
mod encoder;
mod gathered;
mod interrupt;
mod labelled;
mod lpips;
mod memory;
mod nano;
mod pca;
mod presets;
mod progress;
mod steps;

use clap::Parser;

use crate::commands::Command;
use crate::device::DeviceOptions;
use crate::interrupt::Interrupted;

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
        Ok(()) => std::process::ExitCode::SUCCESS,
        // It has said what is kept, and how to go on.
        Err(error) if error.is::<Interrupted>() => std::process::ExitCode::from(130),
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// Checks the examples of a command, or of those below it; how many commands were checked.
    fn check(command: &clap::Command, name: &str) -> usize {
        let below: Vec<_> = command.get_subcommands().collect();
        if !below.is_empty() {
            let each = |command: &&clap::Command| {
                check(command, &format!("{name} {}", command.get_name()))
            };
            return below.iter().map(each).sum();
        }
        let help = command.get_after_help().map(ToString::to_string);
        let help = help.unwrap_or_default().replace("\\\n", " ");
        let examples = help.strip_prefix("Examples:\n");
        let examples = examples.unwrap_or_else(|| panic!("`{name} --help` has no examples"));
        for example in examples.lines() {
            let words = example.split_whitespace().take_while(|word| *word != "#");
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("`{name} --help` has an example that does not parse: {error}");
            }
        }
        assert!(examples.contains(name), "`{name} --help` shows no {name}");
        1
    }

    #[test]
    fn every_command_has_examples_and_they_parse() {
        let checked = check(&Cli::command(), "svg");
        assert!(checked > 15, "there are more commands than {checked}");
    }
}
