//! The moving average of a network's weights.

use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::prelude::*;
use svg_nn::blend;

use super::player::stored;
use super::{Files, Network, name_parameters};
use crate::TrainError;

/// A copy of a network whose weights follow those of the network slowly.
///
/// `average = decay * average + (1 - decay) * weight` after every step. It is outside autodiff, and its
/// parameters have identities of their own, since Burn's clones share theirs and an optimizer could not tell
/// them apart.
#[derive(Clone, Debug)]
pub struct Average<M> {
    /// `None` only while it is being replaced.
    network: Option<M>,
    decay: f64,
}

impl<M: Module> Average<M> {
    /// Starts from the weights that the network has now.
    pub fn new(network: &M, decay: f64) -> Self {
        Self {
            network: Some(name_parameters(network.valid(), "average")),
            decay,
        }
    }

    /// Follows with another decay from now on.
    pub(crate) fn set_decay(&mut self, decay: f64) {
        self.decay = decay;
    }

    /// The network with averaged weights, for inference.
    pub fn network(&self) -> &M {
        self.network.as_ref().expect("replaced in one go")
    }

    /// Follows the network by one step.
    pub fn update(&mut self, network: &M) {
        let mut collected = Collect(Vec::new());
        network.visit(&mut collected);
        collected.0.reverse();
        let mut blend = Blend {
            targets: collected.0,
            rate: 1.0 - self.decay,
        };
        self.network = self.network.take().map(|average| average.map(&mut blend));
    }
}

impl<N: Network> Average<N> {
    pub(crate) fn save(&self, files: &mut Files<'_>, name: &'static str) -> Result<(), TrainError> {
        files.tensors(name, self.network().tensors())
    }

    pub(crate) fn restore(
        &mut self,
        config: &N::Config,
        folder: &Path,
        name: &str,
        device: &Device,
    ) -> Result<(), TrainError> {
        let (tensors, source) = stored(folder, name)?;
        let plain = device.clone().without_autodiff();
        let network = N::load(config, tensors, &source, &plain)?;
        *self = Self::new(&network, self.decay);
        Ok(())
    }
}

/// The network's tensors in the order of its visit, flattened, without their graphs.
struct Collect(Vec<Tensor<1>>);

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val().detach().without_autodiff();
        let count = value.shape().num_elements();
        self.0.push(value.reshape([count]));
    }
}

/// The same order on the average.
struct Blend {
    targets: Vec<Tensor<1>>,
    rate: f64,
}

impl ModuleMapper for Blend {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let target = self.targets.pop().expect("both networks are of one kind");
        param.map(|old| {
            let target = target.reshape(old.shape());
            blend(old, target, self.rate)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Initializer, Linear, LinearConfig};

    fn linear(value: f64) -> Linear {
        let config = LinearConfig::new(2, 2).with_bias(false);
        let config = config.with_initializer(Initializer::Constant { value });
        config.init(&Device::default().autodiff())
    }

    fn value(linear: &Linear) -> f32 {
        linear.weight.val().mean().into_scalar()
    }

    #[test]
    fn the_average_moves_by_its_rate_and_the_network_does_not() {
        let (start, target) = (linear(1.0), linear(2.0));
        let mut average = Average::new(&start, 0.75);
        average.update(&target);
        average.update(&target);
        assert!((value(average.network()) - (2.0 - 0.75 * 0.75)).abs() < 1e-6);
        assert_eq!((value(&start), value(&target)), (1.0, 2.0));
        assert!(start.weight.is_require_grad());
        assert_ne!(average.network().weight.id, start.weight.id);
    }
}
