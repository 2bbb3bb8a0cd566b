//! Tensors into a module, exactly.

use std::sync::{Arc, Mutex, PoisonError};

use burn::module::Module;
use burn::store::{ApplyError, ModuleSnapshot, PyTorchToBurnAdapter, bridge};
use burn::tensor::DType;

use crate::finite::not_finite;
use crate::{LoadError, Mismatch, StoredTensor};

/// Fills every parameter of `module` from `tensors`, or fails and says everything that does not fit.
///
/// Tensors are named by the module's own paths, in PyTorch's layout: linear weights `[out, in]`, norm
/// parameters `weight` and `bias`. Whatever float type they are stored in, they arrive as f32; see
/// [`Precision`](crate::Precision) for a smaller type afterwards. `source` is named in errors.
///
/// # Errors
///
/// [`LoadError::Mismatch`] if a parameter has no tensor, a tensor has no parameter, a shape or kind
/// differs, a tensor's bytes cannot be read, or a number of it is NaN or infinite in f32.
pub fn load_exact<M: Module>(
    module: M,
    tensors: Vec<StoredTensor>,
    source: &str,
) -> Result<M, LoadError> {
    let (module, mismatch) = fill(module, tensors, source);
    Ok(mismatch.unless(module)?)
}

/// [`load_exact`] as far as the tensors fit, and how far they do not.
pub(crate) fn fill<M: Module>(
    mut module: M,
    tensors: Vec<StoredTensor>,
    source: &str,
) -> (M, Mismatch) {
    let found = Arc::new(Mutex::new(Vec::new()));
    let watched = |tensor| watched(widen(tensor), found.clone());
    let tensors = tensors.into_iter().map(watched).collect();
    let report = module.apply(tensors, None, Some(Box::new(PyTorchToBurnAdapter)), true);
    let mut mismatch = Mismatch {
        source: source.to_string(),
        missing: report.missing.into_iter().map(in_pytorch).collect(),
        unexpected: report.unused,
        unusable: report.errors.iter().map(describe).collect(),
    };
    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
    mismatch.unusable.append(&mut found);
    (module, mismatch)
}

/// The same tensor, which says in `found` if numbers of it turn out to be NaN or infinite when it is read.
fn watched(tensor: StoredTensor, found: Arc<Mutex<Vec<String>>>) -> StoredTensor {
    if tensor.dtype != DType::F32 {
        return tensor;
    }
    let (name, shape) = (tensor.name.clone(), tensor.shape.clone());
    let called = name.clone();
    bridge::map_data(tensor, name, DType::F32, shape, move |data| {
        if let Some(reason) = data.as_slice().ok().and_then(not_finite) {
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.push(format!("{called}: {reason}"));
        }
        data
    })
}

/// A missing path as PyTorch would call it: Burn's norms have `gamma` and `beta`.
fn in_pytorch((path, container): (String, String)) -> String {
    let norm = container.ends_with("Norm");
    match path.rsplit_once('.') {
        Some((stem, "gamma")) if norm => format!("{stem}.weight"),
        Some((stem, "beta")) if norm => format!("{stem}.bias"),
        _ => path,
    }
}

/// Burn would keep a parameter in the type of its file; the network chooses its own.
fn widen(tensor: StoredTensor) -> StoredTensor {
    match tensor.dtype {
        DType::F16 | DType::BF16 | DType::F64 => {
            let (name, shape) = (tensor.name.clone(), tensor.shape.clone());
            bridge::map_data(tensor, name, DType::F32, shape, |data| {
                data.convert::<f32>()
            })
        }
        _ => tensor,
    }
}

fn describe(error: &ApplyError) -> String {
    match error {
        ApplyError::ShapeMismatch {
            path,
            expected,
            found,
        } => {
            let (expected, found) = (expected.to_vec(), found.to_vec());
            format!("{path}: expected shape {expected:?}, found {found:?}")
        }
        ApplyError::DTypeMismatch { path, found, .. } => {
            format!("{path}: expected floats, found {found:?}")
        }
        ApplyError::AdapterError { path, message } | ApplyError::LoadError { path, message } => {
            format!("{path}: {message}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::{Device, TensorData};

    fn tensor(name: &str, data: TensorData) -> StoredTensor {
        bridge::from_data(data, name.to_string(), None)
    }

    fn linear() -> Linear {
        LinearConfig::new(3, 2).init(&Device::default())
    }

    fn weight() -> TensorData {
        TensorData::from([[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]])
    }

    fn mismatch(tensors: Vec<StoredTensor>) -> Mismatch {
        match load_exact(linear(), tensors, "test") {
            Err(LoadError::Mismatch(mismatch)) => mismatch,
            other => panic!("expected a mismatch, got {other:?}"),
        }
    }

    #[test]
    fn weights_arrive_transposed_and_widened() {
        let bias = TensorData::from([0.5f32, -0.5]).convert::<burn::tensor::bf16>();
        let tensors = vec![tensor("weight", weight()), tensor("bias", bias)];
        let loaded = load_exact(linear(), tensors, "test").unwrap();
        let expected = TensorData::from([[1.0f32, 4.0], [2.0, 5.0], [3.0, 6.0]]);
        loaded.weight.val().into_data().assert_eq(&expected, true);
        let bias = loaded.bias.unwrap().val().into_data();
        bias.assert_eq(&TensorData::from([0.5f32, -0.5]), true);
    }

    #[test]
    fn a_missing_tensor_is_an_error() {
        let found = mismatch(vec![tensor("weight", weight())]);
        assert_eq!(found.missing, ["bias"]);
    }

    #[test]
    fn a_missing_norm_has_the_name_of_the_file() {
        #[derive(Module, Debug)]
        struct Normed {
            norm: burn::nn::LayerNorm,
        }
        let norm = burn::nn::LayerNormConfig::new(2).init(&Device::default());
        let error = load_exact(Normed { norm }, vec![], "test").unwrap_err();
        let LoadError::Mismatch(found) = error else {
            panic!("expected a mismatch");
        };
        assert_eq!(found.missing, ["norm.bias", "norm.weight"]);
    }

    #[test]
    fn a_left_over_tensor_is_an_error() {
        let bias = TensorData::from([0.5f32, -0.5]);
        let tensors = ["bias", "extra"].map(|name| tensor(name, bias.clone()));
        let found = mismatch(
            [tensor("weight", weight())]
                .into_iter()
                .chain(tensors)
                .collect(),
        );
        assert_eq!(found.unexpected, ["extra"]);
    }

    #[test]
    fn numbers_that_are_none_are_an_error_in_every_float_type() {
        let with = |bad: f64| TensorData::from([bad, 0.5]);
        for data in [
            with(f64::NAN).convert::<f32>(),
            with(f64::INFINITY).convert::<f32>(),
            with(f64::NEG_INFINITY).convert::<burn::tensor::f16>(),
            with(f64::NAN).convert::<burn::tensor::bf16>(),
            // Finite as it is stored, and not in the type of the network.
            with(1e300),
        ] {
            let found = mismatch(vec![tensor("weight", weight()), tensor("bias", data)]);
            assert_eq!(found.unusable, ["bias: 1 of 2 numbers is NaN or infinite"]);
            assert!(found.missing.is_empty() && found.unexpected.is_empty());
        }
        let largest = TensorData::from([f32::MAX, f32::MIN_POSITIVE]);
        let tensors = vec![tensor("weight", weight()), tensor("bias", largest)];
        load_exact(linear(), tensors, "test").unwrap();
    }

    #[test]
    fn a_wrong_shape_or_kind_is_an_error() {
        let found = mismatch(vec![
            tensor("weight", TensorData::from([[1.0f32, 2.0], [3.0, 4.0]])),
            tensor("bias", TensorData::from([1i32, 2])),
        ]);
        assert_eq!(found.unusable.len(), 2, "{found}");
    }
}
