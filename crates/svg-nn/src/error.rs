//! What can go wrong between a file and a module.

use std::fmt;
use std::path::PathBuf;

use svg_store::{printable, printable_path};

use crate::ChoiceError;

/// Why weights could not be read, matched or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The operating system could not open, map or read a file.
    #[error("cannot read {}: {source}", printable_path(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The bytes are not a weight file, or a damaged one.
    #[error(
        "{} is not a readable weight file: {reason}. Expected safetensors or a PyTorch file; if \
             it was downloaded, compare its size and hash with the source",
        printable_path(path)
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// The file is whole, and of a kind that is not read.
    #[error("{} is not read: {reason}", printable_path(path))]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it is, and what to do.
        reason: String,
    },
    /// The folder holds no weight file, or several.
    #[error("{} holds {found}", printable_path(path))]
    Ambiguous {
        /// The folder.
        path: PathBuf,
        /// What was found instead of one weight file, and what to name.
        found: String,
    },
    /// A model in several files is not complete.
    #[error("{} names {of} files, of which {} are not there: {}; download or copy them to its folder",
            printable_path(index), missing.len(), missing.join(", "))]
    MissingShards {
        /// The index.
        index: PathBuf,
        /// How many files it names.
        of: usize,
        /// Those that are not there, with the reason where it is a broken link.
        missing: Vec<String>,
    },
    /// A checkpoint whose tensors are cut into parts, one for each process of a training.
    #[error(
        "{} holds {found}, which this program does not put together; make one file of them with `{command}` \
             and name that{also}",
        printable_path(path)
    )]
    Partitioned {
        /// The file or folder.
        path: PathBuf,
        /// Whose parts they are.
        found: String,
        /// What makes one file of them.
        command: String,
        /// Another way, if there is one.
        also: String,
    },
    /// The file holds no network of the kind that is wanted, or several.
    #[error("{}: {reason}", printable_path(path))]
    Choice {
        /// The file.
        path: PathBuf,
        /// What there is, and how to choose.
        reason: ChoiceError,
    },
    /// The tensors are readable, but are not those of the module.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// The file could not be written; nothing is left under its final name.
    #[error(
        "cannot write {}: {source}. No half-written file was left; check that the folder exists, is \
             writable and has space",
        printable_path(path)
    )]
    Write {
        /// The final name.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl LoadError {
    /// The same error with other names of tensors in a [`Mismatch`], such as those that a file has.
    pub fn with_names(self, name: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Mismatch(mismatch) => mismatch.with_names(name).into(),
            other => other,
        }
    }
}

impl From<svg_store::WriteError> for LoadError {
    fn from(error: svg_store::WriteError) -> Self {
        Self::Write {
            path: error.path,
            source: error.cause,
        }
    }
}

/// Every difference between the tensors of a file and those of a module.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Where the tensors came from.
    pub source: String,
    /// What the module needs and the file lacks.
    pub missing: Vec<String>,
    /// What the file has and the module does not know.
    pub unexpected: Vec<String>,
    /// Tensors of a wrong shape or type, unreadable ones and such with NaN or infinite numbers, each with the
    /// reason after a colon.
    pub unusable: Vec<String>,
}

impl Mismatch {
    /// No difference to the tensors that come from there.
    pub fn none(source: impl fmt::Display) -> Self {
        Self {
            source: source.to_string(),
            ..Self::default()
        }
    }

    /// The same differences with other names of tensors.
    pub fn with_names(mut self, name: impl Fn(&str) -> String) -> Self {
        let all = [&mut self.missing, &mut self.unexpected, &mut self.unusable];
        for each in all.into_iter().flatten() {
            *each = match each.split_once(": ") {
                Some((tensor, reason)) => format!("{}: {reason}", name(tensor)),
                None => name(each),
            };
        }
        self
    }

    /// Whether there is no difference.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.unusable.is_empty()
    }

    /// The value if there is no difference.
    ///
    /// # Errors
    ///
    /// The differences, if there are any.
    pub fn unless<T>(self, value: T) -> Result<T, Self> {
        match self.is_empty() {
            true => Ok(value),
            false => Err(self),
        }
    }
}

impl std::error::Error for Mismatch {}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the weights of {} do not fit the network", self.source)?;
        let groups = [
            ("missing", &self.missing),
            ("unexpected", &self.unexpected),
            ("unusable", &self.unusable),
        ];
        for (title, names) in groups {
            if names.is_empty() {
                continue;
            }
            write!(f, "\n  {title} ({}):", names.len())?;
            for name in names.iter().take(8) {
                write!(f, "\n    {}", printable(name))?;
            }
            if names.len() > 8 {
                write!(f, "\n    ... and {} more", names.len() - 8)?;
            }
        }
        Ok(())
    }
}
