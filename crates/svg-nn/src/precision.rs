//! Which number type the matrix products use.

use burn::module::{Module, ModuleMapper, Param};
use burn::prelude::*;
use burn::tensor::DType;

/// The number type of a network's linear layers.
///
/// Everything else stays in f32: the residual stream, norms, tokens, rotations. That is PyTorch's
/// autocast, and with f16 it is the only way that works, since the residual stream of the large DINOv3
/// models reaches 155,693, beyond f16's 65,504.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// f32 throughout, on every device.
    #[default]
    F32,
    /// f32, whose products tensor cores may round to TF32 (10 bits behind the point): NVIDIA cards alone.
    Tf32,
    /// Linear layers in bfloat16.
    Bf16,
    /// Linear layers in IEEE half precision.
    F16,
}

impl Precision {
    /// The number type that is stored.
    pub fn dtype(self) -> DType {
        match self {
            Self::F32 | Self::Tf32 => DType::F32,
            Self::Bf16 => DType::BF16,
            Self::F16 => DType::F16,
        }
    }

    /// Sets the process to compute products of f32 in this way ([`allow_tf32`](svg_kernels::allow_tf32)); `false` if the
    /// device does not compute in this type.
    pub fn select(self, device: &Device) -> bool {
        let rounds = self == Self::Tf32;
        let computes = device.supports_dtype(self.dtype());
        let selected = computes && (!rounds || svg_kernels::has_tf32(device));
        if selected {
            svg_kernels::allow_tf32(rounds);
        }
        selected
    }

    /// Stores the weights of every [`Linear`](burn::nn::Linear) inside `module` in this type.
    ///
    /// The layers of this crate convert their input to the type that they find, so nothing else has to
    /// be told. Ask [`select`](Self::select) first: a device may store a type without computing in it.
    pub fn apply<M: Module>(self, module: M) -> M {
        module.map(&mut CastLinear {
            dtype: self.dtype(),
            inside_linear: false,
        })
    }
}

/// Casts the parameters of linear layers and nothing else.
struct CastLinear {
    dtype: DType,
    inside_linear: bool,
}

impl ModuleMapper for CastLinear {
    fn enter_module(&mut self, _name: &str, container_type: &str) {
        self.inside_linear = container_type == "Struct:Linear";
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.inside_linear = false;
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.inside_linear {
            true => param.map(|tensor| tensor.cast(self.dtype)),
            false => param,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LayerScale, LayerScaleConfig, Mlp, MlpConfig};

    #[derive(Module, Debug)]
    struct Branch {
        mlp: Mlp,
        scale: LayerScale,
    }

    #[test]
    fn only_linear_layers_change_their_type() {
        let device = Default::default();
        let branch = Branch {
            mlp: MlpConfig::new(4, 8).init(&device),
            scale: LayerScaleConfig::new(4).init(&device),
        };
        let branch = Precision::Bf16.apply(branch);
        assert_eq!(branch.mlp.fc1.weight.val().dtype(), DType::BF16);
        assert_eq!(branch.scale.gamma.val().dtype(), DType::F32);
        let y = branch.mlp.forward(Tensor::ones([1, 2, 4], &device));
        assert_eq!(y.dtype(), DType::BF16);
    }

    #[test]
    fn the_cpu_computes_in_f32_and_has_no_tf32() {
        let device = Device::flex();
        assert!(Precision::F32.select(&device));
        assert!(!Precision::Tf32.select(&device));
    }
}
