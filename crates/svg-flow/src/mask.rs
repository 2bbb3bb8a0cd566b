//! Guidance of some channels.

use burn::prelude::*;

use crate::{Branches, VelocityField};

/// The channels that guidance changes: the first `guided` of every `of` channels of a token.
///
/// DiT, SiT and LightningDiT guide the first three channels of a latent (of 4, 4 and 32) in their released code. A
/// token that is a patch of several latents has their channels one after the other, and the mask repeats.
///
/// ```
/// use svg_flow::ChannelMask;
///
/// // What the scale 4 on three of four channels is about on all of them.
/// let mask = ChannelMask::new(3, 4).unwrap();
/// assert_eq!(mask.effective_scale(4.0), 3.25);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelMask {
    guided: usize,
    of: usize,
}

impl ChannelMask {
    /// All channels.
    pub const ALL: Self = Self { guided: 1, of: 1 };

    /// The first `guided` of every `of` channels.
    ///
    /// # Errors
    ///
    /// In words, if `guided` is 0 or more than `of`.
    pub fn new(guided: usize, of: usize) -> Result<Self, String> {
        match 0 < guided && guided <= of {
            true => Ok(Self { guided, of }),
            false => Err(format!(
                "guidance of {guided} of {of} channels: give from 1 to all of them, as in 3 of 4"
            )),
        }
    }

    /// Whether every channel is guided.
    pub fn is_all(&self) -> bool {
        self.guided == self.of
    }

    /// The scale on all channels that changes the sum over channels as much as `scale` on the guided ones:
    /// `1 + (scale - 1) guided / of`. A rule of thumb of DiT's author, for comparing the scales of different systems.
    pub fn effective_scale(&self, scale: f64) -> f64 {
        1.0 + (scale - 1.0) * self.guided as f64 / self.of as f64
    }

    /// `inside` on the guided channels and `outside` on the others.
    ///
    /// # Shapes
    ///
    /// - inside, outside, output: `[batch, tokens, channels]`
    ///
    /// # Panics
    ///
    /// If the mask does not fit a whole number of times into the channels.
    pub fn select(&self, inside: Tensor<3>, outside: Tensor<3>) -> Tensor<3> {
        if self.is_all() {
            return inside;
        }
        let [batch, tokens, channels] = inside.dims();
        let Self { guided, of } = *self;
        assert!(
            channels.is_multiple_of(of),
            "a mask of every {of} channels for tokens of {channels}"
        );
        let split = |x: Tensor<3>| x.reshape([batch, tokens, channels / of, of]);
        let (inside, outside) = (split(inside), split(outside));
        let parts = vec![
            inside.narrow(3, 0, guided),
            outside.narrow(3, guided, of - guided),
        ];
        Tensor::cat(parts, 3).reshape([batch, tokens, channels])
    }
}

/// Branches of which guidance changes the masked channels alone: on the others, both are the conditional one.
///
/// With [`Guided`](crate::Guided) around it, the velocity is `v_u + w (v_c - v_u)` on the masked channels and `v_c` on
/// the others.
#[derive(Clone, Copy, Debug)]
pub struct MaskedBranches<B> {
    /// The conditional and the unconditional velocity.
    pub branches: B,
    /// The guided channels.
    pub mask: ChannelMask,
}

impl<B: Branches> Branches for MaskedBranches<B> {
    fn conditional(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        self.branches.conditional(x, t)
    }

    /// Two evaluations, unless every channel is guided.
    fn unconditional(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        match self.mask.is_all() {
            true => self.branches.unconditional(x, t),
            false => self.both(x, t)[1].clone(),
        }
    }

    fn both(&self, x: Tensor<3>, t: Tensor<1>) -> [Tensor<3>; 2] {
        let [conditional, unconditional] = self.branches.both(x, t);
        let unconditional = self.mask.select(unconditional, conditional.clone());
        [conditional, unconditional]
    }
}

/// Without guidance: the conditional velocity.
impl<B: Branches> VelocityField for MaskedBranches<B> {
    fn velocity(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        self.branches.conditional(x, t)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Counted, Guidance, Guided, Moment, NoisePrediction, Pair};

    fn constant(value: f32) -> impl Fn(Tensor<3>, Tensor<1>) -> Tensor<3> {
        move |x: Tensor<3>, _| x.zeros_like() + value
    }

    fn guided(scale: f64, mask: ChannelMask, channels: usize) -> (Vec<f32>, u64) {
        let pair = Pair {
            conditional: constant(3.0),
            unconditional: constant(1.0),
        };
        let branches = Counted::new(MaskedBranches {
            branches: pair,
            mask,
        });
        let guidance = Guidance::new(scale, "interval:0.125:1".parse().unwrap()).unwrap();
        let field = Guided { branches, guidance };
        let x = Tensor::zeros([1, 1, channels], &Device::default());
        let at = Moment {
            t: 0.5,
            step: 0,
            steps: 1,
        };
        let v = field.velocity_at(x, at).into_data();
        (v.iter().collect(), field.branches.evaluations())
    }

    #[test]
    fn only_the_masked_channels_are_guided() {
        let mask = ChannelMask::new(3, 4).unwrap();
        let patch = [5.0, 5.0, 5.0, 3.0, 5.0, 5.0, 5.0, 3.0];
        assert_eq!(guided(2.0, mask, 8), (patch.to_vec(), 2));
        assert_eq!(guided(1.0, mask, 4), (vec![3.0; 4], 1));
        assert_eq!(guided(0.0, mask, 4).0, [1.0, 1.0, 1.0, 3.0]);
        assert_eq!(guided(2.0, ChannelMask::ALL, 3), (vec![5.0; 3], 2));
    }

    #[test]
    fn guided_noise_keeps_the_conditional_variance() {
        let device = Device::default();
        let of = |value: f32| NoisePrediction {
            noise: Tensor::full([1, 1, 4], value, &device),
            range: Some(Tensor::full([1, 1, 4], value, &device)),
        };
        let mask = ChannelMask::new(3, 4).unwrap();
        let guided = of(3.0).guided(of(1.0), 2.0, mask);
        let numbers = |x: Tensor<3>| x.into_data().iter::<f32>().collect::<Vec<_>>();
        assert_eq!(numbers(guided.noise), [5.0, 5.0, 5.0, 3.0]);
        assert_eq!(numbers(guided.range.unwrap()), [3.0; 4]);
    }

    #[test]
    fn the_effective_scale_is_by_the_part_of_the_channels() {
        let of = |guided, of| ChannelMask::new(guided, of).unwrap().effective_scale(1.5);
        assert_eq!(of(3, 4), 1.375);
        assert_eq!(of(4, 4), 1.5);
        let lightning = ChannelMask::new(3, 32).unwrap().effective_scale(6.7);
        assert!((lightning - 1.534_375).abs() < 1e-12);
    }

    #[test]
    fn an_empty_mask_says_what_to_give() {
        let error = ChannelMask::new(0, 4).unwrap_err();
        assert!(error.contains("guidance of 0 of 4 channels: give from 1"));
        assert!(ChannelMask::new(5, 4).is_err());
    }

    #[test]
    #[should_panic(expected = "a mask of every 4 channels for tokens of 6")]
    fn a_mask_of_other_channels_panics() {
        guided(2.0, ChannelMask::new(3, 4).unwrap(), 6);
    }
}
