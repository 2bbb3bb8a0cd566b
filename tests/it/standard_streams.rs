//! Standard output and standard error that nobody reads or that lie on a full disk.

#![cfg(target_os = "linux")]

use std::fs::{File, OpenOptions};
use std::process::Stdio;

use crate::support::{svg, text};
use crate::trained::Trained;
use crate::training::Place;

/// A pipe whose reader has gone.
fn closed() -> Stdio {
    let (_, writer) = std::io::pipe().unwrap();
    writer.into()
}

/// A file on a disk without room.
fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

#[test]
fn a_standard_error_that_is_closed_or_full_does_not_end_a_training() {
    let place = Place::new();
    place.finish("whole", "--max-steps 3");
    for (run, stderr) in [("closed", closed()), ("full", full().into())] {
        let mut train = place.train(run, "--max-steps 3");
        let status = train.stdout(Stdio::null()).stderr(stderr).status().unwrap();
        assert!(status.success(), "{run}: {status}");
        place.run("whole").assert_same(&place.run(run), 3);
    }
}

#[test]
fn a_result_that_nobody_reads_is_no_error_and_one_without_room_is() {
    let place = Place::new();
    let make = |name: &str, stdout: Stdio| {
        let mut command = svg();
        command.args("init encoder --d-model 16 --layers 1 --heads 2 --d-ff 32 --out".split(' '));
        command.arg(place.path(name)).stdout(stdout);
        let output = command.output().unwrap();
        assert!(place.path(name).is_file());
        (output.status.code(), text(&output.stderr))
    };
    let (code, said) = make("closed.safetensors", closed());
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = make("full.safetensors", full().into());
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("cannot be written to standard output"),
        "{said}"
    );
}
