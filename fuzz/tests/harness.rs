//! The program finds each kind of fault, its inputs are functions of their numbers, and a few of them find nothing in
//! the readers of pictures and weights.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn fuzz(words: &str, world: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_svg-fuzz"));
    command
        .args(words.split_whitespace())
        .arg("--world")
        .arg(world);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The numbers in a row of the table.
fn row(table: &str, target: &str) -> Vec<u64> {
    let row = table.lines().find(|line| line.starts_with(target)).unwrap();
    let words = row.split_whitespace().skip(1);
    words.map_while(|word| word.parse().ok()).collect()
}

#[cfg(unix)]
#[test]
fn every_kind_of_fault_is_found_and_the_other_inputs_are_still_tried() {
    let world = tempfile::tempdir().unwrap();
    let words = "inputs --target selftest --count 60 --limit 1 --jobs 4";
    let output = fuzz(words, world.path());
    let (table, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{table}{said}");
    let counts = row(&table, "selftest");
    let &[
        inputs,
        refused,
        accepted,
        caught,
        wrong,
        panicked,
        aborted,
        slow,
    ] = &counts[..]
    else {
        panic!("{table}");
    };
    assert_eq!(inputs, 60, "{table}");
    assert_eq!(counts[1..].iter().sum::<u64>(), inputs, "{table}");
    for count in [refused, accepted, caught, wrong, panicked, aborted, slow] {
        assert!(count > 0, "{table}");
    }
    assert!(
        table.contains("panicked: fuzz/src/targets/selftest.rs:"),
        "{table}"
    );
    assert!(
        table.contains("memory allocation of N bytes failed"),
        "{table}"
    );
    // The same numbers are the same inputs.
    let again = text(&fuzz(words, world.path()).stdout);
    assert_eq!(row(&again, "selftest"), counts);
    let later = text(&fuzz(&format!("{words} --from 60"), world.path()).stdout);
    assert_ne!(later, table);
}

#[test]
fn an_input_is_a_function_of_its_target_its_number_and_the_seed() {
    let world = tempfile::tempdir().unwrap();
    let input = |words: &str| {
        let out = world.path().join("input");
        let words = format!("input {words} --out {}", out.display());
        let output = fuzz(&words, world.path());
        assert!(output.status.success(), "{}", text(&output.stderr));
        fs::read(out).unwrap()
    };
    let one = input("--target torch --number 7");
    assert_eq!(one, input("--target torch --number 7"));
    assert_ne!(one, input("--target torch --number 8"));
    assert_ne!(one, input("--target torch --number 7 --seed 2"));
}

#[test]
fn a_few_inputs_find_nothing() {
    let world = tempfile::tempdir().unwrap();
    let words = "inputs --count 200 --target pictures --target tiff --target torch";
    let output = fuzz(words, world.path());
    let (table, said) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{table}{said}");
    assert_eq!(row(&table, "together")[0], 600, "{table}");
}
