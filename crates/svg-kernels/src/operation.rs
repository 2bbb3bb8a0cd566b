//! Operations on Burn's CPU backend with a derivative of their own, outside a graph and on one.

use std::fmt::Debug;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::{
    BalancedCheckpointing, CheckpointStrategy, NoCheckpointing,
};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{
    DispatchAutodiffContext, DispatchDevice, DispatchTensor, Flex, GradientCheckpointingStrategy,
};
use burn::prelude::*;
use burn::tensor::DType;

use crate::array::empty;
use crate::graph::Dispatched;

/// A function of `N` tensors of f32 in ordinary memory. An input that may be absent is [`optional`].
///
/// A new operation is a type that implements this, and a public function on [`Tensor`] which calls [`run`]
/// where [`on_host`] holds for all inputs and a composition of Burn's operations elsewhere; Burn's graph
/// differentiates the composition.
pub trait Operation<const N: usize>: Clone + Debug + Send + 'static {
    /// Which inputs [`backward`](Self::backward) needs, if the gradients of the `wanted` ones are asked for: all,
    /// unless an operation says otherwise. The others may be overwritten at once.
    fn keeps(&self, _wanted: [bool; N]) -> [bool; N] {
        [true; N]
    }

    /// The value. An input that nobody else holds may be overwritten.
    fn forward(&self, inputs: [FlexTensor; N]) -> FlexTensor;

    /// The gradients at the `wanted` inputs, given the one at the value; others are ignored. In place of inputs
    /// for which [`keeps`](Self::keeps) did not ask there are empty ones.
    fn backward(
        &self,
        inputs: [FlexTensor; N],
        dy: FlexTensor,
        wanted: [bool; N],
    ) -> [Option<FlexTensor>; N];
}

/// Whether the tensor lives on Burn's CPU backend in f32, on a graph or not.
pub fn on_host<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32
        && match tensor.device().as_dispatch() {
            DispatchDevice::Flex(_) => true,
            DispatchDevice::Autodiff(device) => {
                matches!(device.clone().inner(), DispatchDevice::Flex(_))
            }
            // Other backends, where they are compiled in.
            #[allow(unreachable_patterns)]
            _ => false,
        }
}

/// An input that may be absent: then it is a tensor without numbers, which [`present`](crate::array::present)
/// tells from others.
pub fn optional<const D: usize>(input: Option<Tensor<D>>) -> DispatchTensor {
    input.map_or_else(
        || <Flex as Dispatched>::from_plain(empty()),
        Tensor::into_dispatch,
    )
}

/// The value of an operation on inputs for which [`on_host`] holds, on a graph if one of them is.
pub fn run<const D: usize, const N: usize>(
    operation: impl Operation<N>,
    inputs: [DispatchTensor; N],
) -> Tensor<D> {
    let contexts = inputs.iter().map(|input| input.autodiff);
    let context = contexts.fold(DispatchAutodiffContext::Disabled, |all, one| all.merge(one));
    Tensor::from_dispatch(match context {
        DispatchAutodiffContext::Disabled => {
            let inputs = inputs.map(<Flex as Dispatched>::plain);
            <Flex as Dispatched>::from_plain(operation.forward(inputs))
        }
        DispatchAutodiffContext::Enabled(GradientCheckpointingStrategy::Disabled) => {
            record::<NoCheckpointing, N>(operation, inputs)
        }
        DispatchAutodiffContext::Enabled(GradientCheckpointingStrategy::Balanced) => {
            record::<BalancedCheckpointing, N>(operation, inputs)
        }
    })
}

fn record<C: CheckpointStrategy, const N: usize>(
    operation: impl Operation<N>,
    inputs: [DispatchTensor; N],
) -> DispatchTensor
where
    Flex: Dispatched<C>,
{
    let inputs = inputs.map(<Flex as Dispatched<C>>::on_graph);
    let wanted = inputs.each_ref().map(|input| input.is_tracked());
    let nodes = inputs.each_ref().map(|input| input.node());
    let step = Step(operation.clone());
    let inputs = inputs.map(|input| input.into_primitive());
    let value = match step.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let keeps = operation.keeps(wanted);
            let kept = std::array::from_fn(|i| match keeps[i] {
                true => inputs[i].clone(),
                false => empty(),
            });
            prepared.finish(kept, operation.forward(inputs))
        }
        OpsKind::UnTracked(prepared) => prepared.finish(operation.forward(inputs)),
    };
    <Flex as Dispatched<C>>::from_graph(value)
}

/// An operation as Burn's graph keeps it.
#[derive(Debug)]
struct Step<O>(O);

impl<O: Operation<N>, const N: usize> Backward<Flex, N> for Step<O> {
    type State = [FlexTensor; N];

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = gradients.consume::<Flex>(&ops.node);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let found = self.0.backward(ops.state, dy, wanted);
        for (node, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                gradients.register::<Flex>(node.id, gradient);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_run_on_the_cpu_in_f32_on_a_graph_or_not() {
        let device = Device::flex();
        assert!(on_host(&Tensor::<1>::zeros([1], &device)));
        let graph = device.clone().autodiff();
        assert!(on_host(&Tensor::<1>::zeros([1], &graph)));
        let half = Tensor::<1>::zeros([1], &device).cast(DType::F16);
        assert!(!on_host(&half));
    }
}
