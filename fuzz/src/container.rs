//! Changes of containers that keep what would otherwise end every reading: headers that are JSON, the places of
//! tensors, and sums of parts.

use flate2::Crc;
use serde_json::{Map, Value, json};
use svg_store::Random;

use crate::document;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Bytes of a tar's header and the unit of its contents.
const BLOCK: usize = 512;
/// Where a tar's header has its sum, and how long that is.
const SUM: usize = 148;
const SUM_LENGTH: usize = 8;

/// A safetensors file with a changed header, or none if it is no such file.
pub fn with_other_header(bytes: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let header = rest.get(..length)?;
    let changed = document::mutated(header.trim_ascii_end(), random)?;
    let mut out = (changed.len() as u64).to_le_bytes().to_vec();
    out.extend(changed);
    out.extend(&rest[length..]);
    Some(out)
}

/// Largest tensor after a change of its shape.
const LARGEST: usize = 1 << 20;

/// A safetensors file in which a tensor has another shape or type, or is gone, and which is whole for all that; or none
/// if it is no such file.
pub fn with_other_shape(bytes: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (header, data) = rest.split_at_checked(length)?;
    let mut header: Map<String, Value> = serde_json::from_slice(header.trim_ascii_end()).ok()?;
    let mut tensors: Vec<_> = header
        .keys()
        .filter(|name| *name != "__metadata__")
        .cloned()
        .collect();
    tensors.sort_by_key(|name| header[name]["data_offsets"][0].as_u64());
    let chosen = random.below(tensors.len() as u64) as usize;
    let mut out = Vec::new();
    for (place, name) in tensors.iter().enumerate() {
        let tensor = header.get_mut(name)?;
        let [begin, end] =
            [0usize, 1].map(|at| tensor["data_offsets"][at].as_u64().map(|at| at as usize));
        let mut data = data.get(begin?..end?)?.to_vec();
        if place == chosen {
            if random.below(8) == 0 {
                header.remove(name);
                continue;
            }
            reshape(tensor, random);
            data.resize(length_of(tensor)?, 0);
        }
        tensor["data_offsets"] = json!([out.len(), out.len() + data.len()]);
        out.extend(data);
    }
    let header = serde_json::to_vec(&header).ok()?;
    let length = (header.len() as u64).to_le_bytes();
    Some([&length[..], header.as_slice(), out.as_slice()].concat())
}

/// Bytes of a tensor, if they are not too many.
fn length_of(tensor: &Value) -> Option<usize> {
    let bytes = match tensor["dtype"].as_str()? {
        "F64" | "I64" | "U64" => 8,
        "F32" | "I32" | "U32" => 4,
        "F16" | "BF16" | "I16" | "U16" => 2,
        _ => 1,
    };
    let mut sides = tensor["shape"].as_array()?.iter().map(Value::as_u64);
    let sides = sides.try_fold(bytes, |product: usize, side| {
        product.checked_mul(usize::try_from(side?).ok()?)
    });
    sides.filter(|length| *length <= LARGEST)
}

fn reshape(tensor: &mut Value, random: &mut Random) {
    const TYPES: [&str; 8] = ["F64", "F32", "F16", "BF16", "I64", "I32", "U8", "BOOL"];
    const SIDES: [u64; 6] = [1, 2, 1 << 31, 1 << 32, 1 << 62, u64::MAX];
    if random.below(5) == 0 {
        tensor["dtype"] = json!(TYPES[random.below(TYPES.len() as u64) as usize]);
        return;
    }
    let Some(sides) = tensor["shape"].as_array_mut() else {
        return;
    };
    let at = random.below(sides.len().max(1) as u64) as usize;
    let side = SIDES[random.below(SIDES.len() as u64) as usize];
    match random.below(5) {
        _ if sides.is_empty() => sides.push(json!(0)),
        // A tensor without numbers may be of any size.
        0 => {
            sides[at] = json!(side);
            sides.insert(0, json!(0));
        }
        1 => {
            sides[at] = json!(side);
            sides[0] = json!(0);
        }
        2 => sides.swap(0, at),
        3 => {
            let old = sides[at].as_u64().unwrap_or(1);
            sides[at] = json!(
                [0, old / 2, old.saturating_sub(1), old + 1, 2 * old][random.below(5) as usize]
            );
        }
        _ => sides.insert(at, json!(1)),
    }
}

/// Puts the sums right that a PNG has behind its chunks and a tar in its headers.
pub fn repair(bytes: &mut [u8]) {
    if bytes.starts_with(PNG) {
        repair_png(bytes);
    } else if bytes.get(257..262) == Some(b"ustar".as_slice()) {
        repair_tar(bytes);
    }
}

fn repair_png(bytes: &mut [u8]) {
    let mut at = PNG.len();
    while let Some(length) = bytes.get(at..at + 4) {
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let end = at.saturating_add(8).saturating_add(length);
        let Some(chunk) = bytes.get(at + 4..end) else {
            return;
        };
        let mut crc = Crc::new();
        crc.update(chunk);
        let sum = crc.sum().to_be_bytes();
        let Some(place) = bytes.get_mut(end..end + 4) else {
            return;
        };
        place.copy_from_slice(&sum);
        at = end + 4;
    }
}

/// Every block with the magic of a header is taken for one.
fn repair_tar(bytes: &mut [u8]) {
    let (blocks, _) = bytes.as_chunks_mut::<BLOCK>();
    for block in blocks
        .iter_mut()
        .filter(|block| &block[257..262] == b"ustar")
    {
        block[SUM..SUM + SUM_LENGTH].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[SUM..SUM + SUM_LENGTH].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}
