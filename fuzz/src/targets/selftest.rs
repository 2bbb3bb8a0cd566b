//! Faults on purpose, which show that the campaign finds each kind of them.

use std::time::Duration;

use super::Target;
use crate::input::{Input, Seed};
use crate::verdict::Verdict;
use crate::world::repository;

pub fn targets() -> Vec<Target> {
    vec![Target {
        name: "selftest",
        about: "faults on purpose, for the tests of this program",
        share: 0,
        seeds: |_| Ok(vec![Seed::file(repository("fuzz/Cargo.toml"))]),
        made: false,
        anew: false,
        check: |input, _| fault(input),
    }]
}

/// A fault of a kind that depends on the bytes.
fn fault(input: &Input) -> Verdict {
    let bytes = std::fs::read(&input.file).unwrap_or_default();
    let sum = bytes
        .iter()
        .fold(0u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte));
    match sum % 8 {
        0 => panic!("a panic on purpose"),
        1 => std::process::abort(),
        2 => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        3 => {
            let room: Vec<u8> = Vec::with_capacity(1 << 44);
            Verdict::Refused(format!("{:p}", room.as_ptr()))
        }
        4 => Verdict::Wrong("on purpose".to_string()),
        5 => {
            let _ = std::panic::catch_unwind(|| panic!("caught on purpose"));
            Verdict::Refused("after a panic".to_string())
        }
        6 => Verdict::Refused("on purpose".to_string()),
        _ => Verdict::Accepted,
    }
}
