//! Trait for autoencoders in training.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use burn::nn::conv::Conv2d;
use burn::prelude::*;
use svg_model::{NewPart, Provenance};
use svg_nn::StoredTensor;
use svg_roles::LatentSpace;

use crate::TrainError;
use crate::log::Scalars;
use crate::run::{Network, Place, Shard};

/// An autoencoder in training: parts that are frozen, and the rules by which a network learns beside them.
///
/// The trainer owns the network, its optimiser, its average and the critic; this says how a training pass
/// goes and what comes of it.
pub trait TrainableAutoencoder: Clone + Debug + Send + Sync + 'static {
    /// What learns.
    type Network: Network;
    /// The part of it that a moving average follows, and that is used instead at inference.
    type Averaged: Network;
    /// What a pass observes beside images, such as statistics of its batch.
    type Observed: Send;

    /// The part of a network that is averaged.
    fn averaged(network: &Self::Network) -> &Self::Averaged;

    /// The configuration of that part.
    fn averaged_config(
        config: &<Self::Network as Network>::Config,
    ) -> <Self::Averaged as Network>::Config;

    /// The same with its frozen parts on another device.
    fn to_device(&self, device: &Device) -> Self;

    /// A training pass.
    ///
    /// It is a function of its arguments: what it draws must follow from `place` and `shard`.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, 3, height, width]` in [-1, 1], on the device of the shard, without autodiff
    fn pass(
        &self,
        network: &Self::Network,
        images: Tensor<4>,
        place: Place,
        shard: &Shard,
    ) -> Pass<Self::Observed>;

    /// Takes in what was observed in one micro-batch of a step that was taken, by shard.
    fn observe(&mut self, observed: Vec<Self::Observed>);

    /// Writes what [`observe`](Self::observe) has gathered into a checkpoint.
    ///
    /// # Errors
    ///
    /// [`TrainError`] if a file cannot be written.
    fn save(&self, folder: &Path) -> Result<(), TrainError>;

    /// Reads that again.
    ///
    /// # Errors
    ///
    /// [`TrainError`] if a file cannot be read.
    fn restore(&mut self, folder: &Path) -> Result<(), TrainError>;

    /// A fingerprint of the frozen parts, with which a run must go on.
    fn fingerprint(&self) -> String;

    /// The model as it is now, for inference. `averaged` takes the place of its part of the network.
    fn model(
        &self,
        network: &Self::Network,
        averaged: Option<&Self::Averaged>,
    ) -> Arc<dyn LatentSpace>;

    /// The parts of a bundle, as [`model`](Self::model). `rest` holds tensors of the training, such as the
    /// critic's, under the names of a published checkpoint.
    ///
    /// # Errors
    ///
    /// [`TrainError`] if they cannot be made.
    fn parts(
        &self,
        network: &Self::Network,
        averaged: Option<&Self::Averaged>,
        rest: Vec<StoredTensor>,
        provenance: Provenance,
    ) -> Result<Vec<(&'static str, NewPart)>, TrainError>;
}

/// A training pass, on the graph of the network.
pub struct Pass<O> {
    /// The reconstructions, `[batch, 3, height, width]`.
    pub images: Tensor<4>,
    /// The input of the last convolution, `[batch, channels, height, width]`.
    pub trunk: Tensor<4>,
    /// The last convolution, at whose weight the adaptive weight of the critic is measured.
    pub last: Conv2d,
    /// Further terms of the loss, weighted, for the log.
    pub terms: Scalars,
    /// Their sum on the graph, `[1]`, if there are any.
    pub more: Option<Tensor<1>>,
    /// What was observed.
    pub observed: O,
    /// Whether that is finite; if not, the step is dropped.
    pub finite: bool,
}
