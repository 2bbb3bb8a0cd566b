//! SHA-256 in hexadecimal.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::Path;

use sha2::Digest;

use crate::regular::open_file;

/// Incremental SHA-256.
///
/// ```
/// let mut hash = svg_store::Sha256::new();
/// hash.update("ab");
/// hash.update("c");
/// assert_eq!(hash.finish(), svg_store::sha256("abc"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Sha256(sha2::Sha256);

impl Sha256 {
    /// Creates a hasher without input.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes to the input.
    pub fn update(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.update(bytes);
    }

    /// Returns the hash as 64 lower-case hexadecimal digits.
    pub fn finish(self) -> String {
        format!("{:x}", self.0.finalize())
    }
}

/// SHA-256 of bytes in hexadecimal.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    let mut hash = Sha256::new();
    hash.update(bytes);
    hash.finish()
}

/// SHA-256 of a regular file in hexadecimal.
///
/// # Errors
///
/// As [`open_file`](crate::open_file).
pub fn sha256_file(path: &Path) -> io::Result<String> {
    sha256_open(&open_file(path)?)
}

/// SHA-256 of an open file in hexadecimal, from its beginning. The file is then at its end.
///
/// # Errors
///
/// Errors of the operating system.
pub fn sha256_open(mut file: &File) -> io::Result<String> {
    let mut hash = Sha256::new();
    file.seek(SeekFrom::Start(0))?;
    let mut file = io::BufReader::with_capacity(1 << 20, file);
    io::copy(&mut file, &mut hash.0)?;
    Ok(hash.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_matches_a_known_hash() {
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        assert_eq!(sha256_file(file.path()).unwrap(), known);
        assert_eq!(sha256("abc"), known);
        let open = File::open(file.path()).unwrap();
        assert_eq!([0; 2].map(|_| sha256_open(&open).unwrap()), [known; 2]);
    }
}
