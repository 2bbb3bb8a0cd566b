//! Numbers that are no tensors: arrays and scalars of numpy, lists of numbers.

use std::borrow::Cow;

use crate::pickle::{Heap, Id, Object, Value};

/// Longer lists are records of a training.
const LONGEST: usize = 1 << 20;
/// Lists lie in one another at most so deep.
const MOST_AXES: usize = 4;

/// A shape and its numbers, as f64.
pub(super) type Numbers = (Vec<usize>, Vec<f64>);

/// A list or tuple of numbers or of such lists of one shape, or a numpy array in the order of C.
pub(super) fn numbers(heap: &Heap, id: Id) -> Option<Numbers> {
    match heap.get(id) {
        Value::List(_) | Value::Tuple(_) => list(heap, id, MOST_AXES),
        Value::Object(object) => array(heap, object),
        _ => None,
    }
}

fn list(heap: &Heap, id: Id, axes: usize) -> Option<Numbers> {
    let items = heap.sequence(id)?;
    let axes = axes.checked_sub(1)?;
    let (mut shape, mut numbers) = (None, Vec::new());
    for item in items {
        let (inner, some) = match heap.get(*item) {
            Value::Int(int) => (Vec::new(), vec![*int as f64]),
            Value::Float(float) => (Vec::new(), vec![*float]),
            Value::Object(_) => (Vec::new(), vec![scalar(heap, *item)?]),
            _ => list(heap, *item, axes)?,
        };
        numbers.extend(some);
        if *shape.get_or_insert_with(|| inner.clone()) != inner || numbers.len() > LONGEST {
            return None;
        }
    }
    let inner = shape?.into_iter();
    Some(([items.len()].into_iter().chain(inner).collect(), numbers))
}

/// A call of a function of numpy, whose modules were renamed in its second version.
fn is_call(heap: &Heap, object: &Object, name: &str) -> bool {
    let function = heap.global(object.callable);
    function.is_some_and(|(module, function)| function == name && module.starts_with("numpy"))
}

/// `scalar(dtype, bytes)`
pub(super) fn scalar(heap: &Heap, id: Id) -> Option<f64> {
    let Value::Object(object) = heap.get(id) else {
        return None;
    };
    if !is_call(heap, object, "scalar") {
        return None;
    }
    let [dtype, data] = heap.sequence(object.arguments)? else {
        return None;
    };
    match decoded(heap, *dtype, *data)?[..] {
        [number] => Some(number),
        _ => None,
    }
}

/// `_reconstruct(...)` with the state `(version, shape, dtype, is_fortran, bytes)`
fn array(heap: &Heap, object: &Object) -> Option<Numbers> {
    if !is_call(heap, object, "_reconstruct") {
        return None;
    }
    let [_, shape, dtype, fortran, data] = heap.sequence(object.state?)? else {
        return None;
    };
    let shape = heap
        .sequence(*shape)?
        .iter()
        .map(|size| usize::try_from(heap.int(*size)?).ok());
    let shape = shape.collect::<Option<Vec<_>>>()?;
    if matches!(heap.get(*fortran), Value::Bool(true)) && shape.len() > 1 {
        return None;
    }
    let numbers = decoded(heap, *dtype, *data)?;
    let count = shape
        .iter()
        .try_fold(1usize, |count, size| count.checked_mul(*size));
    (count == Some(numbers.len())).then_some((shape, numbers))
}

/// Numbers of a type such as `dtype("f4")` with the state `(3, "<", ...)`.
fn decoded(heap: &Heap, dtype: Id, data: Id) -> Option<Vec<f64>> {
    let Value::Object(dtype) = heap.get(dtype) else {
        return None;
    };
    let code = heap.text(*heap.sequence(dtype.arguments)?.first()?)?;
    let order = dtype
        .state
        .and_then(|state| heap.text(*heap.sequence(state)?.get(1)?));
    if order == Some(">") {
        return None;
    }
    let data = bytes(heap, data)?;
    fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Option<Vec<f64>> {
        let (numbers, rest) = bytes.as_chunks();
        rest.is_empty()
            .then(|| numbers.iter().map(|bytes| number(*bytes)).collect())
    }
    match code {
        "f8" => each(&data, f64::from_le_bytes),
        "f4" => each(&data, |bytes| f32::from_le_bytes(bytes).into()),
        "i8" => each(&data, |bytes| i64::from_le_bytes(bytes) as f64),
        "i4" => each(&data, |bytes| i32::from_le_bytes(bytes).into()),
        "i2" => each(&data, |bytes| i16::from_le_bytes(bytes).into()),
        "u8" => each(&data, |bytes| u64::from_le_bytes(bytes) as f64),
        "u4" => each(&data, |bytes| u32::from_le_bytes(bytes).into()),
        "u2" => each(&data, |bytes| u16::from_le_bytes(bytes).into()),
        "i1" => each(&data, |[byte]| (byte as i8).into()),
        "u1" | "b1" => each(&data, |[byte]| byte.into()),
        _ => None,
    }
}

/// Bytes, which the protocols before the third write as `_codecs.encode(text, "latin1")`.
pub(super) fn bytes<'a>(heap: &'a Heap, id: Id) -> Option<Cow<'a, [u8]>> {
    match heap.get(id) {
        Value::Bytes(bytes) => Some(Cow::Borrowed(bytes)),
        Value::Object(object) if heap.global(object.callable) == Some(("_codecs", "encode")) => {
            let text = heap.text(*heap.sequence(object.arguments)?.first()?)?;
            let bytes = text
                .chars()
                .map(|letter| u8::try_from(u32::from(letter)).ok());
            bytes.collect::<Option<Vec<_>>>().map(Cow::Owned)
        }
        _ => None,
    }
}
