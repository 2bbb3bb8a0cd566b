//! Errors in words.

use anyhow::Error;

/// An error with its causes, each said once: some messages repeat their cause, others do not.
pub fn in_words(error: &Error) -> String {
    let mut said = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if said.contains(&cause) {
            continue;
        }
        match cause.starts_with(&said) {
            true => said = cause,
            false => said += &format!(": {cause}"),
        }
    }
    said
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
}
