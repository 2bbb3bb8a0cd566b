//! Trait for velocity networks in training.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::prelude::*;
use burn::tensor::DType;
use serde::Serialize;
use svg_flow::PathPoint;
use svg_roles::{Condition, Velocity, VelocitySpec};

use crate::run::Network;

/// A velocity network that the flow trainer can train.
///
/// Training and sampling call the same [`Velocity::velocity`]. Classes are the condition; the class that
/// stands for none is the one that [`Velocity::unconditional`] names.
pub trait FlowNetwork: Network<Config: Serialize> + Velocity {
    /// What opens a flow of this kind in a bundle: a key of the [`Registry`](svg_model::Registry).
    const KIND: &'static str;
    /// The names of channels, rows, columns and classes in a configuration, for advice.
    const FIELDS: [&'static str; 4] = ["in_channels", "rows", "columns", "n_classes"];

    /// Sizes of a network of this configuration.
    fn spec_of(config: &Self::Config) -> VelocitySpec;

    /// The flow-matching loss and its gradients; see [`flow_gradients`], which this is for. Override it for
    /// a network that has a better way than Burn's graph.
    fn gradients(
        &self,
        point: PathPoint,
        times: Tensor<1>,
        condition: &Condition,
        _checkpointing: bool,
    ) -> (f64, GradientsParams) {
        on_a_graph(self, point, times, condition)
    }
}

/// The flow-matching loss at points of the path, and its gradients at the parameters, in f32: the mean of
/// `(v(x, t, c) - velocity)^2` over all numbers.
///
/// With `checkpointing` a network may keep less for the way back and compute it again.
///
/// # Shapes
///
/// - point: `[batch, tokens, channels]`, on the device of the network, without autodiff like that
/// - times: `[batch]`
pub fn flow_gradients<N: FlowNetwork>(
    network: &N,
    point: PathPoint,
    times: Tensor<1>,
    condition: &Condition,
    checkpointing: bool,
) -> (f64, GradientsParams) {
    network.gradients(point, times, condition, checkpointing)
}

fn on_a_graph<N: FlowNetwork>(
    network: &N,
    point: PathPoint,
    times: Tensor<1>,
    condition: &Condition,
) -> (f64, GradientsParams) {
    let network = network.clone().train();
    let [x, target] = [point.x, point.velocity].map(Tensor::from_inner);
    let condition = match condition {
        Condition::Classes(classes) => Condition::Classes(Tensor::from_inner(classes.clone())),
        Condition::Text { tokens, mask } => Condition::Text {
            tokens: Tensor::from_inner(tokens.clone()),
            mask: Tensor::from_inner(mask.clone()),
        },
        Condition::None => Condition::None,
    };
    let velocity = network.velocity(x, Tensor::from_inner(times), &condition);
    let loss = (velocity - target).square().mean();
    let value: f32 = loss.clone().inner().into_scalar();
    let gradients = GradientsParams::from_grads(loss.backward(), &network);
    (value.into(), in_f32(gradients, &network))
}

/// Gradients of parameters that were cast, in the type of the optimiser.
fn in_f32<M: Module>(gradients: GradientsParams, module: &M) -> GradientsParams {
    struct Cast {
        gradients: GradientsParams,
        cast: GradientsParams,
    }
    impl ModuleVisitor for Cast {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.remove::<D>(param.id) {
                self.cast.register(param.id, gradient.cast(DType::F32));
            }
        }
    }
    let mut cast = Cast {
        gradients,
        cast: GradientsParams::new(),
    };
    module.visit(&mut cast);
    cast.cast
}
