//! The names of a file to those of a module, and back.

use burn::module::Module;

use crate::load::fill;
use crate::{LoadError, Mismatch, StoredTensor, module_tensors};

/// What differs between the names in a module and those in a file: pairs of parts of names, the module's
/// first, each replaced where it first occurs.
///
/// ```
/// use svg_nn::Names;
///
/// const NAMES: Names = Names(&[("mlp.fc1.", "mlp.0."), ("mlp.fc2.", "mlp.3.")]);
/// assert_eq!(NAMES.in_file("blocks.4.mlp.fc2.weight"), "blocks.4.mlp.3.weight");
/// assert_eq!(NAMES.in_module("blocks.4.mlp.3.weight"), "blocks.4.mlp.fc2.weight");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Names(pub &'static [(&'static str, &'static str)]);

impl Names {
    /// What the module calls a tensor of the file.
    pub fn in_module(&self, name: &str) -> String {
        let pairs = self.0.iter();
        pairs.fold(name.to_string(), |name, (ours, theirs)| {
            name.replacen(theirs, ours, 1)
        })
    }

    /// What the file calls a tensor of the module.
    pub fn in_file(&self, name: &str) -> String {
        let pairs = self.0.iter();
        pairs.fold(name.to_string(), |name, (ours, theirs)| {
            name.replacen(ours, theirs, 1)
        })
    }

    /// [`load_exact`](crate::load_exact) from tensors with the names of the file, in which errors are, too. A
    /// name that does not come back is not one of the file, even if it is one of the module.
    ///
    /// # Errors
    ///
    /// [`LoadError::Mismatch`] if there is any difference.
    pub fn load_exact<M: Module>(
        &self,
        module: M,
        tensors: Vec<StoredTensor>,
        source: &str,
    ) -> Result<M, LoadError> {
        let (module, mismatch) = self.fill(module, tensors, source);
        Ok(mismatch.unless(module)?)
    }

    /// [`load_exact`](Self::load_exact) as far as the tensors fit, and how far they do not.
    pub fn fill<M: Module>(
        &self,
        module: M,
        tensors: Vec<StoredTensor>,
        source: &str,
    ) -> (M, Mismatch) {
        let (known, foreign): (Vec<_>, Vec<_>) = tensors
            .into_iter()
            .partition(|tensor| self.in_file(&self.in_module(&tensor.name)) == tensor.name);
        let known = known.into_iter().map(|tensor| {
            let name = self.in_module(&tensor.name);
            renamed(tensor, name)
        });
        let (module, mismatch) = fill(module, known.collect(), source);
        let mut mismatch = mismatch.with_names(|name| self.in_file(name));
        let foreign = foreign.into_iter().map(|tensor| tensor.name);
        mismatch.unexpected.extend(foreign);
        (module, mismatch)
    }

    /// [`module_tensors`] with the names of the file, sorted by name: what
    /// [`load_exact`](Self::load_exact) takes.
    pub fn tensors<M: Module>(&self, module: &M) -> Vec<StoredTensor> {
        let tensors = module_tensors(module).into_iter();
        let mut tensors: Vec<_> = tensors
            .map(|tensor| {
                let name = self.in_file(&tensor.name);
                renamed(tensor, name)
            })
            .collect();
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        tensors
    }
}

/// The same tensor under another name, and without the identity of the parameter that it came from:
/// what is loaded is a parameter of its own.
fn renamed(mut tensor: StoredTensor, name: String) -> StoredTensor {
    tensor.name = name;
    tensor.param_id = None;
    tensor
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mlp, MlpConfig};
    use burn::prelude::*;

    const NAMES: Names = Names(&[("fc1.", "layers.0."), ("fc2.", "layers.2.")]);

    fn mlp() -> Mlp {
        MlpConfig::new(4, 8).init(&Device::default())
    }

    fn found(tensors: Vec<StoredTensor>) -> Mismatch {
        match NAMES.load_exact(mlp(), tensors, "test") {
            Err(LoadError::Mismatch(mismatch)) => mismatch,
            other => panic!("expected a mismatch, got {:?}", other.map(|_| "a module")),
        }
    }

    #[test]
    fn a_module_survives_the_way_to_a_file_and_back() {
        let written = NAMES.tensors(&mlp());
        let names: Vec<_> = written.iter().map(|tensor| tensor.name.as_str()).collect();
        let expected = [
            "layers.0.bias",
            "layers.0.weight",
            "layers.2.bias",
            "layers.2.weight",
        ];
        assert_eq!(names, expected);
        let loaded = NAMES.load_exact(mlp(), written.clone(), "test").unwrap();
        for (a, b) in written.iter().zip(NAMES.tensors(&loaded)) {
            let bytes = |tensor: &StoredTensor| tensor.to_bytes().unwrap().to_vec();
            assert_eq!((&a.name, bytes(a)), (&b.name, bytes(&b)));
        }
    }

    #[test]
    fn differences_are_told_in_the_names_of_the_file() {
        let mut tensors = NAMES.tensors(&mlp());
        tensors.retain(|tensor| tensor.name != "layers.2.bias");
        assert_eq!(found(tensors).missing, ["layers.2.bias"]);
    }

    #[test]
    fn a_name_of_the_module_is_not_one_of_the_file() {
        let mut tensors = NAMES.tensors(&mlp());
        tensors[0].name = "fc1.bias".to_string();
        let found = found(tensors);
        assert_eq!(found.missing, ["layers.0.bias"]);
        assert_eq!(found.unexpected, ["fc1.bias"]);
    }
}
