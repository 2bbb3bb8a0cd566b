//! What to do after a demonstration.

use std::fmt::Write as _;
use std::path::Path;

use super::plan::{Asked, Plan, Scale};
use super::timings::Timings;
use crate::report::Command;

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

/// Commands that go on with the model.
pub fn commands(out: &Path, plan: &Plan) -> Vec<Command> {
    let place = |name: &str| quoted(&out.join(name));
    let (guidance, shift) = (plan.samples.guidance, plan.samples.shift);
    let bundle = place("bundle");
    let encoder = match &plan.asked.encoder {
        Some(path) => quoted(path),
        None => place("encoder.safetensors"),
    };
    let (first, last) = (plan.classes.first(), plan.classes.last());
    let name = |class: Option<&String>| class.map_or("0".to_string(), |name| word(name));
    let [train, test] = match &plan.asked.data {
        None => [place("data/train"), place("data/test")],
        Some(_) => [place("data/train.txt"), place("data/test.txt")],
    };
    let lists = plan.asked.data.is_none() || out.join("data/train.txt").exists();
    let [train, test] = match (&plan.asked.data, lists) {
        (Some(path), false) => {
            let held_out = ["test", "val"]
                .into_iter()
                .find(|name| path.join(name).is_dir());
            [
                quoted(&path.join("train")),
                quoted(&path.join(held_out.unwrap_or("test"))),
            ]
        }
        _ => [train, test],
    };
    let command = |says: &str, line: String| Command {
        says: says.to_string(),
        line,
    };
    vec![
        command(
            "More samples, of one class",
            format!(
                "svg sample --bundle {bundle} --classes {} --count 16 --seed 1 --guidance {guidance} --shift \
                 {shift} --out more/",
                name(first)
            ),
        ),
        command(
            "A walk between two samples of a class",
            format!(
                "svg interpolate --bundle {bundle} --class {} --guidance {guidance} --shift {shift} --out \
                 walk.png",
                name(last)
            ),
        ),
        command(
            "Held-out pictures through the autoencoder and back",
            format!("svg reconstruct --bundle {bundle} --images {test} --out pairs/"),
        ),
        command(
            "What the encoder knows of the classes",
            format!(
                "svg probe --weights {encoder} --size {} --train {train} --test {test}",
                plan.size
            ),
        ),
        command(
            "A longer training of the flow; first raise `steps` in its configuration",
            format!(
                "svg train flow --config {} --data {train} --validation {test} --bundle {} --out longer/",
                place("flow/config.json"),
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
    ]
}

/// The last words: where to look, and what to type.
pub fn lines(out: &Path, plan: &Plan, timings: &Timings) -> String {
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
    for command in commands(out, plan) {
        let _ = writeln!(text, "  # {}\n  {}", command.says, command.line);
    }
    text
}

fn quoted(path: &Path) -> String {
    word(&path.display().to_string())
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
    }
}
