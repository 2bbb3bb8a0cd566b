//! Tensors of a backend that Burn dispatches to, outside a graph and on one.

use burn::backend::autodiff::checkpoint::strategy::{CheckpointStrategy, NoCheckpointing};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, Backend, BackendTensor, DispatchAutodiffContext, DispatchKindConversion,
    DispatchTensor,
};

/// A tensor that a graph of a backend knows.
pub type OnGraph<B> = FloatTensor<Autodiff<B>>;

/// A backend of which Burn's dispatch knows tensors, also those on graphs of the strategy `C`.
///
/// The functions that take a tensor panic if it is of another backend.
pub trait Dispatched<C = NoCheckpointing>: Backend {
    /// A tensor outside a graph, as the backend has it.
    fn plain(tensor: DispatchTensor) -> FloatTensor<Self>;

    /// A tensor on a graph. One outside is a constant on it.
    fn on_graph(tensor: DispatchTensor) -> OnGraph<Self>;

    /// The way back of [`plain`](Self::plain).
    fn from_plain(tensor: FloatTensor<Self>) -> DispatchTensor;

    /// The way back of [`on_graph`](Self::on_graph).
    fn from_graph(tensor: OnGraph<Self>) -> DispatchTensor;
}

impl<B: Backend, C: CheckpointStrategy> Dispatched<C> for B
where
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B, C>>,
{
    fn plain(tensor: DispatchTensor) -> FloatTensor<B> {
        float::<B>(tensor)
    }

    fn on_graph(tensor: DispatchTensor) -> OnGraph<B> {
        match tensor.autodiff {
            DispatchAutodiffContext::Disabled => OnGraph::<B>::new(float::<B>(tensor)),
            DispatchAutodiffContext::Enabled(_) => float::<Autodiff<B, C>>(tensor),
        }
    }

    fn from_plain(tensor: FloatTensor<B>) -> DispatchTensor {
        dispatched::<B>(tensor)
    }

    fn from_graph(tensor: OnGraph<B>) -> DispatchTensor {
        dispatched::<Autodiff<B, C>>(tensor)
    }
}

fn float<B: Backend>(tensor: DispatchTensor) -> FloatTensor<B>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    let tensor = <DispatchTensor as DispatchKindConversion<B>>::try_into_backend(tensor);
    tensor.expect("everything is on one device").float()
}

fn dispatched<B: Backend>(tensor: FloatTensor<B>) -> DispatchTensor
where
    DispatchTensor: DispatchKindConversion<B>,
{
    <DispatchTensor as DispatchKindConversion<B>>::from_backend(BackendTensor::Float(tensor))
}
