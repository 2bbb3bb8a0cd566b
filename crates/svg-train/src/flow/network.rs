//! Trait for velocity networks in training.

use burn::optim::GradientsParams;
use burn::prelude::*;
use serde::Serialize;
use svg_flow::PathPoint;
use svg_nn::sum_of_squares;
use svg_roles::{Condition, Velocity, VelocitySpec};

use crate::log::Scalars;
use crate::run::gradients::{Change, moved};
use crate::run::{Network, Unread};

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

    /// The same network, which keeps less for the backward pass and computes it again, or not. Networks that
    /// cannot ignore it.
    fn with_gradient_checkpointing(self, _checkpointing: bool) -> Self {
        self
    }
}

/// The flow-matching loss at points of the path, as
/// [`flow_matching_loss`](svg_flow::flow_matching_loss) has it, as `loss`, and its gradients at the parameters, in f32
/// whatever the type of the network's products.
///
/// # Shapes
///
/// - point: `[batch, tokens, channels]`, outside autodiff
/// - times: `[batch]`
///
/// # Panics
///
/// If the network is not on an autodiff device.
pub fn flow_gradients<N: FlowNetwork>(
    network: &N,
    point: PathPoint,
    times: Tensor<1>,
    condition: &Condition,
) -> (Unread, GradientsParams) {
    let velocity = network.velocity(point.x, times, condition);
    let error = velocity - point.velocity;
    let count = error.shape().num_elements() as f64;
    let squares = sum_of_squares(error.clone().inner());
    let found = error.square().mean().backward();
    let mut found = GradientsParams::from_grads(found, network);
    let gradients = moved(&mut found, network, GradientsParams::new(), Change::ToF32);
    let loss = move |squares: &[f64]| Scalars::new().with("loss", squares[0] / count);
    (Unread::new(vec![squares], loss), gradients)
}
