//! What a reader made of an input.

use std::fmt::Display;

/// What became of one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was read.
    Accepted,
    /// It was an error, in words.
    Refused(String),
    /// It was read although a hash covers the bytes that were changed; in words, what was read.
    Wrong(String),
    /// A thread panicked, with the message and the place, and the reader made an error of it.
    Caught(String),
    /// A panic.
    Panicked(String),
    /// The end of a process, in words.
    Aborted(String),
    /// It took longer than the limit.
    Slow,
}

impl Verdict {
    /// What a reader returned.
    pub fn of<T>(result: Result<T, impl Display>) -> Self {
        match result {
            Ok(_) => Self::Accepted,
            Err(error) => Self::Refused(error.to_string()),
        }
    }

    /// The word and the text of the line that says it.
    fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Accepted => ("accepted", ""),
            Self::Refused(text) => ("refused", text),
            Self::Wrong(text) => ("wrong", text),
            Self::Caught(text) => ("caught", text),
            Self::Panicked(text) => ("panicked", text),
            Self::Aborted(text) => ("aborted", text),
            Self::Slow => ("slow", ""),
        }
    }

    pub fn word(&self) -> &'static str {
        self.parts().0
    }

    /// What is wrong, without what differs from input to input, if something is.
    pub fn fault(&self) -> Option<String> {
        let (word, text) = self.parts();
        match self {
            Self::Accepted | Self::Refused(_) | Self::Caught(_) => None,
            _ => Some(format!("{word}: {}", without_numbers(text))),
        }
    }

    /// A panic that became an error, likewise.
    pub fn caught(&self) -> Option<String> {
        match self {
            Self::Caught(text) => Some(without_numbers(text)),
            _ => None,
        }
    }

    /// As one line.
    pub fn to_line(&self) -> String {
        let (word, text) = self.parts();
        let text: String = text.chars().take(400).collect();
        format!("{word} {}", text.escape_debug())
    }

    /// What [`to_line`](Self::to_line) has written; `None` for other lines.
    pub fn from_line(line: &str) -> Option<Self> {
        let (word, text) = line.split_once(' ')?;
        let text = text.to_string();
        Some(match word {
            "accepted" => Self::Accepted,
            "refused" => Self::Refused(text),
            "wrong" => Self::Wrong(text),
            "caught" => Self::Caught(text),
            "panicked" => Self::Panicked(text),
            "aborted" => Self::Aborted(text),
            "slow" => Self::Slow,
            _ => return None,
        })
    }
}

/// A message with `N` for each number, but for the place that it begins with.
fn without_numbers(text: &str) -> String {
    let (place, message) = match text.split_once(": ") {
        Some((place, message)) if place.contains(".rs:") => (format!("{place}: "), message),
        _ => (String::new(), text),
    };
    let mut out = place;
    for letter in message.chars() {
        match letter.is_ascii_digit() {
            true if out.ends_with('N') => {}
            true => out.push('N'),
            false => out.push(letter),
        }
    }
    out
}
