//! `svg`: the command line program.

#![recursion_limit = "256"]

#[macro_use]
mod terminal;

mod allocator;
mod causes;
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
mod streamed;

use std::ffi::OsString;

use clap::Parser;
use svg_store::printable;

use crate::commands::Command;
use crate::device::DeviceOptions;
use crate::interrupt::Interrupted;

/// Latent diffusion on frozen DINOv3 features.
///
/// Commands print results on standard output, progress and warnings on standard error, and leave no
/// half-written file: what has its final name is whole. None writes over what it reads.
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
    let cli = Cli::try_parse().unwrap_or_else(|error| refuse(&error));
    match cli.command.run(&cli.device) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        // It has said what is kept, and how to go on.
        Err(error) if error.is::<Interrupted>() => std::process::ExitCode::from(130),
        Err(error) => {
            eprintln!("error: {}", causes::in_words(&error));
            std::process::ExitCode::FAILURE
        }
    }
}

/// Says what is wrong with the words of the command line, or what `--help` and `--version` ask for, and ends.
///
/// Words that a shell has made of other people's names are escaped, and the message then has no colours.
fn refuse(error: &clap::Error) -> ! {
    let mut words = std::env::args_os();
    let is_plain = |word: OsString| printable(&word.to_string_lossy()) == word.to_string_lossy();
    if words.all(is_plain) {
        error.exit()
    }
    eprintln!("{}", error.to_string().trim_end());
    std::process::exit(error.exit_code())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

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

    /// Every option of a command and of those below it, hidden ones as well.
    fn options(command: &clap::Command, known: &mut BTreeSet<String>) {
        let own = command
            .get_arguments()
            .filter_map(|option| option.get_long());
        known.extend(own.map(str::to_string));
        for below in command.get_subcommands() {
            options(below, known);
        }
    }

    /// The sources in a folder and below.
    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => sources(&path, found),
                Some(ending) if ending == "rs" => found.push(path),
                _ => {}
            }
        }
    }

    #[test]
    fn every_option_that_a_source_mentions_is_one_of_the_program() {
        let mut known = BTreeSet::from(["help", "version"].map(str::to_string));
        options(&Cli::command(), &mut known);
        // Of cargo, for who has to compile the program, of TensorBoard and of zstd.
        known.extend(["release", "features", "logdir", "long"].map(str::to_string));
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = Vec::new();
        sources(&root.join("src"), &mut found);
        sources(&root.join("crates"), &mut found);
        assert!(
            found.len() > 200,
            "looked in the wrong place: {}",
            found.len()
        );
        let mut unknown = Vec::new();
        for path in found {
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (at, _) in text.match_indices("--") {
                let begins = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '-');
                let word = text[at + 2..].split(|c: char| !(c.is_ascii_lowercase() || c == '-'));
                let word = word
                    .into_iter()
                    .next()
                    .unwrap_or_default()
                    .trim_end_matches('-');
                if begins && word.len() > 1 && !known.contains(word) {
                    unknown.push(format!("{}: --{word}", path.display()));
                }
            }
        }
        assert!(
            unknown.is_empty(),
            "no command has these:\n{}",
            unknown.join("\n")
        );
    }
}
