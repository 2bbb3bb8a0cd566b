//! Blocks whose gradient computes them again.

use std::fmt;

#[cfg(feature = "cube")]
use burn::backend::Cube;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, Backend, BackendTensor, DispatchAutodiffContext, DispatchKindConversion,
    DispatchTensor, DispatchTensorKind, Flex, GradientCheckpointingStrategy,
};
use burn::module::{ModuleVisitor, Param};
use burn::prelude::*;

/// `forward(module, x, condition)`, of which a graph keeps `x` and `condition` alone: the gradient runs
/// `forward` again, on a small graph of its own (Chen et al., "Training Deep Nets with Sublinear Memory Cost",
/// arXiv 1604.06174). For a third more work, a chain of such blocks needs the memory of one.
///
/// Gradients reach `x`, `condition` and the parameters of `module`. `forward` must be a function of its
/// arguments: what it draws at random would be something else the second time, and what it takes from a graph
/// beside them gets no gradient. Outside a graph, and on backends for which this crate was built without
/// checkpointing (all but the CPU's need the feature `cube`), it is `forward` itself.
///
/// # Panics
///
/// If a parameter of `module` is on a graph and no leaf of it.
pub fn checkpointed<M, const X: usize, const C: usize, const Y: usize>(
    module: &M,
    x: Tensor<X>,
    condition: Tensor<C>,
    forward: impl Fn(&M, Tensor<X>, Tensor<C>) -> Tensor<Y> + Send + 'static,
) -> Tensor<Y>
where
    M: Module + 'static,
{
    let inputs = [x.clone().into_dispatch(), condition.clone().into_dispatch()];
    let backend = match x.is_tracked() || condition.is_tracked() {
        true => backend(&inputs),
        false => Target::None,
    };
    if let Target::None = backend {
        return forward(module, x, condition);
    }
    let plain = module.valid();
    let value = forward(&plain, x.inner(), condition.inner()).into_dispatch();
    let again = move |[x, condition, dy]: [DispatchTensor; 3], wanted: Wanted| {
        let module = match wanted.parameters {
            true => plain.train(),
            false => plain,
        };
        let [of_x, of_condition] = wanted.inputs;
        let x = leaf(Tensor::<X>::from_dispatch(x), of_x);
        let condition = leaf(Tensor::<C>::from_dispatch(condition), of_condition);
        let y = forward(&module, x.clone(), condition.clone());
        let mut found = (y * Tensor::from_dispatch(dy)).sum().backward();
        let inputs = [
            x.grad_remove(&mut found).map(Tensor::into_dispatch),
            condition.grad_remove(&mut found).map(Tensor::into_dispatch),
        ];
        let mut parameters = Collect {
            found,
            gradients: Vec::new(),
        };
        module.visit(&mut parameters);
        [inputs.to_vec(), parameters.gradients]
    };
    let again = Again(Box::new(again));
    Tensor::from_dispatch(match backend {
        Target::Flex => record::<Flex>(module, inputs, value, again),
        #[cfg(feature = "cube")]
        Target::Cube => record::<Cube>(module, inputs, value, again),
        Target::None => unreachable!("see above"),
    })
}

/// The backends that checkpointing knows.
enum Target {
    Flex,
    #[cfg(feature = "cube")]
    Cube,
    None,
}

fn backend(inputs: &[DispatchTensor; 2]) -> Target {
    // Burn's own checkpointing needs to see every operation.
    let ours = DispatchAutodiffContext::Enabled(GradientCheckpointingStrategy::Disabled);
    let context = inputs[0].autodiff.merge(inputs[1].autodiff);
    let kind = match &inputs[0].kind {
        DispatchTensorKind::Autodiff(kind) => kind,
        kind => kind,
    };
    match kind {
        _ if context != ours => Target::None,
        DispatchTensorKind::Flex(_) => Target::Flex,
        #[cfg(feature = "cube")]
        DispatchTensorKind::Cube(_) => Target::Cube,
        #[allow(unreachable_patterns)]
        _ => Target::None,
    }
}

fn leaf<const D: usize>(tensor: Tensor<D>, wanted: bool) -> Tensor<D> {
    match wanted {
        true => tensor.autodiff().require_grad(),
        false => tensor.autodiff(),
    }
}

/// Which gradients somebody asks for.
struct Wanted {
    inputs: [bool; 2],
    parameters: bool,
}

/// Gradients of the inputs, and of the parameters in the order of a visit.
type Pulled = [Vec<Option<DispatchTensor>>; 2];

/// The block once more, from its inputs and the gradient at its value.
struct Again(Box<dyn FnOnce([DispatchTensor; 3], Wanted) -> Pulled + Send>);

impl fmt::Debug for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Again")
    }
}

fn record<B: Backend>(
    module: &impl Module,
    inputs: [DispatchTensor; 2],
    value: DispatchTensor,
    again: Again,
) -> DispatchTensor
where
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B>>,
{
    let mut leaves = Leaves::<B>(Vec::new(), std::marker::PhantomData);
    module.visit(&mut leaves);
    let inputs = inputs.map(on_graph::<B>);
    let nodes = inputs.each_ref().map(|input| input.node());
    let (value, parameters) = (plain::<B>(value), leaves.0);
    let step = Block {
        again,
        parameters,
        backend: std::marker::PhantomData::<B>,
    };
    let value = match step
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => {
            prepared.finish(inputs.map(|input| input.into_primitive()), value)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(value),
    };
    <DispatchTensor as DispatchKindConversion<Autodiff<B>>>::from_backend(BackendTensor::Float(
        value,
    ))
}

fn plain<B: Backend>(tensor: DispatchTensor) -> FloatTensor<B>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    let tensor = <DispatchTensor as DispatchKindConversion<B>>::try_into_backend(tensor);
    tensor.expect("everything is on one device").float()
}

/// A tensor outside a graph is a constant on it.
fn on_graph<B: Backend>(tensor: DispatchTensor) -> FloatTensor<Autodiff<B>>
where
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B>>,
{
    match tensor.autodiff {
        DispatchAutodiffContext::Disabled => FloatTensor::<Autodiff<B>>::new(plain::<B>(tensor)),
        DispatchAutodiffContext::Enabled(_) => {
            type On = DispatchTensor;
            let tensor = <On as DispatchKindConversion<Autodiff<B>>>::try_into_backend(tensor);
            tensor.expect("everything is on one device").float()
        }
    }
}

/// The nodes of a module's parameters, in the order of a visit; none for those that learn nothing.
struct Leaves<B>(Vec<Option<NodeId>>, std::marker::PhantomData<B>);

impl<B: Backend> ModuleVisitor for Leaves<B>
where
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B>>,
{
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        assert!(
            value.is_require_grad() || !value.is_tracked(),
            "a parameter of a checkpointed block is computed on the graph"
        );
        let node = value
            .is_require_grad()
            .then(|| on_graph::<B>(value.into_dispatch()).id());
        self.0.push(node);
    }
}

/// The gradients of a module's parameters, in the order of a visit.
struct Collect {
    found: burn::tensor::Gradients,
    gradients: Vec<Option<DispatchTensor>>,
}

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad_remove(&mut self.found);
        self.gradients.push(gradient.map(Tensor::into_dispatch));
    }
}

/// A checkpointed block as Burn's graph keeps it.
#[derive(Debug)]
struct Block<B> {
    again: Again,
    parameters: Vec<Option<NodeId>>,
    backend: std::marker::PhantomData<B>,
}

impl<B: Backend> Backward<B, 2> for Block<B>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    type State = [FloatTensor<B>; 2];

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = gradients.consume::<B>(&ops.node);
        let [x, condition] = ops.state;
        let of_dispatch = |tensor| {
            <DispatchTensor as DispatchKindConversion<B>>::from_backend(BackendTensor::Float(
                tensor,
            ))
        };
        let wanted = Wanted {
            inputs: ops.parents.each_ref().map(Option::is_some),
            parameters: self.parameters.iter().any(Option::is_some),
        };
        // Its graph is another one, which Burn allows in a step backward.
        let [of_inputs, of_parameters] = self.again.0([x, condition, dy].map(of_dispatch), wanted);
        let inputs = ops
            .parents
            .iter()
            .map(|node| node.as_ref().map(|node| node.id));
        let found = of_inputs.into_iter().chain(of_parameters);
        for (node, gradient) in inputs.chain(self.parameters).zip(found) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                gradients.register::<B>(node, plain::<B>(gradient));
            }
        }
    }
}
