//! Counts of verdicts, and the faults among them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::verdict::Verdict;

/// Numbers of inputs that are named for a fault.
const NAMED: usize = 3;

/// What became of many inputs.
#[derive(Default)]
pub struct Tally {
    /// By the word of the verdict.
    counts: BTreeMap<&'static str, u64>,
    /// Inputs by what is wrong.
    faults: BTreeMap<String, Vec<u64>>,
    /// Panics that became errors, with their numbers.
    caught: BTreeMap<String, Vec<u64>>,
    slowest: Duration,
}

/// The verdicts in the order of the table.
const WORDS: [&str; 7] = [
    "refused", "accepted", "caught", "wrong", "panicked", "aborted", "slow",
];

impl Tally {
    /// Counts the verdict on an input.
    pub fn count(&mut self, number: u64, took: Duration, verdict: Verdict) {
        *self.counts.entry(verdict.word()).or_default() += 1;
        self.slowest = self.slowest.max(took);
        if let Some(text) = verdict.caught() {
            self.caught.entry(text).or_default().push(number);
        }
        if let Some(fault) = verdict.fault() {
            self.faults.entry(fault).or_default().push(number);
        }
    }

    pub fn add(&mut self, other: Self) {
        for (word, count) in other.counts {
            *self.counts.entry(word).or_default() += count;
        }
        for (ours, theirs) in [
            (&mut self.faults, other.faults),
            (&mut self.caught, other.caught),
        ] {
            for (text, numbers) in theirs {
                ours.entry(text).or_default().extend(numbers);
            }
        }
        self.slowest = self.slowest.max(other.slowest);
    }

    pub fn inputs(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Inputs that show something wrong.
    pub fn faulty(&self) -> u64 {
        self.faults
            .values()
            .map(|numbers| numbers.len() as u64)
            .sum()
    }

    /// The heading of [`row`](Self::row).
    pub fn head() -> String {
        let words = WORDS.map(|word| format!("{word:>9}")).concat();
        format!("{:12}{:>9}{words}{:>10}", "target", "inputs", "longest")
    }

    pub fn row(&self, name: &str) -> String {
        let count = |word| self.counts.get(word).copied().unwrap_or(0);
        let counts = WORDS.map(|word| format!("{:>9}", count(word))).concat();
        let longest = format!("{:.2} s", self.slowest.as_secs_f64());
        format!("{name:12}{:>9}{counts}{longest:>10}", self.inputs())
    }

    /// A paragraph for each fault, with the numbers of the first inputs that show it.
    pub fn details(&self, name: &str) -> String {
        let mut text = String::new();
        for (what, found) in [
            ("", &self.faults),
            ("an error after a panic: ", &self.caught),
        ] {
            for (fault, numbers) in found {
                let mut numbers = numbers.clone();
                numbers.sort_unstable();
                let count = numbers.len();
                numbers.truncate(NAMED);
                let numbers = numbers.iter().map(u64::to_string).collect::<Vec<_>>();
                let _ = writeln!(
                    text,
                    "{name}: {what}{fault}\n    {count} inputs, numbers {} ...",
                    numbers.join(", ")
                );
            }
        }
        text
    }
}
