//! Parameters that keep their identity from one process to the next.

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::prelude::*;
use svg_nn::draw_parameters;

/// Names every parameter of a module by its path, below `root`.
///
/// Burn gives parameters random identities, and an optimizer keeps its moments by them. With identities
/// that follow from the path, the moments of one process are found again in the next, and two modules
/// with different roots, such as a network and its moving average, never share one.
///
/// Parameters that were not drawn yet are drawn here, so that a seed set before decides them.
pub(crate) fn name_parameters<M: Module>(module: M, root: &str) -> M {
    draw_parameters(&module);
    module.map(&mut NameByPath {
        path: vec![root.to_string()],
    })
}

struct NameByPath {
    path: Vec<String>,
}

impl ModuleMapper for NameByPath {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (_random, value, mapper) = param.consume();
        let id = ParamId::from(fnv1a64(&self.path.join(".")));
        Param::from_mapped_value(id, value, mapper)
    }
}

/// FNV-1a, which is the same on every machine and in every version.
pub(crate) fn fnv1a64(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};

    #[derive(Module, Debug)]
    struct Pair {
        left: Linear,
        right: Linear,
    }

    fn pair() -> Pair {
        let device = Device::default().autodiff();
        Pair {
            left: LinearConfig::new(2, 3).init(&device),
            right: LinearConfig::new(2, 3).init(&device),
        }
    }

    #[test]
    fn names_follow_from_paths_alone() {
        let (one, other) = (
            name_parameters(pair(), "net"),
            name_parameters(pair(), "net"),
        );
        assert_eq!(one.left.weight.id, other.left.weight.id);
        assert_ne!(one.left.weight.id, one.right.weight.id);
        let average = name_parameters(one.clone(), "average");
        assert_ne!(average.left.weight.id, one.left.weight.id);
        assert!(one.left.weight.is_require_grad());
    }

    #[test]
    fn values_stay_as_they_are() {
        let before = pair();
        let value = before.left.weight.val().into_data();
        let after = name_parameters(before, "net").left.weight.val();
        after.into_data().assert_eq(&value, true);
    }
}
