//! A network that predicts noise with its condition and guidance, as a field.

use burn::prelude::*;
use svg_flow::{ChannelMask, NoiseField, NoisePrediction};
use svg_roles::{Condition, NoisePredictor, PredictedNoise};

/// The noise in samples under a condition, with guidance of some channels: what [`svg_flow::denoise`] follows, and
/// [`svg_flow::NoiseFlow`] as a velocity.
///
/// At scale 1 there is one pass, otherwise one of twice the batch. The variance is the conditional one.
#[derive(Clone, Debug)]
pub struct Denoised<'a> {
    network: &'a dyn NoisePredictor,
    condition: Condition,
    scale: f64,
    mask: ChannelMask,
}

impl<'a> Denoised<'a> {
    /// `network` under `condition`, which has one entry per sample, without guidance.
    pub fn new(network: &'a dyn NoisePredictor, condition: Condition) -> Self {
        let (scale, mask) = (1.0, ChannelMask::ALL);
        Self {
            network,
            condition,
            scale,
            mask,
        }
    }

    /// The same with guidance: `u + scale (c - u)` on the masked channels.
    pub fn guided(self, scale: f64, mask: ChannelMask) -> Self {
        Self {
            scale,
            mask,
            ..self
        }
    }
}

impl NoiseField for Denoised<'_> {
    fn predict(&self, x: Tensor<3>, index: Tensor<1>) -> NoisePrediction {
        if self.scale == 1.0 {
            return prediction(self.network.predict(x, index, &self.condition));
        }
        let [batch, _, _] = x.dims();
        let without = self.network.unconditional(&self.condition);
        let twice = self.network.predict(
            Tensor::cat(vec![x.clone(), x], 0),
            Tensor::cat(vec![index.clone(), index], 0),
            &self.condition.clone().join(without),
        );
        let half = |first: usize| {
            let part = |x: &Tensor<3>| x.clone().narrow(0, first, batch);
            NoisePrediction {
                noise: part(&twice.noise),
                range: twice.range.as_ref().map(part),
            }
        };
        half(0).guided(half(batch), self.scale, self.mask)
    }
}

fn prediction(predicted: PredictedNoise) -> NoisePrediction {
    let PredictedNoise { noise, range } = predicted;
    NoisePrediction { noise, range }
}

#[cfg(test)]
mod tests {
    use super::*;
    use svg_flow::{Ddim, NoiseSchedule, Respaced, Spacing, denoise, unwatched};
    use svg_roles::VelocitySpec;

    /// Predicts the class of each sample, and the index as the range; class 9 is no class.
    #[derive(Debug)]
    struct Says;

    impl NoisePredictor for Says {
        fn predict(&self, x: Tensor<3>, index: Tensor<1>, condition: &Condition) -> PredictedNoise {
            let classes = condition.expect_classes().float().reshape([-1, 1, 1]);
            PredictedNoise {
                noise: x.zeros_like() + classes,
                range: Some(x.zeros_like() + index.reshape([-1, 1, 1])),
            }
        }

        fn unconditional(&self, condition: &Condition) -> Condition {
            Condition::Classes(condition.expect_classes().full_like(9))
        }

        fn spec(&self) -> VelocitySpec {
            VelocitySpec {
                grid: [1, 1],
                channels: 4,
                classes: 9,
            }
        }

        fn levels(&self) -> usize {
            1000
        }
    }

    fn numbers(x: Tensor<3>) -> Vec<f32> {
        x.into_data().iter().collect()
    }

    #[test]
    fn guidance_is_of_the_masked_channels_and_the_variance_is_conditional() {
        let device = Device::default();
        let condition = Condition::classes(&[1, 5], &device);
        let x = Tensor::zeros([2, 1, 4], &device);
        let index = Tensor::from_data([3.0, 4.0], &device);
        let plain = Denoised::new(&Says, condition);
        let found = plain.predict(x.clone(), index.clone());
        assert_eq!(
            numbers(found.noise),
            [1.0, 1.0, 1.0, 1.0, 5.0, 5.0, 5.0, 5.0]
        );
        let guided = plain.guided(2.0, ChannelMask::new(3, 4).unwrap());
        let found = guided.predict(x, index);
        let expected = [-7.0, -7.0, -7.0, 1.0, 1.0, 1.0, 1.0, 5.0];
        assert_eq!(numbers(found.noise), expected);
        let range = numbers(found.range.unwrap());
        assert_eq!(range, [3.0, 3.0, 3.0, 3.0, 4.0, 4.0, 4.0, 4.0]);
    }

    #[test]
    fn samplers_follow_it() {
        let device = Device::default();
        let field = Denoised::new(&Says, Condition::classes(&[0], &device));
        let schedule = NoiseSchedule::linear(1000);
        let respaced = Respaced::new(&schedule, &Spacing::steps(4)).unwrap();
        let start = Tensor::ones([1, 1, 4], &device);
        let end = denoise(&field, &Ddim, &respaced, start, &mut unwatched).x;
        // Without noise in it, a sample is the square root of its level times the data.
        let expected = (1.0 / schedule.alpha_bar(999)).sqrt() as f32;
        assert!((numbers(end)[0] / expected - 1.0).abs() < 1e-5);
    }
}
