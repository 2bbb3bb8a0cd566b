//! Whether every number of a file can be read and is finite.

use std::io::{Read, Seek, SeekFrom};

use anyhow::{Context, Result, bail};
use burn::tensor::DType;
use svg_nn::{Container, StoredTensor, TensorFile};
use svg_store::{Safetensors, listed, open_file};

use super::{Look, count, grouped};
use crate::progress::bar;

/// Bytes that are read at once.
const PART: usize = 8 << 20;

/// Masks of biases in official files of DINOv3 may hold anything where they mask: the network does not take them.
const MASK: &str = "bias_mask";

/// Reads every tensor, a part at a time, and says so; not if only headers are to be read.
///
/// An error names the tensors that hold numbers that are not finite.
pub fn check(file: &TensorFile, look: &mut Look) -> Result<()> {
    checked(file, file.container() == Container::Safetensors, look)
}

/// As [`check`], of a file that is open and may have lost its name meanwhile, as those of a bundle do that another
/// process changes: a tensor at a time.
pub fn check_open(file: &TensorFile, look: &mut Look) -> Result<()> {
    checked(file, false, look)
}

fn checked(file: &TensorFile, by_name: bool, look: &mut Look) -> Result<()> {
    if look.brief {
        return Ok(());
    }
    let total: usize = file.tensors().iter().map(StoredTensor::byte_len).sum();
    let template = "{msg} [{wide_bar}] {bytes}/{total_bytes}, {eta} left";
    let bar = bar(total as u64, "reading", template);
    let mut found = Vec::new();
    each_part(file, by_name, |tensor, bytes| {
        bar.inc(bytes.len() as u64);
        let broken = not_finite(tensor.dtype, bytes);
        if broken == 0 || tensor.name.ends_with(MASK) {
            return;
        }
        match found.last_mut() {
            Some((name, number)) if *name == tensor.name => *number += broken,
            _ => found.push((tensor.name.clone(), broken)),
        }
    })?;
    bar.finish_and_clear();
    if !found.is_empty() {
        let words = found
            .iter()
            .map(|(name, broken)| format!("{name} ({})", grouped(*broken)));
        bail!(
            "{} of {} tensors hold numbers that are not finite: {}. What is computed with them is no number \
             either; fetch the file again, or take an earlier checkpoint",
            found.len(),
            file.tensors().len(),
            listed(&words.collect::<Vec<_>>())
        );
    }
    let name = file
        .path()
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let numbers = grouped(count(file.tensors()));
    look.row("read", format!("{numbers} numbers of {name}, all finite"))
}

/// What the last line says if there is nothing wrong.
pub fn verdict(look: &Look) -> &'static str {
    match look.brief {
        true => "none in the header; without --brief every number is read",
        false => "none; it is whole",
    }
}

/// Calls `take` with all bytes of each tensor, in parts if the file is one of safetensors that is found by its name.
fn each_part(
    file: &TensorFile,
    by_name: bool,
    mut take: impl FnMut(&StoredTensor, &[u8]),
) -> Result<()> {
    if !by_name {
        for tensor in file.tensors() {
            let bytes = tensor.to_bytes().with_context(|| tensor.name.clone())?;
            take(tensor, &bytes);
        }
        return Ok(());
    }
    let places = Safetensors::open(file.path())?;
    let mut source = open_file(file.path())?;
    let mut part = vec![0; PART];
    for tensor in file.tensors() {
        let place = places
            .tensor(&tensor.name)
            .context("the file was changed")?;
        source.seek(SeekFrom::Start(place.range.start as u64))?;
        let mut left = place.range.len();
        while left > 0 {
            let size = left.min(PART);
            let read = source.read_exact(&mut part[..size]);
            read.with_context(|| tensor.name.clone())?;
            take(tensor, &part[..size]);
            left -= size;
        }
    }
    Ok(())
}

/// Numbers that are infinite or none: the bits of their exponent are all set.
fn not_finite(dtype: DType, bytes: &[u8]) -> usize {
    let of_two = |mask: u16| {
        let words = bytes.as_chunks().0.iter();
        let full = words.filter(|word| u16::from_le_bytes(**word) & mask == mask);
        full.count()
    };
    match dtype {
        DType::F16 => of_two(0x7c00),
        DType::BF16 => of_two(0x7f80),
        DType::F64 => {
            let words = bytes.as_chunks().0.iter();
            words
                .filter(|word| !f64::from_le_bytes(**word).is_finite())
                .count()
        }
        DType::F32 | DType::Flex32 => {
            let words = bytes.as_chunks().0.iter();
            words
                .filter(|word| !f32::from_le_bytes(**word).is_finite())
                .count()
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{bf16, f16};

    #[test]
    fn infinite_numbers_are_found_in_every_type() {
        let values = [
            1.0,
            f32::INFINITY,
            -2.0,
            f32::NAN,
            f32::NEG_INFINITY,
            65_504.0,
        ];
        let bytes =
            |each: fn(f32) -> Vec<u8>| values.into_iter().flat_map(each).collect::<Vec<_>>();
        let check = |dtype, bytes: Vec<u8>| assert_eq!(not_finite(dtype, &bytes), 3, "{dtype:?}");
        check(DType::F32, bytes(|v| v.to_le_bytes().to_vec()));
        check(DType::F64, bytes(|v| f64::from(v).to_le_bytes().to_vec()));
        check(
            DType::F16,
            bytes(|v| f16::from_f32(v).to_le_bytes().to_vec()),
        );
        check(
            DType::BF16,
            bytes(|v| bf16::from_f32(v).to_le_bytes().to_vec()),
        );
        assert_eq!(not_finite(DType::I64, &[0xff; 16]), 0);
    }
}
