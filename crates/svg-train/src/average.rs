//! The moving average of a network's weights.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::prelude::*;
use svg_nn::blend;

use crate::identity::name_parameters;

/// A copy of a network whose weights follow those of the network slowly.
///
/// `average = decay * average + (1 - decay) * weight` after every step. It lives outside autodiff, and
/// its parameters have identities of their own, since Burn's clones share theirs and an optimizer could
/// not tell them apart.
#[derive(Clone, Debug)]
pub struct Average<M> {
    network: M,
    decay: f64,
}

impl<M: Module> Average<M> {
    /// Starts from the weights that the network has now.
    pub fn new(network: &M, decay: f64) -> Self {
        Self {
            network: name_parameters(network.valid(), "average"),
            decay,
        }
    }

    /// The same average, which follows with another decay from now on.
    pub fn with_decay(self, decay: f64) -> Self {
        Self { decay, ..self }
    }

    /// The network with averaged weights, for inference.
    pub fn network(&self) -> &M {
        &self.network
    }

    /// Follows the network by one step.
    pub fn update(self, network: &M) -> Self {
        let mut collected = Collect(Vec::new());
        network.visit(&mut collected);
        collected.0.reverse();
        let mut blend = Blend {
            targets: collected.0,
            rate: 1.0 - self.decay,
        };
        Self {
            network: self.network.map(&mut blend),
            decay: self.decay,
        }
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
    fn the_average_goes_its_share_of_the_way_and_the_network_stays() {
        let (start, target) = (linear(1.0), linear(2.0));
        let average = Average::new(&start, 0.75).update(&target).update(&target);
        assert!((value(average.network()) - (2.0 - 0.75 * 0.75)).abs() < 1e-6);
        assert_eq!((value(&start), value(&target)), (1.0, 2.0));
        assert!(start.weight.is_require_grad());
        assert_ne!(average.network().weight.id, start.weight.id);
    }
}
