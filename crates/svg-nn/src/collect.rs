//! A module's tensors, as a file would hold them.

use burn::module::Module;
use burn::store::{BurnToPyTorchAdapter, ModuleSnapshot};

use crate::StoredTensor;

/// Every parameter of `module` under the names and in the layout that [`load_exact`](crate::load_exact)
/// takes: linear weights `[out, in]`, norm parameters `weight` and `bias`, sorted by name.
///
/// Nothing is read from the device until a tensor's bytes are asked for.
pub fn module_tensors<M: Module>(module: &M) -> Vec<StoredTensor> {
    let mut tensors = module.collect(None, Some(Box::new(BurnToPyTorchAdapter)), true);
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    tensors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MlpConfig, load_exact};
    use burn::tensor::Device;

    #[test]
    fn what_is_collected_can_be_loaded() {
        let device = Device::default();
        let (from, to) = (
            MlpConfig::new(3, 5).init(&device),
            MlpConfig::new(3, 5).init(&device),
        );
        let tensors = module_tensors(&from);
        let names: Vec<_> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        assert_eq!(names, ["fc1.bias", "fc1.weight", "fc2.bias", "fc2.weight"]);
        assert_eq!(tensors[1].shape.to_vec(), [5, 3]);
        let loaded = load_exact(to, tensors, "memory").unwrap();
        let (got, want) = (loaded.fc1.weight.val(), from.fc1.weight.val());
        got.into_data().assert_eq(&want.into_data(), true);
    }
}
