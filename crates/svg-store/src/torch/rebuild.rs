//! Tensors as pickles describe them: a view of a storage.

use safetensors::Dtype;

use crate::pickle::{Heap, Id, Value};
use crate::tensors::are_sizes;

use super::element::{Element, of_name, of_storage};

/// Wrappers of a tensor lie in one another; more than these are no checkpoint.
const DEEPEST: usize = 16;
/// A tensor whose strides repeat numbers may be larger than its file, but not larger than this.
const LARGEST_REPETITION: usize = 1 << 30;

/// How a pickle names bytes that lie outside of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct StorageName<'a> {
    /// Its name.
    pub key: &'a str,
    /// The class of torch, such as `FloatStorage`.
    pub class: &'a str,
    /// Number of its elements.
    pub count: usize,
    /// Where the tensor's own part begins, in elements.
    offset: usize,
}

impl<'a> StorageName<'a> {
    /// Reads `("storage", class, key, device, count)`, in old files followed by `(key, offset, count)` of a part.
    pub fn of(heap: &'a Heap, id: Id) -> Option<Self> {
        let Value::Persistent(name) = heap.get(id) else {
            return None;
        };
        let [tag, class, key, _device, count, part @ ..] = heap.sequence(*name)? else {
            return None;
        };
        if heap.text(*tag) != Some("storage") {
            return None;
        }
        let part = part.first().and_then(|part| heap.sequence(*part));
        let offset = part.and_then(|part| heap.int(*part.get(1)?)).unwrap_or(0);
        Some(Self {
            key: heap.text(*key)?,
            class: heap
                .global(*class)
                .map(|(_, name)| name)
                .or_else(|| heap.text(*class))?,
            count: usize::try_from(heap.int(*count)?).ok()?,
            offset: usize::try_from(offset).ok()?,
        })
    }

    /// The type of its elements; single bytes if it has none.
    pub fn element(&self) -> Option<&'static Element> {
        of_storage(self.class)
    }
}

/// Where the numbers of a tensor lie.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// Name of the storage.
    pub storage: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// Elements between neighbours along each axis; zero along axes of one.
    pub strides: Vec<usize>,
    /// The first byte.
    pub start: usize,
    /// Number of bytes from the first to the last.
    pub reach: usize,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Meaning {
    Tensor(View),
    /// A tensor that is not read, and its kind.
    Left(String),
    /// No tensor.
    Other,
}

/// What a value is.
///
/// # Errors
///
/// In words, if it is a tensor that contradicts itself.
pub(super) fn meaning(heap: &Heap, id: Id) -> Result<Meaning, String> {
    match heap.get(id) {
        Value::Object(object) => call(heap, object.callable, object.arguments, DEEPEST),
        _ => Ok(Meaning::Other),
    }
}

fn call(heap: &Heap, function: Id, arguments: Id, deepest: usize) -> Result<Meaning, String> {
    let Some((module, name)) = heap.global(function) else {
        return Ok(Meaning::Other);
    };
    if deepest == 0 || !(module == "torch" || module.starts_with("torch.")) {
        return Ok(Meaning::Other);
    }
    let arguments = heap.sequence(arguments).unwrap_or(&[]);
    let left = |kind: &str| Ok(Meaning::Left(kind.to_string()));
    match (name, arguments) {
        ("_rebuild_tensor" | "_rebuild_tensor_v2", [storage, place @ ..]) if place.len() >= 3 => {
            let flags = place.get(5).copied();
            view(heap, *storage, [place[0], place[1], place[2]], None, flags)
        }
        ("_rebuild_tensor_v3", [storage, place @ ..]) if place.len() >= 6 => {
            let flags = place.get(6).copied();
            view(
                heap,
                *storage,
                [place[0], place[1], place[2]],
                Some(place[5]),
                flags,
            )
        }
        (
            "_rebuild_parameter"
            | "_rebuild_parameter_with_state"
            | "_rebuild_device_tensor_from_cpu_tensor",
            [data, ..],
        ) => match heap.get(*data) {
            Value::Object(data) => call(heap, data.callable, data.arguments, deepest - 1),
            _ => left("a parameter without numbers"),
        },
        ("_rebuild_from_type_v2" | "_rebuild_from_type", [function, class, arguments, ..]) => {
            let inner = call(heap, *function, *arguments, deepest - 1)?;
            Ok(match (inner, heap.global(*class)) {
                (Meaning::Left(_) | Meaning::Other, Some((module, name))) => {
                    Meaning::Left(format!("a {module}.{name}"))
                }
                (inner, _) => inner,
            })
        }
        ("_rebuild_sparse_tensor" | "_rebuild_sparse_csr_tensor", _) => left("sparse"),
        ("_rebuild_qtensor", _) => left("quantised"),
        ("_rebuild_nested_tensor", _) => left("nested"),
        ("_rebuild_meta_tensor_no_storage", _) => left("on the meta device, without numbers"),
        (name, _) if name.starts_with("_rebuild_") => {
            Ok(Meaning::Left(format!("a result of {module}.{name}")))
        }
        _ => Ok(Meaning::Other),
    }
}

/// A tensor of `[offset, shape, strides]`, of a type that is given or that of its storage.
fn view(
    heap: &Heap,
    storage: Id,
    [offset, shape, strides]: [Id; 3],
    dtype: Option<Id>,
    flags: Option<Id>,
) -> Result<Meaning, String> {
    let left = |kind: String| Ok(Meaning::Left(kind));
    let Some(storage) = StorageName::of(heap, storage) else {
        return left("a tensor whose numbers are not in this file".to_string());
    };
    let named = dtype
        .and_then(|dtype| heap.global(dtype))
        .map(|(_, name)| name);
    let element = match named {
        Some(name) => of_name(name),
        None => storage.element(),
    };
    let (Some(element), Some(dtype)) = (element, element.and_then(|element| element.dtype)) else {
        let name = element.map(|element| element.name);
        return left(name.or(named).unwrap_or(storage.class).to_string());
    };
    for flag in ["conj", "neg"] {
        let flag_is_set = flags.and_then(|flags| heap.under(flags, flag));
        if matches!(flag_is_set.map(|id| heap.get(id)), Some(Value::Bool(true))) {
            return left(format!(
                "a view with the {flag} bit; save tensor.resolve_{flag}()"
            ));
        }
    }
    let sizes = |id: Id| {
        let sizes = match heap.get(id) {
            // torch.Size(...)
            Value::Object(object) => heap
                .sequence(object.arguments)
                .and_then(|arguments| arguments.first()),
            _ => Some(&id),
        };
        let sizes = sizes.and_then(|id| heap.sequence(*id))?;
        let sizes = sizes.iter().map(|id| usize::try_from(heap.int(*id)?).ok());
        sizes.collect::<Option<Vec<_>>>()
    };
    let offset = heap
        .int(offset)
        .and_then(|offset| usize::try_from(offset).ok());
    let (Some(offset), Some(shape), Some(mut strides)) = (offset, sizes(shape), sizes(strides))
    else {
        return Err("its shape is not of whole numbers".to_string());
    };
    if shape.len() != strides.len() {
        return Err("its shape and its strides have different lengths".to_string());
    }
    for (stride, size) in strides.iter_mut().zip(&shape) {
        *stride *= usize::from(*size > 1);
    }
    let overflow = || "its sizes are larger than any file".to_string();
    let bytes = shape
        .iter()
        .try_fold(element.bytes, |bytes, size| bytes.checked_mul(*size));
    let bytes = bytes.filter(|_| are_sizes(&shape)).ok_or_else(overflow)?;
    let last = shape
        .iter()
        .zip(&strides)
        .try_fold(0usize, |last, (size, stride)| {
            size.saturating_sub(1)
                .checked_mul(*stride)?
                .checked_add(last)
        });
    let reach = last
        .and_then(|last| last.checked_add(1)?.checked_mul(element.bytes))
        .ok_or_else(overflow)?;
    let start = offset
        .checked_add(storage.offset)
        .and_then(|start| start.checked_mul(element.bytes));
    if bytes > reach.max(LARGEST_REPETITION) {
        return left(format!(
            "a tensor whose numbers are repeated to {bytes} bytes"
        ));
    }
    Ok(Meaning::Tensor(View {
        storage: storage.key.to_string(),
        dtype,
        reach: if bytes == 0 { 0 } else { reach },
        start: if bytes == 0 {
            0
        } else {
            start.ok_or_else(overflow)?
        },
        shape,
        strides,
    }))
}
