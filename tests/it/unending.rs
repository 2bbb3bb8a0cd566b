//! Pipes and devices that are named where a file is read, and links that lead nowhere.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use svg_image::{Rgb, RgbImage, save_png};

use super::support::{kill, svg, text};

const TINY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/golden/dinov3/tiny_swiglu/official.safetensors"
);

/// Two pictures of one class, and a pipe that nobody writes to.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    fs::create_dir_all(path("data/cat")).unwrap();
    for number in 0..2 {
        let picture = RgbImage::from_pixel(24, 24, Rgb([number * 90; 3]));
        save_png(&picture, path(&format!("data/cat/{number}.png")), &[]).unwrap();
    }
    let made = Command::new("mkfifo").arg(path("fifo")).status();
    assert!(made.unwrap().success());
    place
}

/// Whether a command succeeds and what it says; it has half a minute.
#[track_caller]
fn ran(place: &tempfile::TempDir, words: &str) -> (bool, String) {
    let mut command = svg();
    command.current_dir(place).args(words.split_whitespace());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(30) {
            kill(child);
            panic!("{words}: it does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(!said.contains("panicked"), "{words}: {said}");
    (output.status.success(), said)
}

#[test]
fn a_pipe_or_device_is_refused_wherever_a_file_is_read() {
    let place = place();
    let path = |name: &str| place.path().join(name);
    fs::write(path("list.txt"), "fifo\n").unwrap();
    fs::create_dir(path("run")).unwrap();
    fs::create_dir(path("folder")).unwrap();
    symlink("../fifo", path("run/steps.csv")).unwrap();
    symlink("../fifo", path("folder/model.safetensors")).unwrap();
    let features = format!("features --size 16 --out t.safetensors --weights {TINY}");
    let commands = [
        "info IT".to_string(),
        "info --brief IT".to_string(),
        "convert IT out.safetensors --to hf".to_string(),
        "features --size 16 --out t.safetensors --images data --weights IT".to_string(),
        format!("{features} --images IT"),
        format!("{features} --images data IT"),
        "probe --pixels --train IT --test data".to_string(),
        "pretrain --config IT --data data --out new".to_string(),
        "pretrain --config nano --data IT --out new".to_string(),
        format!("train autoencoder --config IT --data data --encoder {TINY} --out new"),
        "train autoencoder --config autoencoder_tiny --data data --encoder IT --out new"
            .to_string(),
        "import autoencoder IT --out new".to_string(),
        "demo --plan tiny --encoder IT --out new".to_string(),
        format!("distance --weights {TINY} --samples data --reference-moments IT"),
    ];
    for command in commands {
        for (it, what) in [("fifo", "it is a pipe"), ("/dev/zero", "it is a device")] {
            let words = command.replace("IT", it);
            let (success, said) = ran(&place, &words);
            assert!(!success && said.contains(what), "{words}: {said}");
        }
    }
    for words in [
        "info folder".to_string(),
        "plot run --columns loss --out loss.svg".to_string(),
        format!("{features} --images list.txt"),
    ] {
        let (success, said) = ran(&place, &words);
        let known = ["it is a pipe", "it is not a file", "holds no steps.csv"];
        let known = known.iter().any(|known| said.contains(known));
        assert!(!success && known, "{words}: {said}");
    }
    let (success, said) = ran(&place, "pretrain --config data --data data --out new");
    assert!(
        !success && said.contains("it is a folder; name a file"),
        "{said}"
    );
}

#[test]
fn links_that_lead_nowhere_and_pipes_among_pictures_are_counted_and_passed_over() {
    let place = place();
    let path = |name: &str| place.path().join(name);
    symlink("none.png", path("data/cat/2.png")).unwrap();
    symlink("..", path("data/cat/back")).unwrap();
    let made = Command::new("mkfifo").arg(path("data/cat/3.png")).status();
    assert!(made.unwrap().success());
    let features = format!("features --weights {TINY} --images data --size 16 --out t");
    let (success, said) = ran(&place, &features);
    assert!(success && said.contains("tokens of 2 images"), "{said}");
    let note =
        "note: data: 2 links that lead to nothing and 1 pipe, socket or device are not read here";
    assert!(said.contains(note), "{said}");
    let (success, said) = ran(&place, &format!("{features} --strict"));
    assert!(!success && said.contains("leave out --strict"), "{said}");
    let (success, said) = ran(&place, "probe --pixels --size 8 --train data --test data");
    assert!(!success && said.contains("one class, cat"), "{said}");
}
