//! Rows that an earlier process has written.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use crc32c::crc32c_append;

use super::journal::{FORMAT, Journal};
use super::{COPIED, RowTensor};

/// Compares the rows of a partial file with the checksums of its journal, or gives these to a journal of the version
/// that has none. `checked` is told how many bytes of how many have been read.
///
/// # Errors
///
/// What is wrong with the rows, in words.
pub(super) fn check(
    mut file: &File,
    journal: &mut Journal,
    starts: &[u64],
    mut checked: impl FnMut(u64, u64),
) -> Result<(), String> {
    let rows = (journal.done - journal.left_out.len()) as u64;
    let size = |tensor: &RowTensor| rows * tensor.row_bytes() as u64;
    let all = journal.tensors.iter().map(size).sum();
    let (mut buffer, mut done) = (vec![0; COPIED], 0);
    let mut sums = Vec::new();
    for (tensor, start) in journal.tensors.iter().zip(starts) {
        let failed = |error: std::io::Error| format!("{} cannot be read: {error}", tensor.name);
        file.seek(SeekFrom::Start(*start)).map_err(failed)?;
        let (mut sum, mut left) = (0, size(tensor));
        while left > 0 {
            let part = &mut buffer[..left.min(COPIED as u64) as usize];
            file.read_exact(part).map_err(failed)?;
            sum = crc32c_append(sum, part);
            left -= part.len() as u64;
            done += part.len() as u64;
            checked(done, all);
        }
        sums.push(sum);
    }
    let written = journal.sums.iter().zip(&sums);
    let other = written.zip(&journal.tensors).find(|((a, b), _)| a != b);
    if let Some((_, tensor)) = other {
        return Err(format!(
            "the rows of {} are not those that were written",
            tensor.name
        ));
    }
    (journal.format, journal.sums) = (FORMAT, sums);
    Ok(())
}
