//! Burn's AdamW with its arithmetic in one pass.

use burn::optim::{AdamWState, AdaptiveMomentumState, LearningRate, Optimizer};
use burn::prelude::*;
use svg_nn::AdamStep;

/// AdamW whose step is [`AdamStep`]: the formula and the record of Burn's, in one pass over memory on CPUs,
/// where an optimiser of large networks waits for memory and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// Decay of the first moment.
    pub beta_1: f32,
    /// Decay of the second moment.
    pub beta_2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Share of the weights, times the learning rate, that is taken away in each step.
    pub weight_decay: f32,
}

impl Optimizer for AdamW {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let (time, moments) = match state {
            Some(AdamWState { momentum }) => {
                (momentum.time + 1, [momentum.moment_1, momentum.moment_2])
            }
            None => (1, [(); 2].map(|()| gradient.zeros_like())),
        };
        let step = AdamStep {
            beta_1: self.beta_1,
            beta_2: self.beta_2,
            epsilon: self.epsilon,
            weight_decay: self.weight_decay,
            rate,
            time,
        };
        let (parameter, [first, second]) = step.apply(parameter, gradient, moments);
        let momentum = AdaptiveMomentumState::new(time, first, second);
        (parameter, Some(AdamWState::new(momentum)))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        AdamWState::new(state.momentum.to_device(device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
    use burn::tensor::{Distribution, Tolerance};

    fn trained(mut linear: Linear, optimizer: &mut ModuleOptimizer, x: &Tensor<2>) -> Linear {
        for _ in 0..5 {
            let x = Tensor::from_inner(x.clone());
            let loss = (linear.forward(x) - 1.0).square().mean();
            let gradients = GradientsParams::from_grads(loss.backward(), &linear);
            linear = optimizer.step(0.05, linear, gradients);
        }
        linear
    }

    #[test]
    fn five_steps_are_those_of_burn_and_the_record_is_burns() {
        let device = Device::default();
        let linear = LinearConfig::new(7, 5).init(&device.clone().autodiff());
        let x = Tensor::random([3, 7], Distribution::Normal(0.0, 1.0), &device);
        let ours = AdamW {
            beta_1: 0.9,
            beta_2: 0.99,
            epsilon: 1e-8,
            weight_decay: 0.1,
        };
        let theirs = AdamWConfig::new()
            .with_beta_1(ours.beta_1)
            .with_beta_2(ours.beta_2)
            .with_epsilon(ours.epsilon)
            .with_weight_decay(ours.weight_decay);
        let (mut ours, mut theirs) = (ModuleOptimizer::from(ours), theirs.init());
        let expected = trained(trained(linear.clone(), &mut theirs, &x), &mut theirs, &x);
        let half = trained(linear, &mut ours, &x);
        // Theirs goes on with our record.
        let record = ours.into_bytes().unwrap();
        let mut other = theirs.from_bytes(record).unwrap();
        let got = trained(half, &mut other, &x).weight.val().into_data();
        let expected = expected.weight.val().into_data();
        got.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-5));
    }
}
