//! DiT: a network that predicts noise.

use burn::module::Module;
use burn::prelude::*;
use svg_roles::{Condition, NoisePredictor, PredictedNoise, Velocity, VelocitySpec};

use crate::Sit;

/// DiT (Peebles and Xie, arXiv 2212.09748): the network of [`Sit`] at the indices of a [noise
/// schedule](NoisePredictor), with the noise and the range of a learned variance as its outputs.
///
/// Its tokens are patches of latents. A time is an index from 0 to 999, not a part of 1: this is no
/// [`Velocity`].
#[derive(Module, Debug)]
pub struct Dit {
    /// The network. Its `velocity` is noise.
    pub network: Sit,
}

/// Number of noise levels that DiT is trained with.
const LEVELS: usize = 1000;

impl NoisePredictor for Dit {
    /// # Panics
    ///
    /// If the condition is not of classes, and as [`Sit::forward_all`].
    fn predict(&self, x: Tensor<3>, index: Tensor<1>, condition: &Condition) -> PredictedNoise {
        let config = self.network.config();
        let channels = config.in_channels;
        let all = self
            .network
            .forward_all(x, index, condition.expect_classes());
        let range = || all.clone().narrow(2, channels, channels);
        PredictedNoise {
            range: config.learn_sigma.then(range),
            noise: all.narrow(2, 0, channels),
        }
    }

    fn unconditional(&self, condition: &Condition) -> Condition {
        Velocity::unconditional(&self.network, condition)
    }

    fn spec(&self) -> VelocitySpec {
        self.network.spec()
    }

    fn levels(&self) -> usize {
        LEVELS
    }

    fn parameters(&self) -> Option<usize> {
        self.network.parameters()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dit_weights::tests::tiny;
    use crate::model::tests::{samples, woken};

    #[test]
    fn the_noise_comes_before_the_range_of_the_variance() {
        let device = Device::default();
        let network = woken(&tiny().sit, &device);
        let (x, _) = samples(&tiny().sit, 2, &device);
        let index = Tensor::from_data([999.0, 0.0], &device);
        let classes = Condition::classes(&[1, 2], &device);
        let labels = classes.expect_classes();
        let all = network
            .forward_all(x.clone(), index.clone(), labels)
            .into_data();
        let dit = Dit { network };
        let found = dit.predict(x.clone(), index.clone(), &classes);
        let joined = Tensor::cat(vec![found.noise.clone(), found.range.unwrap()], 2);
        joined.into_data().assert_eq(&all, true);
        assert_eq!(dit.levels(), 1000);
        let without = NoisePredictor::unconditional(&dit, &classes);
        let without = without.expect_classes().into_data();
        assert_eq!(without.iter::<i64>().collect::<Vec<_>>(), [5, 5]);
    }

    #[test]
    fn a_network_without_a_learned_variance_has_no_range() {
        let device = Device::default();
        let config = tiny().without_variance();
        let dit = Dit {
            network: woken(&config.sit, &device),
        };
        let (x, t) = samples(&config.sit, 1, &device);
        let found = dit.predict(x, t, &Condition::classes(&[0], &device));
        assert!(found.range.is_none());
    }
}
