//! `svg`: the command line program.

#![recursion_limit = "256"]

mod allocator;
mod any_weights;
mod causes;
mod commands;
mod confusion_picture;
mod device;
mod encoder;
mod evaluation;
mod faults;
mod gathered;
mod interrupt;
mod labelled;
mod lpips;
mod memory;
mod nano;
mod pca;
mod presets;
mod progress;
mod ranges;
mod steps;
mod streamed;
mod tuned;
mod waiting;

use std::ffi::OsString;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use anyhow::{Result, anyhow};
use clap::Parser;
use svg_store::printable;

use crate::commands::Command;
use crate::device::DeviceOptions;
use crate::interrupt::{INTERRUPTED, Interrupted};
use crate::progress::status;

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
    match run(cli) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        // It has said what is kept, and how to go on.
        Err(error) if error.is::<Interrupted>() => std::process::ExitCode::from(INTERRUPTED),
        Err(error) => {
            status!("error: {}", causes::in_words(&error));
            std::process::ExitCode::FAILURE
        }
    }
}

/// Does what a command says. A card's panic is an error in words; any other goes on.
fn run(cli: Cli) -> Result<()> {
    faults::keep_quiet();
    let work = AssertUnwindSafe(|| cli.command.run(&cli.device));
    catch_unwind(work).unwrap_or_else(|payload| match faults::of_panic(&*payload) {
        Some(words) => Err(anyhow!(words)),
        None => resume_unwind(payload),
    })
}

/// Says what is wrong with the words of the command line, or what `--help` and `--version` ask for, and ends.
///
/// Words that a shell has made of other people's names are escaped, and the message then has no colours.
fn refuse(error: &clap::Error) -> ! {
    let mut words = std::env::args_os();
    let is_plain = |word: OsString| printable(&word.to_string_lossy()) == word.to_string_lossy();
    if words.all(is_plain) {
        let printed = error.print().and_then(|()| std::io::stdout().flush());
        let code = match printed {
            Err(cause) if cause.kind() != std::io::ErrorKind::BrokenPipe => {
                status!("error: it cannot be printed: {cause}");
                1
            }
            _ => error.exit_code(),
        };
        std::process::exit(code)
    }
    status!("{}", error.to_string().trim_end());
    std::process::exit(error.exit_code())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use std::any::TypeId;
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
        known.extend(["bench", "release", "features", "logdir", "long"].map(str::to_string));
        // Of containers and of `vulkaninfo`, for who has to look for a card.
        known.extend(["gpus", "summary"].map(str::to_string));
        // Of the scripts in Python that write goldens of full size.
        known.extend(["full", "by-hand", "large"].map(str::to_string));
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

    /// The types of numbers that options have.
    fn is_number(option: &clap::Arg) -> bool {
        let of = option.get_value_parser().type_id();
        let kinds = [
            TypeId::of::<usize>(),
            TypeId::of::<u64>(),
            TypeId::of::<u32>(),
            TypeId::of::<u16>(),
            TypeId::of::<f64>(),
        ];
        kinds.iter().any(|kind| of == *kind)
    }

    /// Numbers that parse as such, or nearly.
    const EXTREMES: [&str; 21] = [
        "0",
        "1",
        "2",
        "17",
        "-1",
        "65535",
        "65536",
        "1000000",
        "4294967295",
        "4294967296",
        "1099511627776",
        "9223372036854775807",
        "18446744073709551612",
        "18446744073709551615",
        "18446744073709551616",
        "0.5",
        "-0.5",
        "5e-324",
        "1e300",
        "inf",
        "NaN",
    ];

    /// Options that take every number of their type: a seed is any, steps to stop after and pictures to take at most
    /// may be more than there are, and blocks are counted by the weights.
    const ANY: [&str; 5] = ["seed", "max-steps", "limit", "reference-limit", "blocks"];

    /// Gives every option for numbers of a command, or of those below it, extreme ones, beside the words of its first
    /// example. How many options there were.
    fn walk(command: &clap::Command, name: &str) -> usize {
        let below: Vec<_> = command.get_subcommands().collect();
        if !below.is_empty() {
            let each =
                |command: &&clap::Command| walk(command, &format!("{name} {}", command.get_name()));
            return below.iter().map(each).sum();
        }
        let help = command.get_after_help().map(ToString::to_string);
        let help = help.unwrap_or_default().replace("\\\n", " ");
        let mut examples = help.lines().map(str::trim);
        let example = examples.find(|line| line.starts_with(name));
        let example = example.unwrap_or_else(|| panic!("`{name} --help` has no example"));
        let words = example.split_whitespace().take_while(|word| *word != "#");
        let words: Vec<String> = words.map(String::from).collect();
        let numbers = command.get_arguments().filter(|option| is_number(option));
        let numbers: Vec<_> = numbers.filter_map(|option| option.get_long()).collect();
        for option in &numbers {
            let flag = format!("--{option}");
            let mut others = words.clone();
            if let Some(place) = others.iter().position(|word| *word == flag) {
                others.drain(place..place + 2);
            }
            for text in EXTREMES {
                let words = others.iter().cloned().chain([format!("{flag}={text}")]);
                let error = match Cli::try_parse_from(words) {
                    Ok(_) => None,
                    Err(error) => Some(error.to_string()),
                };
                let refused = error
                    .as_ref()
                    .is_some_and(|error| error.contains("invalid value"));
                assert!(
                    error.is_none() || refused,
                    "{name} {flag}={text}: {error:?}"
                );
                let absurd = ["1e300", "inf", "NaN", "18446744073709551616"].contains(&text);
                let huge = text == "18446744073709551615" && !ANY.contains(option);
                assert!(refused || !(absurd || huge), "{name} takes {flag}={text}");
            }
        }
        numbers.len()
    }

    #[test]
    fn every_option_for_numbers_has_a_range() {
        let walked = walk(&Cli::command(), "svg");
        assert!(walked > 50, "there are more options than {walked}");
    }

    #[test]
    fn numbers_that_mean_nothing_are_refused_with_the_range() {
        let sample = "svg sample --bundle b --classes all --out o";
        let images = "--bundle b --images i --out o";
        let init = "svg init encoder --out o.safetensors";
        for (words, expected) in [
            (
                format!("{sample} --steps 4294967296"),
                "a number from 1 to 100000",
            ),
            (format!("{sample} --steps 0"), "a number from 1 to 100000"),
            (format!("{sample} --shift 0"), "a number from 0.001 to 1000"),
            (
                format!("{sample} --shift=-1"),
                "a number from 0.001 to 1000",
            ),
            (
                format!("{sample} --shift NaN"),
                "a number from 0.001 to 1000",
            ),
            (
                format!("{sample} --guidance 1e300"),
                "a number from -1000 to 1000",
            ),
            (
                format!("{sample} --count 4294967295"),
                "a number from 1 to 1000000",
            ),
            (
                format!("svg reconstruct {images} --size 1000000"),
                "a number from 1 to 16384",
            ),
            (
                format!("svg encode {images} --size 0"),
                "a number from 1 to 16384",
            ),
            (
                format!("{init} --d-model 18446744073709551612"),
                "a number from 1 to 1048576",
            ),
            (format!("{init} --layers 0"), "a number from 1 to 4096"),
            (
                "svg cache --bundle b --data d --out o --workers 999999".into(),
                "a number from 0 to 1024",
            ),
            (
                "svg cache --bundle b --data d --out o --shard-size 0".into(),
                "a number from 1 to 1048576",
            ),
            (
                "svg cost --config xl --images 0".into(),
                "a number from 1 to 1000000000000",
            ),
            (
                "svg cost --config xl --epochs=-1".into(),
                "a number from 0.001 to 1000000000",
            ),
            (
                "svg cost --config xl --on 1e300".into(),
                "or TFLOP/s such as 250",
            ),
            (
                "svg demo --minutes 1e300".into(),
                "a number from 0.01 to 100000",
            ),
            (
                "svg demo --minutes 0".into(),
                "a number from 0.01 to 100000",
            ),
            (
                "svg decode --bundle b f --out o --tile 1".into(),
                "a number from 2 to 4096",
            ),
            (
                "svg decode --bundle b f --out o --grid 4294967296x4294967296".into(),
                "of at most 4096 each",
            ),
            (
                "svg dataset shapes --out o --count 18446744073709551615".into(),
                "a number from 0 to 10000000",
            ),
        ] {
            let error = match Cli::try_parse_from(words.split_whitespace()) {
                Ok(_) => panic!("{words} was taken"),
                Err(error) => error.to_string(),
            };
            assert!(error.contains(expected), "{words}: {error}");
        }
    }
}
