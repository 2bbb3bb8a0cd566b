//! Changes of bytes.

use svg_store::Random;

/// Most changes of one input.
const MOST: u64 = 8;
/// Longest range that is removed, repeated, moved or filled, unless it is the rest of the file.
const RANGE: u64 = 512;
/// Inputs do not grow beyond the longer of this and twice their seed.
const LARGEST: usize = 1 << 22;

/// Numbers at which readers go wrong: limits of the integer types, sizes of small pictures, and what overflows
/// when it is multiplied or added.
const NUMBERS: [u64; 24] = [
    0,
    1,
    2,
    3,
    7,
    8,
    16,
    31,
    64,
    127,
    128,
    255,
    256,
    32_767,
    65_535,
    65_536,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    1 << 62,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX,
];

/// The bytes with one to eight changes; `other` is another file, of which a part may be taken.
pub fn mutated(mut bytes: Vec<u8>, other: &[u8], random: &mut Random) -> Vec<u8> {
    let most = LARGEST.max(2 * bytes.len());
    // Few changes more often than many: one half of the inputs has one.
    let mut count = 1;
    while count < MOST && random.below(2) == 0 {
        count += 1;
    }
    for _ in 0..count {
        change(&mut bytes, other, random);
    }
    bytes.truncate(most);
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    if bytes.is_empty() {
        bytes.extend(
            (0..random.below(64))
                .map(|_| random.word() as u8)
                .collect::<Vec<_>>(),
        );
        return;
    }
    let at = place(bytes, random);
    match random.below(14) {
        0..=2 => bytes[at] ^= 1 << random.below(8),
        3 => bytes[at] = random.word() as u8,
        4 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5) as usize],
        5 | 6 => number(bytes, at, random),
        7 => {
            let end = end(bytes, at, random);
            bytes.drain(at..end);
        }
        8 => bytes.truncate(at),
        9 => {
            let copy = bytes[at..end(bytes, at, random)].to_vec();
            let to = random.below(bytes.len() as u64 + 1) as usize;
            let times = 1 + random.below(3);
            for _ in 0..times {
                drop(bytes.splice(to..to, copy.iter().copied()));
            }
        }
        10 => {
            let end = end(bytes, at, random);
            let with = [0, 0xff, b' ', random.word() as u8][random.below(4) as usize];
            bytes[at..end].fill(with);
        }
        11 => {
            let copy = bytes[at..end(bytes, at, random)].to_vec();
            let to = random.below(bytes.len() as u64) as usize;
            let length = copy.len().min(bytes.len() - to);
            bytes[to..to + length].copy_from_slice(&copy[..length]);
        }
        12 if !other.is_empty() => {
            let from = random.below(other.len() as u64) as usize;
            bytes.truncate(at);
            bytes.extend(&other[from..]);
        }
        _ => digits(bytes, at, random),
    }
}

/// A place in the bytes; often near the beginning, where headers are.
fn place(bytes: &[u8], random: &mut Random) -> usize {
    let length = bytes.len() as u64;
    let bound = match random.below(3) {
        0 => length.min(64),
        1 => length.min(1024),
        _ => length,
    };
    random.below(bound) as usize
}

/// Where a range ends that begins at `at`.
fn end(bytes: &[u8], at: usize, random: &mut Random) -> usize {
    let length = 1 << random.below(RANGE.ilog2().into());
    (at + 1 + random.below(length) as usize).min(bytes.len())
}

/// Puts one of [`NUMBERS`] over 1 to 8 bytes.
fn number(bytes: &mut [u8], at: usize, random: &mut Random) {
    let number = NUMBERS[random.below(NUMBERS.len() as u64) as usize];
    let width = 1 << random.below(4);
    let written = match random.below(2) {
        0 => number.to_le_bytes()[..width].to_vec(),
        _ => number.to_be_bytes()[8 - width..].to_vec(),
    };
    for (byte, new) in bytes[at..].iter_mut().zip(written) {
        *byte = new;
    }
}

/// Puts one of [`NUMBERS`] in digits in place of the next number in digits.
fn digits(bytes: &mut Vec<u8>, at: usize, random: &mut Random) {
    let Some(begin) = (at..bytes.len()).find(|index| bytes[*index].is_ascii_digit()) else {
        return;
    };
    let rest = bytes[begin..].iter();
    let length = rest.take_while(|byte| byte.is_ascii_digit()).count();
    let mut text = NUMBERS[random.below(NUMBERS.len() as u64) as usize].to_string();
    if random.below(4) == 0 {
        text.insert(0, '-');
    }
    drop(bytes.splice(begin..begin + length, text.into_bytes()));
}
