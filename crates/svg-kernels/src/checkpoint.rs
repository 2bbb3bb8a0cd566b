//! Blocks whose gradient computes them again.

use std::fmt;
use std::marker::PhantomData;

#[cfg(feature = "cube")]
use burn::backend::Cube;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    DispatchAutodiffContext, DispatchTensor, DispatchTensorKind, Flex,
    GradientCheckpointingStrategy,
};
use burn::module::{ModuleVisitor, Param};
use burn::prelude::*;

use crate::graph::Dispatched;

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
    let tracked = x.is_tracked() || condition.is_tracked();
    let Some(record) = recorder::<M>(&inputs).filter(|_| tracked) else {
        return forward(module, x, condition);
    };
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
        let gradients = vec![
            x.grad_remove(&mut found).map(Tensor::into_dispatch),
            condition.grad_remove(&mut found).map(Tensor::into_dispatch),
        ];
        let mut all = Collect { found, gradients };
        module.visit(&mut all);
        all.gradients
    };
    Tensor::from_dispatch(record(module, inputs, value, Again(Box::new(again))))
}

/// Puts a block on the graph, given its inputs, its value and how to compute it again.
type Record<M> = fn(&M, [DispatchTensor; 2], DispatchTensor, Again) -> DispatchTensor;

/// For the backends that checkpointing knows.
fn recorder<M: Module>(inputs: &[DispatchTensor; 2]) -> Option<Record<M>> {
    // Burn's own checkpointing needs to see every operation.
    let ours = DispatchAutodiffContext::Enabled(GradientCheckpointingStrategy::Disabled);
    let context = inputs[0].autodiff.merge(inputs[1].autodiff);
    let kind = match &inputs[0].kind {
        DispatchTensorKind::Autodiff(kind) => kind,
        kind => kind,
    };
    match kind {
        _ if context != ours => None,
        DispatchTensorKind::Flex(_) => Some(record::<Flex, M>),
        #[cfg(feature = "cube")]
        DispatchTensorKind::Cube(_) => Some(record::<Cube, M>),
        #[allow(unreachable_patterns)]
        _ => None,
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

/// Gradients of the inputs, and then of the parameters in the order of a visit.
type Pulled = Vec<Option<DispatchTensor>>;

/// The block once more, from its inputs and the gradient at its value.
struct Again(Box<dyn FnOnce([DispatchTensor; 3], Wanted) -> Pulled + Send>);

impl fmt::Debug for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Again")
    }
}

fn record<B: Dispatched, M: Module>(
    module: &M,
    inputs: [DispatchTensor; 2],
    value: DispatchTensor,
    again: Again,
) -> DispatchTensor {
    let mut leaves = Leaves::<B>(Vec::new(), PhantomData);
    module.visit(&mut leaves);
    let inputs = inputs.map(B::on_graph);
    let nodes = inputs.each_ref().map(|input| input.node());
    let step = Block {
        again,
        parameters: leaves.0,
        backend: PhantomData::<B>,
    };
    let (inputs, value) = (inputs.map(|input| input.into_primitive()), B::plain(value));
    let prepared = step.prepare::<NoCheckpointing>(nodes);
    B::from_graph(match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(inputs, value),
        OpsKind::UnTracked(prepared) => prepared.finish(value),
    })
}

/// The nodes of a module's parameters, in the order of a visit; none for those that learn nothing.
struct Leaves<B>(Vec<Option<NodeId>>, PhantomData<B>);

impl<B: Dispatched> ModuleVisitor for Leaves<B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        assert!(
            value.is_require_grad() || !value.is_tracked(),
            "a parameter of a checkpointed block is computed on the graph"
        );
        let learns = value.is_require_grad();
        self.0
            .push(learns.then(|| B::on_graph(value.into_dispatch()).id()));
    }
}

/// The gradients of a module's parameters, in the order of a visit, after those that are there.
struct Collect {
    found: burn::tensor::Gradients,
    gradients: Pulled,
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
    backend: PhantomData<B>,
}

impl<B: Dispatched> Backward<B, 2> for Block<B> {
    type State = [FloatTensor<B>; 2];

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = gradients.consume::<B>(&ops.node);
        let [x, condition] = ops.state;
        let wanted = Wanted {
            inputs: ops.parents.each_ref().map(Option::is_some),
            parameters: self.parameters.iter().any(Option::is_some),
        };
        // Its graph is another one, which Burn allows in a step backward.
        let found = self.again.0([x, condition, dy].map(B::from_plain), wanted);
        let inputs = ops.parents.into_iter().map(|node| node.map(|node| node.id));
        for (node, gradient) in inputs.chain(self.parameters).zip(found) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                gradients.register::<B>(node, B::plain(gradient));
            }
        }
    }
}
