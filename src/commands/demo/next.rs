//! What to do after a demonstration.

use std::fmt::Write as _;
use std::path::Path;

use svg_report::Command;

use super::data::split;
use super::plan::{Asked, Plan, Scale};
use super::timings::Timings;

/// The command that goes on with a demonstration.
pub fn again(asked: &Asked, out: &Path) -> String {
    let mut line = format!("svg demo --out {}", quoted(out));
    for (option, path) in [("--data", &asked.data), ("--encoder", &asked.encoder)] {
        if let Some(path) = path {
            line += &format!(" {option} {}", quoted(path));
        }
    }
    if let Some(minutes) = asked.minutes {
        line += &format!(" --minutes {minutes}");
    }
    if let Some(size) = asked.size {
        line += &format!(" --size {size}");
    }
    if asked.seed != 0 {
        line += &format!(" --seed {}", asked.seed);
    }
    if asked.scale == Scale::Tiny {
        line += " --plan tiny";
    }
    line
}

/// Commands that go on with the model. `complete` says whether there are held-out pictures of all classes.
pub fn commands(out: &Path, plan: &Plan, complete: bool) -> Vec<Command> {
    let place = |name: &str| quoted(&out.join(name));
    let (guidance, shift) = (plan.samples.guidance, plan.samples.shift);
    let bundle = place("bundle");
    let encoder = match &plan.asked.encoder {
        Some(path) => quoted(path),
        None => place("encoder.safetensors"),
    };
    let (first, last) = (0, plan.classes.len().saturating_sub(1));
    let [train, test] = match &plan.asked.data {
        None => [place("data/train"), place("data/test")],
        Some(path) => match split(path) {
            Some(folders) => folders.map(|folder| quoted(&folder)),
            None => [place("data/train.txt"), place("data/test.txt")],
        },
    };
    let validation = match complete {
        true => format!(" --validation {test}"),
        false => String::new(),
    };
    let command = |says: &str, line: String| Command {
        says: says.to_string(),
        line,
    };
    let mut commands = vec![
        command(
            "More samples, of one class",
            format!(
                "svg sample --bundle {bundle} --classes {} --count 16 --seed 1 --guidance {guidance} --shift \
                 {shift} --out more/",
                class(&plan.classes, first)
            ),
        ),
        command(
            "A walk between two samples of a class",
            format!(
                "svg interpolate --bundle {bundle} --class {} --guidance {guidance} --shift {shift} --out \
                 walk.png",
                class(&plan.classes, last)
            ),
        ),
        command(
            "Held-out pictures through the autoencoder and back",
            format!("svg reconstruct --bundle {bundle} --images {test} --out pairs/"),
        ),
        command(
            "A longer training of the flow; longer.json is a copy of `flow/config.json` with more `steps`",
            format!(
                "svg train flow --config longer.json --data {train}{validation} --bundle {} --out longer/",
                place("autoencoder/bundle")
            ),
        ),
        command(
            "The same job on pictures of your own, in a folder for each class",
            "svg demo --data PHOTOS --minutes 60 --out mine/".to_string(),
        ),
        command(
            "Losses as they fell",
            format!("tensorboard --logdir {}", quoted(out)),
        ),
    ];
    if complete && plan.classes.len() > 1 {
        let size = plan.size;
        commands.push(command(
            "What the encoder knows of the classes",
            format!("svg probe --weights {encoder} --size {size} --train {train} --test {test}"),
        ));
    }
    commands
}

/// The last words: where to look, and what to type.
pub fn lines(out: &Path, plan: &Plan, complete: bool, timings: &Timings) -> String {
    let mut text = String::new();
    let places = [
        ("report.html", "the report: open it in a browser"),
        ("samples.png", "samples, by the number of steps"),
        ("samples/", "sheets and pictures of each number of steps"),
        ("bundle/", "the model, for every other command"),
        ("measurements.json", "the figures"),
    ];
    for (name, what) in places {
        let _ = writeln!(text, "{}: {what}", out.join(name).display());
    }
    let _ = writeln!(
        text,
        "\n{:.1} minutes in all. To go on:",
        timings.total() / 60.0
    );
    for command in commands(out, plan, complete) {
        let _ = writeln!(text, "  # {}\n  {}", command.says, command.line);
    }
    text
}

fn quoted(path: &Path) -> String {
    word(&path.display().to_string())
}

/// A class by its name, or by its number where the name would be read as something else.
fn class(names: &[String], number: usize) -> String {
    let ambiguous = |name: &&String| {
        name.parse::<usize>().is_ok()
            || name.contains(',')
            || name.starts_with('-')
            || ["all", "random"].contains(&name.as_str())
    };
    match names.get(number).filter(|name| !ambiguous(name)) {
        Some(name) => word(name),
        None => number.to_string(),
    }
}

/// A word of a command line.
fn word(text: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+=:,@%".contains(letter);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_string(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed_again() {
        let asked = Asked {
            data: Some("my photos".into()),
            encoder: None,
            minutes: Some(2.5),
            size: None,
            seed: 3,
            scale: Scale::Whole,
        };
        assert_eq!(
            again(&asked, Path::new("demo")),
            "svg demo --out demo --data 'my photos' --minutes 2.5 --seed 3"
        );
        assert_eq!(word("it's"), "'it'\\''s'");
        let names = ["2019", "a,b", "red fox"].map(String::from);
        let said = [0, 1, 2].map(|number| class(&names, number));
        assert_eq!(said, ["0", "1", "'red fox'"]);
    }
}
