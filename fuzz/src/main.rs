//! Mutated inputs for every reader of the workspace, and kills of every command that writes.
//!
//! Both need the program beside this one:
//!
//! ```sh
//! cargo build --release --workspace --bin svg --bin svg-fuzz
//! target/release/svg-fuzz inputs --count 200000
//! target/release/svg-fuzz kills --trials 500
//! ```
//!
//! Every input and every trial is a function of the seed and its number, so that a part can be done again or later
//! (`--from`). Inputs are tried in processes of their own, with a limit of memory and a limit of time for each. What
//! was found, and when, is in `docs/reliability.md`.

mod campaign;
mod container;
mod document;
mod input;
mod kills;
mod mutation;
mod rows;
mod sets;
mod tally;
mod targets;
mod verdict;
mod worker;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::campaign::Campaign;
use crate::input::Seeds;
use crate::kills::Kills;
use crate::tally::Tally;
use crate::targets::Target;
use crate::world::World;

/// Try the program: changed inputs for every reader, kills of every command that writes
#[derive(Parser)]
#[command(name = "svg-fuzz")]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Give changed files to every reader, and count what becomes of them
    ///
    /// Faults are panics, ends of the process, inputs that take too long, and changed bytes that are read although a
    /// hash covers them. A panic that the reader makes an error of is counted as caught. Exits with 1 if there is a
    /// fault.
    Inputs(Inputs),
    /// Write one changed file, to look at it
    Input(OneInput),
    /// List what `inputs` knows
    Targets,
    /// Kill commands at random moments, start them again, and compare what they leave
    ///
    /// A trial is a command in a copy of a small project, killed one to three times, started again until it ends.
    /// Then its files are those of a command that was not killed, and nothing else is left. Trainings are ended by
    /// SIGTERM in a third of the cases. Exits with 1 if a trial fails.
    Kills(KillOptions),
    /// Try inputs in this process
    #[command(hide = true)]
    Worker(Worker),
}

#[derive(Args)]
struct Project {
    /// Folder of the seeds, which is made if it is not whole [default: svg-fuzz in the folder of temporary files]
    #[arg(long, value_name = "FOLDER")]
    world: Option<PathBuf>,
    /// The program [default: svg beside this one]
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

impl Project {
    fn open(&self) -> Result<World> {
        let beside = || -> Result<PathBuf> {
            let own = std::env::current_exe()?;
            let name = format!("svg{}", std::env::consts::EXE_SUFFIX);
            Ok(own.with_file_name(name))
        };
        let svg = self.svg.clone().map_or_else(beside, Ok)?;
        let world = self.world.clone();
        let world = world.unwrap_or_else(|| std::env::temp_dir().join("svg-fuzz"));
        // Commands are started in other folders.
        World::new(&world, &std::path::absolute(svg)?)
    }
}

#[derive(Args)]
struct Inputs {
    /// Inputs of all targets together, each its share; of each target if some are named
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    count: u64,
    /// The number of the first input of each target
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// Seed of all inputs
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// A target; may be given several times [default: all]
    #[arg(long, value_name = "NAME")]
    target: Vec<String>,
    /// Processes at once
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,
    /// Longest time of an input in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    limit: u64,
    /// Most memory of a process, as address space
    #[arg(long, value_name = "GIB", default_value_t = 8)]
    memory: u64,
    #[command(flatten)]
    project: Project,
}

#[derive(Args)]
struct OneInput {
    /// The target
    #[arg(long, value_name = "NAME")]
    target: String,
    /// The number of the input
    #[arg(long, value_name = "N")]
    number: u64,
    /// Seed of all inputs
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    project: Project,
}

#[derive(Args)]
struct KillOptions {
    /// Trials of all commands together, in turns
    #[arg(long, value_name = "N", default_value_t = 500)]
    trials: u64,
    /// The number of the first trial
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// Seed of all moments
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// A command by its name; may be given several times [default: all]
    #[arg(long, value_name = "NAME")]
    command: Vec<String>,
    /// Trials at once
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,
    #[command(flatten)]
    project: Project,
}

#[derive(Args)]
struct Worker {
    #[arg(long)]
    target: String,
    #[arg(long)]
    seed: u64,
    #[arg(long)]
    from: u64,
    #[arg(long)]
    to: u64,
    #[command(flatten)]
    project: Project,
}

fn main() -> ExitCode {
    match run(Options::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing was found.
fn run(command: Command) -> Result<bool> {
    match command {
        Command::Inputs(inputs) => inputs.run(),
        Command::Input(input) => input.run(),
        Command::Targets => {
            for target in targets::all() {
                println!("{:12} {:>4}  {}", target.name, target.share, target.about);
            }
            Ok(true)
        }
        Command::Kills(kills) => {
            let world = kills.project.open()?;
            world.make()?;
            let kills = Kills {
                world: &world,
                seed: kills.seed,
                jobs: kills.jobs,
                trials: kills.from..kills.from + kills.trials,
                only: kills.command,
            };
            kills.run()
        }
        Command::Worker(worker) => {
            let world = worker.project.open()?;
            worker::work(&worker.target, worker.seed, worker.from, worker.to, &world)?;
            Ok(true)
        }
    }
}

impl Inputs {
    fn run(self) -> Result<bool> {
        let world = self.project.open()?;
        let campaign = Campaign {
            world: &world,
            seed: self.seed,
            jobs: self.jobs,
            limit: Duration::from_secs(self.limit),
            memory: self.memory << 20,
        };
        let mut faulty = 0;
        let mut all = Tally::default();
        println!("seed {}, from {}\n{}", self.seed, self.from, Tally::head());
        let mut details = String::new();
        let counts = self.counts()?;
        if counts.iter().any(|(target, _)| target.made) {
            world.make()?;
        }
        for (target, count) in counts {
            let tally = campaign.target(target.name, self.from, self.from + count)?;
            println!("{}", tally.row(target.name));
            faulty += tally.faulty();
            details += &tally.details(target.name);
            all.add(tally);
        }
        println!("{}\n{details}{faulty} faults", all.row("together"));
        Ok(faulty == 0)
    }

    /// How many inputs each target gets.
    fn counts(&self) -> Result<Vec<(Target, u64)>> {
        if !self.target.is_empty() {
            let names = self.target.iter();
            return names
                .map(|name| Ok((targets::find(name)?, self.count)))
                .collect();
        }
        let all = targets::all();
        let shares: u64 = all.iter().map(|target| target.share).sum();
        let count = |target: &Target| (self.count * target.share).div_ceil(shares);
        let all = all.into_iter().filter(|target| target.share > 0);
        Ok(all
            .map(|target| {
                let count = count(&target);
                (target, count)
            })
            .collect())
    }
}

impl OneInput {
    fn run(self) -> Result<bool> {
        let world = self.project.open()?;
        let target = targets::find(&self.target)?;
        if target.made {
            world.make()?;
        }
        let seeds = Seeds::read((target.seeds)(&world)?, target.name)?;
        let changed = seeds.input(target.name, self.seed, self.number);
        let failed = || self.out.display().to_string();
        std::fs::write(&self.out, &changed.bytes).with_context(failed)?;
        let seed = seeds.seed(changed.seed);
        println!("{} of {}", seed.file.display(), seed.place.display());
        Ok(true)
    }
}
