//! Errors in words.

use anyhow::Error;

/// An error with its causes, each said once: some messages repeat their cause, some are a part of it, and some end
/// with what it begins with.
pub fn in_words(error: &Error) -> String {
    let causes = error.chain().map(ToString::to_string);
    causes.fold(String::new(), |said, cause| joined(&said, &cause))
}

fn joined(said: &str, cause: &str) -> String {
    if said.contains(cause) {
        return said.to_string();
    }
    if cause.contains(said) {
        return cause.to_string();
    }
    let parts = said.match_indices(": ").map(|(at, colon)| at + colon.len());
    let mut parts = parts.map(|at| said.split_at(at));
    let is_said_twice = |(_, end): &(&str, &str)| {
        let rest = cause.strip_prefix(end);
        rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    };
    match parts.find(is_said_twice) {
        Some((begin, _)) => format!("{begin}{cause}"),
        None => format!("{said}: {cause}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;
    use std::path::Path;

    #[test]
    fn a_cause_that_is_part_of_the_message_is_said_once() {
        let path = Path::new("no such file");
        let read = || std::fs::read(path);
        let plain = || read().map_err(svg_store::PathError::at(path));
        let cause = read().unwrap_err().to_string();
        let repeated = Error::from(plain().unwrap_err());
        assert_eq!(in_words(&repeated), format!("no such file: {cause}"));
        let within = plain().context("no such file").unwrap_err();
        assert_eq!(in_words(&within), format!("no such file: {cause}"));
        let apart = read().context("the weights").unwrap_err();
        assert_eq!(in_words(&apart), format!("the weights: {cause}"));
        let twice = format!("{repeated:#}");
        assert_eq!(twice.matches(&cause).count(), 2, "{twice}");
    }

    #[test]
    fn what_a_cause_says_again_is_said_once() {
        let check = |contexts: &[&'static str], expected: &str| {
            let (first, others) = contexts.split_first().unwrap();
            let error = others
                .iter()
                .fold(Error::msg(*first), |error, context| error.context(*context));
            assert_eq!(in_words(&error), expected);
        };
        check(
            &["cannot read a.json: denied", "a.json"],
            "cannot read a.json: denied",
        );
        check(
            &["cannot read a.json: denied", "--config: cannot read a.json"],
            "--config: cannot read a.json: denied",
        );
        check(&["absent", "the encoder: a"], "the encoder: a: absent");
        check(
            &["denied", "a.json", "the weights"],
            "the weights: a.json: denied",
        );
    }
}
