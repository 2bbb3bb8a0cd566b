//! Operations on Burn's CPU backend with a derivative of their own, outside a graph and on one.

use std::fmt::Debug;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::{
    BalancedCheckpointing, CheckpointStrategy, NoCheckpointing,
};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, BackendTensor, DispatchAutodiffContext, DispatchDevice, DispatchTensor,
    DispatchTensorKind, Flex, GradientCheckpointingStrategy,
};
use burn::prelude::*;
use burn::tensor::DType;

/// A function of `N` tensors of f32 in ordinary memory.
///
/// A new operation is a type that implements this, and a public function on [`Tensor`] which calls [`run`]
/// where [`on_host`] holds for all inputs and a composition of Burn's operations elsewhere; Burn's graph
/// differentiates the composition.
pub trait Operation<const N: usize>: Clone + Debug + Send + 'static {
    /// Which inputs [`backward`](Self::backward) needs, if the gradients of the `wanted` ones are asked for.
    /// The others may be overwritten at once.
    fn keeps(&self, wanted: [bool; N]) -> [bool; N];

    /// The value. An input that nobody else holds may be overwritten.
    fn forward(&self, inputs: [FlexTensor; N]) -> FlexTensor;

    /// The gradients at the `wanted` inputs, given the one at the value. `kept` has the inputs that
    /// [`keeps`](Self::keeps) asked for.
    fn backward(
        &self,
        kept: [Option<FlexTensor>; N],
        dy: FlexTensor,
        wanted: [bool; N],
    ) -> [Option<FlexTensor>; N];
}

/// A tensor that the graph of Burn's CPU backend knows.
type OnGraph = FloatTensor<Autodiff<Flex>>;

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

/// The value of an operation on inputs for which [`on_host`] holds, on a graph if one of them is.
pub fn run<const N: usize>(
    operation: impl Operation<N>,
    inputs: [DispatchTensor; N],
) -> DispatchTensor {
    let context = inputs
        .iter()
        .fold(DispatchAutodiffContext::Disabled, |context, input| {
            context.merge(input.autodiff)
        });
    let kind = match context {
        DispatchAutodiffContext::Disabled => {
            let value = operation.forward(inputs.map(plain));
            DispatchTensorKind::Flex(BackendTensor::Float(value))
        }
        DispatchAutodiffContext::Enabled(strategy) => {
            let inputs = inputs.map(on_graph);
            let value = match strategy {
                GradientCheckpointingStrategy::Disabled => {
                    record::<NoCheckpointing, N>(operation, inputs)
                }
                GradientCheckpointingStrategy::Balanced => {
                    record::<BalancedCheckpointing, N>(operation, inputs)
                }
            };
            let value = DispatchTensorKind::Flex(BackendTensor::Autodiff(value));
            DispatchTensorKind::Autodiff(Box::new(value))
        }
    };
    DispatchTensor {
        kind,
        autodiff: context,
    }
}

/// A tensor of the CPU backend outside a graph, as ordinary memory.
pub fn plain(input: DispatchTensor) -> FlexTensor {
    match input.kind {
        DispatchTensorKind::Flex(tensor) => tensor.float(),
        _ => unreachable!("the inputs are on the CPU backend"),
    }
}

/// A tensor outside a graph is a constant on it.
fn on_graph(input: DispatchTensor) -> OnGraph {
    match input.kind {
        DispatchTensorKind::Autodiff(kind) => match *kind {
            DispatchTensorKind::Flex(tensor) => tensor.autodiff(),
            _ => unreachable!("the inputs are on the CPU backend"),
        },
        _ => OnGraph::new(plain(input)),
    }
}

fn record<C: CheckpointStrategy, const N: usize>(
    operation: impl Operation<N>,
    inputs: [OnGraph; N],
) -> OnGraph {
    let wanted = inputs.each_ref().map(|input| input.is_tracked());
    let nodes = inputs.each_ref().map(|input| input.node());
    let step = Step(operation.clone());
    match step.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let keeps = operation.keeps(wanted);
            let inputs = inputs.map(|input| input.into_primitive());
            let kept = std::array::from_fn(|i| keeps[i].then(|| inputs[i].clone()));
            prepared.finish(kept, operation.forward(inputs))
        }
        OpsKind::UnTracked(prepared) => {
            prepared.finish(operation.forward(inputs.map(|input| input.into_primitive())))
        }
    }
}

/// An operation as Burn's graph keeps it.
#[derive(Debug)]
struct Step<O>(O);

impl<O: Operation<N>, const N: usize> Backward<Flex, N> for Step<O> {
    type State = [Option<FlexTensor>; N];

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
