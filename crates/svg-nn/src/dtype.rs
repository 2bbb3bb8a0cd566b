//! Number types of safetensors and those of Burn.

use burn::tensor::{BoolStore, DType};
use svg_store::Dtype;

/// The types that both have.
const KNOWN: [(Dtype, DType); 13] = [
    (Dtype::F64, DType::F64),
    (Dtype::F32, DType::F32),
    (Dtype::F16, DType::F16),
    (Dtype::BF16, DType::BF16),
    (Dtype::I64, DType::I64),
    (Dtype::I32, DType::I32),
    (Dtype::I16, DType::I16),
    (Dtype::I8, DType::I8),
    (Dtype::U64, DType::U64),
    (Dtype::U32, DType::U32),
    (Dtype::U16, DType::U16),
    (Dtype::U8, DType::U8),
    (Dtype::BOOL, DType::Bool(BoolStore::Native)),
];

/// Burn's type for one of safetensors.
pub(crate) fn from_stored(dtype: Dtype) -> Option<DType> {
    let found = KNOWN.iter().find(|(stored, _)| *stored == dtype);
    found.map(|(_, known)| *known)
}

/// The type of safetensors for one of Burn's; truth values are stored alike, however a device keeps them.
pub(crate) fn to_stored(dtype: DType) -> Option<Dtype> {
    if let DType::Bool(_) = dtype {
        return Some(Dtype::BOOL);
    }
    let found = KNOWN.iter().find(|(_, known)| *known == dtype);
    found.map(|(stored, _)| *stored)
}
