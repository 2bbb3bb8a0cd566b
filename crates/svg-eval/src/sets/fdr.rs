//! FDr-6, the mean relative Fréchet distance in six feature spaces.

/// The six networks of FDr-6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FdrEncoder {
    /// Inception of FID, with the statistics of the ADM evaluator.
    Inception,
    /// ConvNeXtV2-B (`fcmae_ft_in22k_in1k`) at 224.
    ConvNextV2,
    /// Class token of DINOv2-L/14 at 256.
    DinoV2,
    /// Class token of MAE-L/16 at 224.
    Mae,
    /// SigLIP2 so400m/16 with attention pooling at 224.
    Siglip2,
    /// Class token of CLIP-L/14.
    Clip,
}

impl FdrEncoder {
    /// All six.
    pub const ALL: [Self; 6] = [
        Self::Inception,
        Self::ConvNextV2,
        Self::DinoV2,
        Self::Mae,
        Self::Siglip2,
        Self::Clip,
    ];

    /// The published Fréchet distance of ImageNet's validation images to its training images, which divides.
    ///
    /// The values are rounded: 0.04 stands for anything from 0.035 to 0.045, so a ratio may be wrong by an eighth.
    pub fn validation_distance(self) -> f64 {
        match self {
            Self::Inception => 1.68,
            Self::ConvNextV2 => 56.87,
            Self::DinoV2 => 14.19,
            Self::Mae => 0.04,
            Self::Siglip2 => 0.60,
            Self::Clip => 5.60,
        }
    }

    /// Name of the network.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inception => "Inception",
            Self::ConvNextV2 => "ConvNeXtV2-B",
            Self::DinoV2 => "DINOv2-L/14",
            Self::Mae => "MAE-L/16",
            Self::Siglip2 => "SigLIP2-so400m/16",
            Self::Clip => "CLIP-L/14",
        }
    }
}

/// Relative Fréchet distances.
#[derive(Clone, Debug, PartialEq)]
pub struct Fdr {
    /// `FD / FD_validation` in each feature space that was given.
    pub ratios: Vec<(FdrEncoder, f64)>,
}

impl Fdr {
    /// The mean of the ratios, if all six are there. `None` otherwise: a mean of fewer is another number, which must
    /// not be called FDr-6.
    pub fn mean(&self) -> Option<f64> {
        let all = self.ratios.len() == FdrEncoder::ALL.len();
        let sum: f64 = self.ratios.iter().map(|(_, ratio)| ratio).sum();
        all.then(|| sum / self.ratios.len() as f64)
    }

    /// The networks without a distance.
    pub fn missing(&self) -> Vec<FdrEncoder> {
        let there = |encoder: &FdrEncoder| self.ratios.iter().any(|(other, _)| other == encoder);
        let all = FdrEncoder::ALL.into_iter();
        all.filter(|encoder| !there(encoder)).collect()
    }
}

/// FDr-6 (the FD-loss repository): Fréchet distances of samples to ImageNet's training images, each divided by the
/// [distance of the validation images](FdrEncoder::validation_distance). 1 means as near as real images.
///
/// # Panics
///
/// If a network occurs twice or a distance is not finite.
///
/// ```
/// use svg_eval::{FdrEncoder, fdr6};
///
/// let all = FdrEncoder::ALL.map(|encoder| (encoder, 3.0 * encoder.validation_distance()));
/// assert!((fdr6(&all).mean().unwrap() - 3.0).abs() < 1e-12);
/// let some = fdr6(&all[..2]);
/// assert_eq!((some.ratios.len(), some.mean()), (2, None));
/// ```
pub fn fdr6(distances: &[(FdrEncoder, f64)]) -> Fdr {
    for (index, (encoder, distance)) in distances.iter().enumerate() {
        let name = encoder.name();
        let twice = distances[..index].iter().any(|(other, _)| other == encoder);
        assert!(!twice, "{name} occurs twice");
        assert!(distance.is_finite(), "the distance of {name} is {distance}");
    }
    let ratio = |(encoder, distance): &(FdrEncoder, f64)| {
        (*encoder, distance / encoder.validation_distance())
    };
    Fdr {
        ratios: distances.iter().map(ratio).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_than_six_have_no_mean_and_name_what_is_missing() {
        let some = fdr6(&[(FdrEncoder::Mae, 0.08), (FdrEncoder::Clip, 5.6)]);
        assert_eq!(
            some.ratios,
            [(FdrEncoder::Mae, 2.0), (FdrEncoder::Clip, 1.0)]
        );
        assert_eq!(some.mean(), None);
        assert_eq!(some.missing().len(), 4);
        assert!(!some.missing().contains(&FdrEncoder::Clip));
    }

    #[test]
    #[should_panic(expected = "CLIP-L/14 occurs twice")]
    fn the_same_network_twice_panics() {
        fdr6(&[(FdrEncoder::Clip, 1.0), (FdrEncoder::Clip, 1.0)]);
    }
}
