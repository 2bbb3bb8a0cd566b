//! Signals that come twice, are ignored, or leave too little time.

#![cfg(unix)]

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{signal, text};
use crate::trained::Trained;
use crate::training::Place;

#[test]
fn a_signal_that_comes_twice_asks_once() {
    // As `timeout` sends it: to its command, and to the process group.
    let place = Place::new();
    let child = place.train("run", "").spawn().unwrap();
    let run = place.run("run");
    run.wait_for_row(2);
    signal(&child, "TERM");
    signal(&child, "TERM");
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("a checkpoint of step"), "{said}");
    assert_eq!(run.newest(), Some(run.last_row()));
}

#[test]
fn under_nohup_a_closed_terminal_ends_nothing() {
    let place = Place::new();
    let train = place.train("run", "");
    let child = Command::new("sh")
        .args(["-c", "trap '' HUP; exec \"$@\"", "sh"])
        .arg(train.get_program())
        .args(train.get_args())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let run = place.run("run");
    run.wait_for_row(2);
    signal(&child, "HUP");
    run.wait_for_row(run.last_row() + 5);
    signal(&child, "TERM");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert_eq!(run.newest(), Some(run.last_row()));
}

#[test]
fn a_step_that_outlasts_the_grace_is_lost_and_the_checkpoint_before_it_stays() {
    let place = Place::new();
    let config = fs::read_to_string(place.path("config.json")).unwrap();
    // A step of half a minute, before which its pictures are read in a second.
    let config = config.replace("\"accumulation\": 1", "\"accumulation\": 600");
    let config = config.replace("\"width\": 8", "\"width\": 64");
    fs::write(place.path("config.json"), config).unwrap();
    let child = place.train("run", "--grace 1").spawn().unwrap();
    let (run, begun) = (place.run("run"), Instant::now());
    while run.newest().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(60), "no checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_secs(4));
    let asked = Instant::now();
    signal(&child, "TERM");
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("within 1 s"), "{said}");
    assert!(said.contains("the time of --grace is over"), "{said}");
    assert!(asked.elapsed() < Duration::from_secs(10), "{said}");
    assert_eq!((run.newest(), run.last_row()), (Some(0), 0));
}
