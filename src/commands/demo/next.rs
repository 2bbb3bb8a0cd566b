//! What to do after a demonstration.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;
use svg_report::render;

use super::data::split;
use super::plan::{Asked, Plan, Scale};
use super::timings::Timings;

/// The command that goes on with a demonstration.
pub fn again(asked: &Asked, out: &Path) -> String {
    let tiny = asked.scale == Scale::Tiny;
    let options = [
        ("--data", asked.data.as_deref().map(quoted)),
        ("--encoder", asked.encoder.as_deref().map(quoted)),
        ("--weights-key", asked.weights_key.as_deref().map(word)),
        ("--minutes", asked.minutes.as_ref().map(f64::to_string)),
        ("--size", asked.size.as_ref().map(u32::to_string)),
        ("--seed", (asked.seed != 0).then(|| asked.seed.to_string())),
        (
            "--orientation",
            (!asked.orientation.is_default()).then(|| asked.orientation.to_string()),
        ),
        ("--plan", tiny.then(|| "tiny".to_string())),
    ];
    let mut line = format!("svg demo --out {}", quoted(out));
    for (option, value) in options {
        line += &value.map_or(String::new(), |value| format!(" {option} {value}"));
    }
    line
}

/// Commands that go on with the model, each after its description. `complete` says whether there are held-out pictures
/// of all classes.
pub fn commands(out: &Path, plan: &Plan, complete: bool) -> Vec<(String, String)> {
    let place = |name: &str| out.join(name);
    let (data, names) = (&plan.asked.data, &plan.classes);
    let [train, test] = match data.as_ref().map(|path| split(path)) {
        None => [place("data/train"), place("data/test")],
        Some(Some(folders)) => folders,
        Some(None) => [place("data/train.txt"), place("data/test.txt")],
    };
    let embedded = place("encoder.safetensors");
    let key = plan.asked.weights_key.as_deref();
    let words = json!({
        "out": quoted(out),
        "bundle": quoted(&place("bundle")),
        "autoencoder": quoted(&place("autoencoder/bundle")),
        "encoder": quoted(plan.asked.encoder.as_ref().unwrap_or(&embedded)),
        "key": key.map_or(String::new(), |key| format!(" --weights-key {}", word(key))),
        "train": quoted(&train),
        "test": quoted(&test),
        "first": class(names, 0),
        "last": class(names, names.len().saturating_sub(1)),
        "guidance": plan.samples.guidance.to_string(),
        "shift": plan.samples.shift.to_string(),
        "size": plan.size,
        "classes": names.len(),
        "complete": complete,
        "reading": match plan.asked.orientation.is_default() {
            true => String::new(),
            false => format!(" --orientation {}", plan.asked.orientation),
        },
    });
    let text = render(include_str!("next.txt"), words);
    let commands = text.trim_start_matches("# ").trim_end().split("\n# ");
    let commands = commands.filter_map(|command| command.split_once('\n'));
    commands
        .map(|(says, line)| (says.to_string(), line.to_string()))
        .collect()
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
    for (says, line) in commands(out, plan, complete) {
        let _ = writeln!(text, "  # {says}\n  {line}");
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
    use svg_image::Orientation;

    use super::*;

    #[test]
    fn a_command_can_be_typed_again() {
        let asked = Asked {
            data: Some("my photos".into()),
            encoder: Some("run.ckpt".into()),
            weights_key: Some("student.backbone".into()),
            minutes: Some(2.5),
            size: None,
            seed: 3,
            orientation: Orientation::Exif,
            scale: Scale::Whole,
        };
        assert_eq!(
            again(&asked, Path::new("demo")),
            "svg demo --out demo --data 'my photos' --encoder run.ckpt --weights-key student.backbone --minutes 2.5 \
             --seed 3 --orientation exif"
        );
        assert_eq!(word("it's"), "'it'\\''s'");
        let names = ["2019", "a,b", "red fox"].map(String::from);
        let said = [0, 1, 2].map(|number| class(&names, number));
        assert_eq!(said, ["0", "1", "'red fox'"]);
    }
}
