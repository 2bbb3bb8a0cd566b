//! A module that travels but is never trained or saved.

use std::ops::Deref;

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::prelude::*;

/// Wraps a module so that its owner carries it from device to device, and nothing else sees it.
///
/// A frozen encoder inside a training task must be moved with the task, but no optimizer may step it,
/// no checkpoint may hold it, and data-parallel training must not synchronise it. `#[module(skip)]`
/// would also skip the move; so this visits nothing and moves everything.
#[derive(Clone, Debug)]
pub struct Frozen<M>(M);

impl<M: Module> Frozen<M> {
    /// Takes the module out of training: no gradients, inference behaviour.
    pub fn new(module: M) -> Self {
        Self(module.freeze().valid())
    }
}

impl<M> Deref for Frozen<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.0
    }
}

impl<M: Module> Module for Frozen<M> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.0.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        Self(self.0.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        Self(self.0.to_device(device))
    }

    fn train(self) -> Self {
        self
    }

    fn valid(&self) -> Self {
        self.clone()
    }

    fn materialize(self) -> Self {
        Self(self.0.materialize())
    }

    fn visit<V: ModuleVisitor>(&self, _visitor: &mut V) {}

    fn map<P: ModuleMapper>(self, _mapper: &mut P) -> Self {
        self
    }
}

impl<M: Module> ModuleDisplayDefault for Frozen<M> {
    fn content(&self, content: Content) -> Option<Content> {
        content
            .add("frozen", &format!("{} parameters", self.0.num_params()))
            .optional()
    }
}

impl<M: Module> ModuleDisplay for Frozen<M> {}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};

    #[derive(Module, Debug)]
    struct Task {
        encoder: Frozen<Linear>,
        head: Linear,
    }

    #[test]
    fn nobody_sees_the_parameters_of_a_frozen_module() {
        let device = Default::default();
        let task = Task {
            encoder: Frozen::new(LinearConfig::new(3, 5).init(&device)),
            head: LinearConfig::new(5, 2).init(&device),
        };
        assert_eq!(Module::num_params(&task), 5 * 2 + 2);
        assert_eq!(Module::num_params(&*task.encoder), 3 * 5 + 5);
    }

    #[test]
    fn a_frozen_module_still_computes_and_moves() {
        let device = Default::default();
        let linear = LinearConfig::new(3, 5).init(&device);
        let x = Tensor::<2>::ones([1, 3], &device);
        let expected = linear.forward(x.clone()).into_data();
        let moved = Frozen::new(linear).to_device(&device);
        moved.forward(x).into_data().assert_eq(&expected, true);
    }

    #[test]
    fn a_frozen_module_takes_no_gradient() {
        let device = Device::default().autodiff();
        let task = Task {
            encoder: Frozen::new(LinearConfig::new(3, 5).init(&device)),
            head: LinearConfig::new(5, 2).init(&device),
        };
        let x = Tensor::<2>::ones([1, 3], &device.clone().without_autodiff());
        let features = Tensor::from_inner(task.encoder.forward(x));
        let grads = task.head.forward(features).sum().backward();
        assert!(task.head.weight.grad(&grads).is_some());
        assert!(!task.encoder.weight.is_require_grad());
    }
}
