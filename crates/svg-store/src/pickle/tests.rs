//! Pickles written by hand and by Python.

use super::machine::parse;
use super::value::{Heap, Id, Value};

fn check(bytes: &[u8], expected: impl Fn(&Heap, Id) -> bool) {
    let pickle = parse(bytes, 0).unwrap();
    assert_eq!(pickle.end, bytes.len());
    assert!(expected(&pickle.heap, pickle.root), "{:?}", pickle.heap);
}

#[test]
fn a_call_is_kept_and_not_made() {
    // os.system("true")
    let pickle = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.";
    check(pickle, |heap, root| {
        let Value::Object(object) = heap.get(root) else {
            return false;
        };
        heap.global(object.callable) == Some(("os", "system"))
    });
}

#[test]
fn values_are_shared_and_may_hold_themselves() {
    // x = []; x.append(x)
    check(b"]q\x00h\x00a.", |heap, root| {
        heap.sequence(root) == Some(&[root])
    });
}

#[test]
fn every_protocol_writes_the_same_dictionary() {
    // pickle.dumps({"a": 1, "b": True}, protocol) for 0, 2 and 4
    let written: [&[u8]; 3] = [
        b"(dp0\nVa\np1\nI1\nsVb\np2\nI01\ns.",
        b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01X\x01\x00\x00\x00bq\x02\x88u.",
        b"\x80\x04\x95\x0f\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94K\x01\x8c\x01b\x94\x88u.",
    ];
    for pickle in written {
        check(pickle, |heap, root| {
            let one = heap.under(root, "a").and_then(|id| heap.int(id));
            let truth = heap.under(root, "b").map(|id| heap.get(id));
            one == Some(1) && matches!(truth, Some(Value::Bool(true)))
        });
    }
}

#[test]
fn what_is_no_pickle_is_an_error_that_names_the_byte() {
    let wrong: [(&[u8], &str); 8] = [
        (b"", "byte 0 of the pickle: it ends too early"),
        (b"NK", "byte 1 of the pickle: it ends too early"),
        (b"X\xff\xff\xff\xffa.", "ends too early"),
        (b"h\x05.", "refers to a value"),
        (b"Na.", "finds no value"),
        (b"K\x01Na.", "holds none"),
        (b"t.", "no mark"),
        (b"\xfe.", "no instruction"),
    ];
    for (bytes, reason) in wrong {
        let error = parse(bytes, 0).err().unwrap().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn nesting_may_be_deep_and_marks_are_no_values() {
    let mut deep = vec![b']'];
    deep.extend(std::iter::repeat_n(0x85, 1_000_000));
    deep.push(b'.');
    check(&deep, |heap, root| heap.sequence(root).is_some());
    for bytes in [&b"(\x85."[..], b"(q\x00.", b"K\x01(.", b"(b.", b"(2."] {
        assert!(parse(bytes, 0).is_err(), "{bytes:?}");
    }
    check(b"K\x01(0.", |heap, root| heap.int(root) == Some(1));
}
