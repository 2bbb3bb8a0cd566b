//! Number types of torch.

use safetensors::Dtype;

/// A number type.
#[derive(Debug)]
pub(super) struct Element {
    /// Class of the storages that hold it; empty for types that came after typed storages.
    storage: &'static str,
    /// Name in torch.
    pub name: &'static str,
    /// Bytes of one number, or of what a storage counts as one.
    pub bytes: usize,
    /// The same type in safetensors, if there is one.
    pub dtype: Option<Dtype>,
}

const fn element(
    storage: &'static str,
    name: &'static str,
    bytes: usize,
    dtype: Option<Dtype>,
) -> Element {
    Element {
        storage,
        name,
        bytes,
        dtype,
    }
}

const ELEMENTS: [Element; 27] = [
    element("DoubleStorage", "float64", 8, Some(Dtype::F64)),
    element("FloatStorage", "float32", 4, Some(Dtype::F32)),
    element("HalfStorage", "float16", 2, Some(Dtype::F16)),
    element("BFloat16Storage", "bfloat16", 2, Some(Dtype::BF16)),
    element("LongStorage", "int64", 8, Some(Dtype::I64)),
    element("IntStorage", "int32", 4, Some(Dtype::I32)),
    element("ShortStorage", "int16", 2, Some(Dtype::I16)),
    element("CharStorage", "int8", 1, Some(Dtype::I8)),
    element("ByteStorage", "uint8", 1, Some(Dtype::U8)),
    element("BoolStorage", "bool", 1, Some(Dtype::BOOL)),
    element("", "uint64", 8, Some(Dtype::U64)),
    element("", "uint32", 4, Some(Dtype::U32)),
    element("", "uint16", 2, Some(Dtype::U16)),
    element("ComplexFloatStorage", "complex64", 8, Some(Dtype::C64)),
    element("ComplexDoubleStorage", "complex128", 16, None),
    element("", "complex32", 4, None),
    element("", "float8_e4m3fn", 1, Some(Dtype::F8_E4M3)),
    element("", "float8_e5m2", 1, Some(Dtype::F8_E5M2)),
    element("", "float8_e4m3fnuz", 1, Some(Dtype::F8_E4M3FNUZ)),
    element("", "float8_e5m2fnuz", 1, Some(Dtype::F8_E5M2FNUZ)),
    element("", "float8_e8m0fnu", 1, Some(Dtype::F8_E8M0)),
    element("QInt8Storage", "qint8", 1, None),
    element("QUInt8Storage", "quint8", 1, None),
    element("QInt32Storage", "qint32", 4, None),
    element("QUInt4x2Storage", "quint4x2", 1, None),
    element("QUInt2x4Storage", "quint2x4", 1, None),
    // Bytes, whose type stands beside them.
    element("UntypedStorage", "bytes", 1, None),
];

/// The type of a class of storages.
pub(super) fn of_storage(class: &str) -> Option<&'static Element> {
    let mut known = ELEMENTS.iter().filter(|known| !known.storage.is_empty());
    known.find(|known| known.storage == class)
}

/// The type of a name in torch.
pub(super) fn of_name(name: &str) -> Option<&'static Element> {
    ELEMENTS.iter().find(|known| known.name == name)
}
