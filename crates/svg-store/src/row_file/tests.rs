//! A file that is gone on with equals one that was written at once.

use super::*;
use crate::{RowReader, extremes, write_safetensors};

/// Item `i` has the row `[i, i]` in `b` and `[i]` in `a`.
fn tensors() -> Vec<RowTensor> {
    let tensor = |name: &str, row: &[usize]| RowTensor {
        name: name.to_string(),
        dtype: Dtype::U8,
        row: row.to_vec(),
    };
    vec![tensor("b", &[2]), tensor("a", &[])]
}

fn metadata(items: &[u8]) -> BTreeMap<String, String> {
    BTreeMap::from([("items".to_string(), format!("{items:?}"))])
}

fn what(size: u32) -> BTreeMap<String, String> {
    BTreeMap::from([("size".to_string(), size.to_string())])
}

const ITEMS: [u8; 7] = [0, 1, 2, 3, 4, 5, 6];

fn open(path: &Path, size: u32) -> Result<RowFile, RowFileError> {
    RowFile::open(
        path,
        &what(size),
        &tensors(),
        ITEMS.len(),
        &metadata(&ITEMS),
        |_, _| (),
    )
}

/// Writes the next items, and none of `broken`.
fn append(file: &mut RowFile, items: usize, broken: &[u8]) {
    let next = file.done();
    let all = &ITEMS[next..next + items];
    let (out, rows): (Vec<u8>, Vec<u8>) = all.iter().partition(|item| broken.contains(item));
    let twice: Vec<u8> = rows.iter().flat_map(|item| [*item; 2]).collect();
    let out: Vec<usize> = out.into_iter().map(usize::from).collect();
    file.append(&[&twice, &rows], items, &out).unwrap();
}

/// What the writer of whole files makes of the same rows.
fn whole(folder: &Path, broken: &[u8]) -> Vec<u8> {
    let rows: Vec<u8> = ITEMS
        .into_iter()
        .filter(|item| !broken.contains(item))
        .collect();
    let twice: Vec<u8> = rows.iter().flat_map(|item| [*item; 2]).collect();
    let (tensors, data) = (tensors(), [twice, rows.clone()]);
    let shapes = shapes(&tensors, rows.len());
    let headers = headers(&tensors, &shapes);
    let path = folder.join("whole");
    write_safetensors(&path, &headers, &metadata(&rows), |i| Ok(data[i].clone())).unwrap();
    fs::read(path).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn rows_that_are_gone_on_with_after_every_item_are_the_file_written_at_once() {
    for broken in [&[][..], &[0], &[3, 6], &[0, 1, 2, 3, 4, 5, 6]] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows");
        for item in 0..ITEMS.len() {
            let mut file = open(&path, 1).unwrap();
            assert_eq!(file.done(), item);
            append(&mut file, 1, broken);
            file.commit().unwrap();
            // What a killed process has written without noting it is written again.
            if item + 1 < ITEMS.len() {
                append(&mut file, 1, &[]);
            }
        }
        let file = open(&path, 1).unwrap();
        let left_out: Vec<u8> = file.left_out().iter().map(|item| *item as u8).collect();
        let rows: Vec<u8> = ITEMS
            .into_iter()
            .filter(|i| !left_out.contains(i))
            .collect();
        file.finish(&metadata(&rows)).unwrap();
        assert_eq!(names(folder.path()), ["rows"]);
        assert!(
            fs::read(&path).unwrap() == whole(folder.path(), broken),
            "{broken:?}"
        );
    }
}

#[test]
fn another_file_is_refused_with_what_differs_once_a_row_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    drop(open(&path, 1).unwrap());
    let mut file = open(&path, 2).unwrap();
    append(&mut file, 2, &[]);
    file.commit().unwrap();
    let error = open(&path, 2).unwrap_err().to_string();
    assert!(error.starts_with("another process writes"), "{error}");
    drop(file);
    let error = open(&path, 3).unwrap_err().to_string();
    assert!(error.contains("rows.partial was begun"), "{error}");
    assert!(error.contains("size 2 there, 3 asked for."), "{error}");
    open(&path, 2).unwrap().discard().unwrap();
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_journal_of_which_a_bit_has_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    let mut file = open(&path, 1).unwrap();
    append(&mut file, 3, &[1]);
    file.commit().unwrap();
    drop(file);
    let place = folder.path().join("rows.partial.json");
    let whole = fs::read(&place).unwrap();
    for bit in 0..8 * whole.len() {
        let mut changed = whole.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        fs::write(&place, changed).unwrap();
        let error = open(&path, 1).unwrap_err();
        assert!(
            matches!(error, RowFileError::Damaged { .. }),
            "{bit}: {error}"
        );
    }
    fs::write(&place, whole).unwrap();
    assert_eq!(open(&path, 1).unwrap().done(), 3);
}

#[test]
fn rows_of_which_a_bit_has_changed_are_refused_and_those_after_them_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    let mut file = open(&path, 1).unwrap();
    append(&mut file, 3, &[1]);
    file.commit().unwrap();
    append(&mut file, 1, &[]);
    drop(file);
    let place = folder.path().join("rows.partial");
    let whole = fs::read(&place).unwrap();
    let data = whole.len() - 3 * ITEMS.len();
    let (mut refused, mut used) = (0, 0);
    for bit in 8 * data..8 * whole.len() {
        let mut changed = whole.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        fs::write(&place, changed).unwrap();
        match open(&path, 1) {
            Ok(file) => used += usize::from(file.done() == 3),
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("are not those that were written"), "{error}");
                refused += 1;
            }
        }
    }
    // Two rows of three bytes are noted.
    assert_eq!((refused, refused + used), (8 * 6, 8 * 3 * ITEMS.len()));
}

#[test]
fn a_journal_of_the_version_without_checksums_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    let mut file = open(&path, 1).unwrap();
    append(&mut file, 3, &[]);
    file.commit().unwrap();
    drop(file);
    let place = folder.path().join("rows.partial.json");
    let mut journal = without_hash(&place);
    journal["format"] = 1.into();
    journal.as_object_mut().unwrap().remove("sums");
    fs::write(&place, journal.to_string()).unwrap();
    let mut file = open(&path, 1).unwrap();
    append(&mut file, 1, &[]);
    file.commit().unwrap();
    drop(file);
    let mut told = Vec::new();
    let tell = |done, all| told.push((done, all));
    let file = RowFile::open(&path, &what(1), &tensors(), 7, &metadata(&ITEMS), tell).unwrap();
    assert_eq!((file.done(), file.journal.format), (4, FORMAT));
    assert_eq!(told.last(), Some(&(12, 12)));
}

#[test]
fn a_partial_file_of_another_length_or_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    let mut file = open(&path, 1).unwrap();
    append(&mut file, 2, &[]);
    file.commit().unwrap();
    file.file.set_len(9).unwrap();
    drop(file);
    let error = open(&path, 1).unwrap_err().to_string();
    assert!(error.contains("it has 9 bytes"), "{error}");
    fs::remove_file(folder.path().join("rows.partial.json")).unwrap();
    let error = open(&path, 1).unwrap_err().to_string();
    assert!(error.contains("no file of this program"), "{error}");
    // The journal of a file that has got its name.
    fs::remove_file(folder.path().join("rows.partial")).unwrap();
    assert_eq!(open(&path, 1).unwrap().done(), 0);
}

/// Another process that begins the same file anew must not be robbed of it.
#[cfg(unix)]
#[test]
fn a_partial_file_that_was_removed_or_replaced_does_not_get_the_final_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    let mut first = open(&path, 1).unwrap();
    append(&mut first, ITEMS.len(), &[]);
    fs::remove_file(folder.path().join("rows.partial")).unwrap();
    let mut second = open(&path, 1).unwrap();
    append(&mut second, 2, &[]);
    second.commit().unwrap();
    let error = first.commit().unwrap_err().to_string();
    assert!(error.contains("removed or replaced"), "{error}");
    let error = first.finish(&metadata(&ITEMS)).unwrap_err().to_string();
    assert!(
        error.contains("rows.partial was removed or replaced"),
        "{error}"
    );
    assert!(!path.exists());
    append(&mut second, ITEMS.len() - 2, &[]);
    second.finish(&metadata(&ITEMS)).unwrap();
    assert!(fs::read(&path).unwrap() == whole(folder.path(), &[]));
}

#[test]
#[should_panic(expected = "bytes of 1 rows of b")]
fn rows_of_another_length_panic() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = open(&folder.path().join("rows"), 1).unwrap();
    let _ = file.append(&[&[1], &[1]], 1, &[]);
}

#[test]
fn rows_are_read_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    let mut file = open(&path, 1).unwrap();
    append(&mut file, ITEMS.len(), &[]);
    file.finish(&metadata(&ITEMS)).unwrap();
    let mut rows = RowReader::open(&path, "b").unwrap().unwrap();
    assert_eq!((rows.shape(), rows.dtype()), (&[7, 2][..], Dtype::U8));
    assert_eq!(rows.read(2..4).unwrap(), [2, 2, 3, 3]);
    assert!(RowReader::open(&path, "c").unwrap().is_none());
}

/// A journal as programs wrote it that gave it no hash of itself; such are gone on with.
fn without_hash(place: &Path) -> serde_json::Value {
    let text = fs::read_to_string(place).unwrap();
    serde_json::from_str(&crate::unsealed_json(&text).unwrap()).unwrap()
}

#[test]
fn every_number_of_a_journal_is_gone_on_with_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    let [partial, place] =
        ["rows.partial", "rows.partial.json"].map(|name| folder.path().join(name));
    let mut file = open(&path, 1).unwrap();
    append(&mut file, 4, &[1, 3]);
    file.commit().unwrap();
    drop(file);
    let rows = fs::read(&partial).unwrap();
    let journal = without_hash(&place);
    let (mut refused, mut used) = (0, 0);
    for (what, changed) in extremes(&journal) {
        fs::write(&partial, &rows).unwrap();
        fs::write(&place, changed.to_string()).unwrap();
        let gone_on = std::panic::catch_unwind(|| {
            let mut file = open(&path, 1).ok()?;
            let rest = ITEMS.len() - file.done();
            append(&mut file, rest, &[]);
            file.finish(&metadata(&ITEMS)).ok()
        });
        match gone_on {
            Ok(None) => refused += 1,
            Ok(Some(())) => used += 1,
            Err(_) => panic!("{what} panicked"),
        }
    }
    assert!(refused > 100 && used > 5, "{refused} and {used}");
}

#[test]
fn a_journal_that_contradicts_itself_is_refused_with_the_field() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    let mut file = open(&path, 1).unwrap();
    append(&mut file, 4, &[1, 3]);
    file.commit().unwrap();
    drop(file);
    let place = folder.path().join("rows.partial.json");
    let journal = without_hash(&place);
    for (field, value, expected) in [
        (
            "done",
            serde_json::json!(8),
            "done is 8; it must lie between 0 and 7",
        ),
        (
            "done",
            serde_json::json!(2),
            "left_out names 3, and done is 2",
        ),
        (
            "left_out",
            serde_json::json!([3, 1]),
            "left_out is not in order",
        ),
        (
            "left_out",
            serde_json::json!([1, 1]),
            "left_out is not in order",
        ),
    ] {
        let mut changed = journal.clone();
        changed[field] = value;
        fs::write(&place, changed.to_string()).unwrap();
        let error = open(&path, 1).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
