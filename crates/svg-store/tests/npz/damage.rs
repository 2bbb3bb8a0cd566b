//! Hostile and damaged files are errors that say what is wrong.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use svg_store::{NpyError, NpyProblem, Npz, ReadAt};

use super::{MU, SIGMA, path, pictures};

/// A file in memory.
#[derive(Debug)]
struct Bytes(Vec<u8>);

impl ReadAt for Bytes {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], place: u64) -> io::Result<usize> {
        let rest = self.0.get(place as usize..).unwrap_or_default();
        let length = buffer.len().min(rest.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

/// Everything that a file gives away, or the first error.
fn read(bytes: &[u8]) -> Result<Vec<(String, Vec<f64>)>, String> {
    let all = || {
        let file = Npz::of(Arc::new(Bytes(bytes.to_vec())), "x.npz")?;
        let names = file.names().into_iter();
        names
            .map(|name| Ok((name.to_string(), file.array(name)?.read_f64()?)))
            .collect::<Result<Vec<_>, NpyError>>()
    };
    all().map_err(|error| error.to_string())
}

#[test]
fn a_changed_byte_anywhere_is_an_error_or_changes_no_name_and_no_number() {
    let mut refused = 0;
    for name in ["statistics.npz", "zip64.npz"] {
        let whole = std::fs::read(path(name)).unwrap();
        let expected = read(&whole).unwrap();
        assert_eq!(
            expected,
            [
                ("mu".to_string(), MU.to_vec()),
                ("sigma".to_string(), SIGMA.to_vec())
            ]
        );
        for at in 0..whole.len() {
            for change in [1, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= change;
                match read(&bytes) {
                    Ok(found) => assert_eq!(found, expected, "{name}: {at} {change}"),
                    Err(_) => refused += 1,
                }
            }
        }
    }
    // Dates, versions and attributes alone may be others.
    assert!(refused > 2000, "{refused}");
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_an_error() {
    for name in ["adm.npz", "adm_deflated.npz", "pictures.npy"] {
        let whole = std::fs::read(path(name)).unwrap();
        for length in 0..whole.len() {
            let error = read(&whole[..length]).unwrap_err();
            assert!(error.contains("x.npz"), "{error}");
        }
    }
}

#[test]
fn a_changed_picture_is_seen_when_the_last_row_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("x.npz");
    let mut bytes = std::fs::read(path("adm.npz")).unwrap();
    let start = Npz::open(&path("adm.npz"))
        .unwrap()
        .array("arr_0")
        .unwrap()
        .stored_at();
    bytes[start.unwrap() as usize + 61] ^= 1;
    std::fs::write(&place, &bytes).unwrap();
    let array = Npz::open(&place).unwrap().array("arr_0").unwrap();
    let mut rows = array.rows_u8().unwrap();
    assert_eq!(rows.read(0).unwrap(), &pictures()[..60]);
    assert_ne!(rows.read(1).unwrap(), &pictures()[60..120]);
    let error = rows.read(2).unwrap_err();
    assert!(matches!(error.problem, NpyProblem::Changed(_)), "{error}");
    assert!(
        array
            .check()
            .unwrap_err()
            .to_string()
            .contains("the checksum is another")
    );
}

/// A `.npy` file with this dictionary and these bytes.
fn npy(dictionary: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend((dictionary.len() as u16).to_le_bytes());
    bytes.extend(dictionary.as_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn sizes_that_are_not_those_of_the_bytes_are_refused_before_memory_is_asked_for() {
    let refused = |shape: &str, expected: &str| {
        let text = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
        let error = read(&npy(&text, &[0; 24])).unwrap_err();
        assert!(error.contains(expected), "{shape}: {error}");
    };
    refused("(4,)", "promises 32 bytes (float64 [4]), and 24 are there");
    refused("(2,)", "promises 16 bytes (float64 [2]), and 24 are there");
    refused("(0,)", "promises 0 bytes (float64 [0]), and 24 are there");
    refused("()", "promises 8 bytes");
    refused("(4611686018427387904, 8)", "is more than any file holds");
    refused("(0, 4611686018427387904, 8)", "is more than any file holds");
    refused(
        "(1152921504606846975,)",
        "promises 9223372036854775800 bytes",
    );
    refused("(-3,)", "the size of an axis is negative");
    refused(
        "(99999999999999999999,)",
        "an axis has the size 99999999999999999999",
    );
    let error = read(b"\x93NUMPY\x09\0\0\0\0\0\0\0").unwrap_err();
    assert!(error.contains("its format has version 9.0"), "{error}");
    let error = read(b"\x93NUMPY\x02\0\xff\xff\xff\xff{}").unwrap_err();
    assert!(
        error.contains("4294967295 bytes, more than 65536"),
        "{error}"
    );
}

/// A zip archive with one entry, of which everything may be a lie.
fn zip(name: &[u8], data: &[u8], crc: u32, sizes: (u32, u32), method: u16, flags: u16) -> Vec<u8> {
    let fields = |bytes: &mut Vec<u8>| {
        bytes.extend(flags.to_le_bytes());
        bytes.extend(method.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(crc.to_le_bytes());
        bytes.extend(sizes.0.to_le_bytes());
        bytes.extend(sizes.1.to_le_bytes());
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend([0; 2]);
    };
    let mut bytes = b"PK\x03\x04\x14\0".to_vec();
    fields(&mut bytes);
    bytes.extend(name);
    bytes.extend(data);
    let start = bytes.len() as u32;
    bytes.extend(b"PK\x01\x02\x14\0\x14\0");
    fields(&mut bytes);
    bytes.extend([0; 14]);
    bytes.extend(name);
    let length = bytes.len() as u32 - start;
    bytes.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    bytes.extend(length.to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

#[test]
fn entries_that_lie_about_themselves_are_refused() {
    let data = npy(
        "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }",
        b"abc",
    );
    let length = data.len() as u32;
    let mut crc = flate2::Crc::new();
    crc.update(&data);
    let right = zip(b"a.npy", &data, crc.sum(), (length, length), 0, 0);
    assert_eq!(
        read(&right).unwrap(),
        [("a".to_string(), vec![97.0, 98.0, 99.0])]
    );
    let mut messages = BTreeSet::new();
    for (sum, sizes, method, flags, expected) in [
        (
            crc.sum() ^ 1,
            (length, length),
            0,
            0,
            "the checksum is another",
        ),
        (
            crc.sum(),
            (length, length),
            0,
            1,
            "x.npz/a: it is encrypted",
        ),
        (
            crc.sum(),
            (length, length),
            93,
            0,
            "compressed by method 93",
        ),
        (crc.sum(), (length, length + 1), 0, 0, "cannot become"),
        // A bomb: a few bytes that claim to become four gigabytes.
        (
            crc.sum(),
            (length, u32::MAX - 1),
            8,
            0,
            "bytes cannot become 4294967294",
        ),
        (
            crc.sum(),
            (u32::MAX - 1, u32::MAX - 1),
            0,
            0,
            "an entry is cut off",
        ),
    ] {
        let error = read(&zip(b"a.npy", &data, sum, sizes, method, flags)).unwrap_err();
        assert!(error.contains(expected), "{error}");
        messages.insert(error);
    }
    assert_eq!(messages.len(), 6);
}

#[test]
fn two_arrays_of_one_name_and_names_that_contradict_each_other_are_refused() {
    let data = npy(
        "{'descr': '|u1', 'fortran_order': False, 'shape': (0,), }",
        b"",
    );
    let mut crc = flate2::Crc::new();
    crc.update(&data);
    let length = data.len() as u32;
    let one = zip(b"a.npy", &data, crc.sum(), (length, length), 0, 0);
    // The record of the directory, twice.
    let directory = one.len() - 22 - 46 - 5;
    let record = &one[directory..one.len() - 22];
    let mut two = one[..one.len() - 22].to_vec();
    two.extend(record);
    two.extend(b"PK\x05\x06\0\0\0\0\x02\0\x02\0");
    two.extend((2 * record.len() as u32).to_le_bytes());
    two.extend((directory as u32).to_le_bytes());
    two.extend([0; 2]);
    let error = read(&two).unwrap_err();
    assert!(
        error.contains("x.npz/a: the archive holds it twice"),
        "{error}"
    );
    // The header before the data has another name than the directory.
    let mut other = one.clone();
    other[30] = b'b';
    let error = read(&other).unwrap_err();
    assert!(
        error.contains("its directory and an entry contradict each other"),
        "{error}"
    );
}

#[test]
fn what_is_no_file_of_numpy_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for (bytes, expected) in [
        (&b""[..], "it is empty"),
        (b"\x80\x04\x95", "it is a pickle, which is never loaded"),
        (
            b"<html>",
            "it begins neither as a zip archive nor as an array",
        ),
        (b"PK\x03\x04 and no end", "the archive is damaged"),
    ] {
        let error = read(bytes).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let error = Npz::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("it is a folder; name a file"), "{error}");
    let error = Npz::open(&folder.path().join("none"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("none: "), "{error}");
}
