//! Gradients of several devices become one.

use std::collections::VecDeque;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::prelude::*;
use burn::tensor::distributed::{CollectiveTensor, ReduceOperation, all_reduce};

/// The mean of this thread's gradients and those of the threads of the other devices.
pub(super) fn exchange<M: Module>(
    module: &M,
    gradients: GradientsParams,
    devices: &[Device],
) -> GradientsParams {
    let mut submit = Submit {
        gradients,
        devices,
        pending: VecDeque::new(),
    };
    module.visit(&mut submit);
    let mut resolve = Resolve {
        pending: submit.pending,
        mean: GradientsParams::new(),
    };
    module.visit(&mut resolve);
    resolve.mean
}

/// The sum of the gradients of several devices, on `device`.
pub(super) fn sum_on<M: Module>(
    device: &Device,
    module: &M,
    gradients: Vec<GradientsParams>,
) -> GradientsParams {
    let mut sum = SumOnFirst {
        gradients,
        device,
        sum: GradientsParams::new(),
    };
    module.visit(&mut sum);
    sum.sum
}

/// Submits every gradient before waiting for the first.
struct Submit<'a> {
    gradients: GradientsParams,
    devices: &'a [Device],
    pending: VecDeque<Option<CollectiveTensor<1>>>,
}

impl ModuleVisitor for Submit<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = self.gradients.remove::<D>(param.id);
        self.pending.push_back(gradient.map(|gradient| {
            let count = gradient.shape().num_elements();
            let devices = self.devices.to_vec();
            all_reduce(gradient.reshape([count]), ReduceOperation::Mean, devices)
        }));
    }
}

/// Waits for them, in the same order.
struct Resolve {
    pending: VecDeque<Option<CollectiveTensor<1>>>,
    mean: GradientsParams,
}

impl ModuleVisitor for Resolve {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let pending = self
            .pending
            .pop_front()
            .expect("both visits are of one module");
        if let Some(pending) = pending {
            let gradient = pending.resolve().reshape(param.val().shape());
            self.mean.register::<D>(param.id, gradient);
        }
    }
}

/// Adds gradients on one device.
struct SumOnFirst<'a> {
    gradients: Vec<GradientsParams>,
    device: &'a Device,
    sum: GradientsParams,
}

impl ModuleVisitor for SumOnFirst<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let count = self.gradients.len();
        let parts: Vec<Tensor<D>> = self
            .gradients
            .iter_mut()
            .filter_map(|gradients| gradients.remove::<D>(param.id))
            .map(|gradient| gradient.to_device(self.device))
            .collect();
        assert!(
            parts.is_empty() || parts.len() == count,
            "{} of {count} devices gave a gradient for one parameter",
            parts.len()
        );
        if let Some(sum) = parts.into_iter().reduce(|sum, part| sum + part) {
            self.sum.register(param.id, sum);
        }
    }
}
