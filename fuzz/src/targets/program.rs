//! Readers that the program alone has, as a user starts it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::Target;
use crate::input::{Input, Seed};
use crate::verdict::Verdict;
use crate::world::World;

/// A document may ask for more work than this; that is no fault.
const PATIENCE: Duration = Duration::from_secs(15);

pub fn targets() -> Vec<Target> {
    let target = |name, about, share, seeds, check| Target {
        name,
        about,
        share,
        seeds,
        made: true,
        anew: true,
        check,
    };
    vec![
        target(
            "info",
            "`svg info` of every file and folder",
            6,
            every,
            info,
        ),
        target("plot", "`svg plot` of the table of a run", 3, table, plot),
        target("noise", "`svg sample --from-noise`", 2, noise, sample),
        target("features", "`svg decode` of features", 2, features, decode),
        target(
            "resume",
            "`svg train flow --resume` of a run",
            2,
            run,
            resume,
        ),
        target(
            "demo",
            "`svg demo` in a folder that is complete",
            1,
            demo,
            again,
        ),
    ]
}

fn every(world: &World) -> Result<Vec<Seed>> {
    let mut seeds = Vec::new();
    for name in ["bundle", "cache", "flow", "hf"] {
        seeds.extend(Seed::folder(&world.path(name))?);
    }
    for folder in ["sets", "samples", "shapes", "probe"] {
        seeds.extend(
            Seed::folder(&world.path(folder))?
                .into_iter()
                .map(|seed| Seed::file(seed.place.join(seed.file))),
        );
    }
    seeds.extend(Seed::files(
        &crate::world::repository("configs"),
        &["json"],
    )?);
    for name in [
        "moments",
        "tokens",
        "features",
        "noise",
        "images",
        "checkpoint",
    ] {
        seeds.push(Seed::file(world.path(&format!("{name}.safetensors"))));
    }
    Ok(seeds)
}

fn info(input: &Input, world: &World) -> Verdict {
    let mut command = world.program(folder_of(input));
    run_program(command.arg("info").arg(&input.place))
}

fn table(world: &World) -> Result<Vec<Seed>> {
    let all = Seed::folder(&world.path("flow"))?.into_iter();
    Ok(all
        .filter(|seed| seed.file.ends_with("steps.csv"))
        .collect())
}

fn plot(input: &Input, world: &World) -> Verdict {
    let mut command = world.program(folder_of(input));
    command.args(["plot", "--columns", "loss", "--out", "loss.svg"]);
    run_program(command.arg(&input.place))
}

fn noise(world: &World) -> Result<Vec<Seed>> {
    Ok(vec![Seed::file(world.path("noise.safetensors"))])
}

fn sample(input: &Input, world: &World) -> Verdict {
    let mut command = world.program(folder_of(input));
    command.args(["sample", "--steps", "1", "--out", "sheet.png", "--bundle"]);
    command.arg(world.path("flow/bundle")).arg("--from-noise");
    run_program(command.arg(&input.place))
}

fn features(world: &World) -> Result<Vec<Seed>> {
    Ok(vec![Seed::file(world.path("features.safetensors"))])
}

fn decode(input: &Input, world: &World) -> Verdict {
    let mut command = world.program(folder_of(input));
    command.args(["decode", "--out", "decoded", "--bundle"]);
    command.arg(world.path("bundle"));
    run_program(command.arg(&input.place))
}

fn run(world: &World) -> Result<Vec<Seed>> {
    let all = Seed::folder(&world.path("flow"))?.into_iter();
    let read = |seed: &Seed| !seed.file.starts_with("bundle") && !seed.file.starts_with("samples");
    Ok(all.filter(read).collect())
}

/// Goes on with a training for two steps. What a reader does not notice must not matter: the weights are those that
/// come without a change.
fn resume(input: &Input, world: &World) -> Verdict {
    let verdict = run_program(&mut resumed(&input.place, world));
    let weights =
        |run: &Path| fs::read(run.join("checkpoints/step-00000009/flow.safetensors")).ok();
    let Some(found) = weights(&input.place).filter(|_| verdict == Verdict::Accepted) else {
        return verdict;
    };
    let whole = folder_of(input).join("whole");
    let expected = crate::input::copy(&world.path("flow"), &whole)
        .ok()
        .and_then(|()| {
            run_program(&mut resumed(&whole, world));
            weights(&whole)
        });
    match expected == Some(found) {
        true => Verdict::Accepted,
        false => Verdict::Wrong(format!("{} was changed", input.name.display())),
    }
}

fn resumed(run: &Path, world: &World) -> Command {
    let mut command = world.program(run.parent().unwrap_or(run));
    command.args([
        "train",
        "flow",
        "--resume",
        "--max-steps",
        "9",
        "--workers",
        "1",
        "--out",
    ]);
    command.arg(run).arg("--bundle").arg(world.path("bundle"));
    command.arg("--cache").arg(world.path("cache"));
    command
}

fn demo(world: &World) -> Result<Vec<Seed>> {
    let all = Seed::folder(&world.path("demo"))?.into_iter();
    let is_document = |seed: &Seed| seed.file.extension().is_some_and(|ending| ending == "json");
    Ok(all.filter(is_document).collect())
}

fn again(input: &Input, world: &World) -> Verdict {
    let mut command = world.program(folder_of(input));
    run_program(
        command
            .args(["demo", "--plan", "tiny", "--out"])
            .arg(&input.place),
    )
}

/// The folder of the copy that this input has for itself.
fn folder_of(input: &Input) -> &Path {
    input.place.parent().unwrap_or(&input.place)
}

/// Runs the program to its end, or as long as patience lasts.
fn run_program(command: &mut Command) -> Verdict {
    let folder = command
        .get_current_dir()
        .unwrap_or(Path::new("."))
        .to_path_buf();
    let errors = folder.join("standard-error");
    let started = fs::File::create(&errors).and_then(|file| {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(file).spawn()
    });
    let ended = started.and_then(wait);
    let said = fs::read(&errors).unwrap_or_default();
    let said = String::from_utf8_lossy(&said).trim().to_string();
    let last = said.lines().next_back().unwrap_or_default().to_string();
    match ended {
        Err(error) => Verdict::Aborted(format!("the program cannot be started: {error}")),
        Ok(_) if said.contains("panicked at") => {
            let at = said.find("panicked at").unwrap_or(0);
            Verdict::Panicked(said[at..].lines().take(2).collect::<Vec<_>>().join(" "))
        }
        Ok(None) => Verdict::Accepted,
        Ok(Some(status)) => match status.code() {
            Some(0) => Verdict::Accepted,
            Some(1 | 2) => Verdict::Refused(last),
            _ => Verdict::Aborted(format!("{status}: {last}")),
        },
    }
}

/// How it ended; `None` if it was stopped.
fn wait(mut child: Child) -> std::io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}
