//! Masks: which patches of the global crops are hidden from the student.

use burn::prelude::*;
use burn::tensor::TensorData;
use serde::{Deserialize, Serialize};
use svg_store::{Random, outside};

use crate::random::{Purpose, generator};

/// Patches of the smallest rectangle that is asked for, its least height over its width, and how often a
/// rectangle is tried (BEiT: Bao et al., 2022, arXiv 2106.08254).
const SMALLEST: f64 = 4.0;
const ASPECT: f64 = 0.3;
const TRIES: usize = 10;

/// How much is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskSettings {
    /// Share of a batch's global crops that are masked.
    pub probability: f64,
    /// The least share of patches that a masked crop loses.
    pub low: f64,
    /// The largest share of patches that a masked crop loses.
    pub high: f64,
}

/// The hidden patches of a batch of crops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Masks {
    /// Whether a patch is hidden: `crops * patches` values, crop by crop and row by row.
    pub hidden: Vec<bool>,
    /// Hidden patches of each crop.
    pub counts: Vec<usize>,
    /// Patches of a crop.
    pub patches: usize,
}

impl MaskSettings {
    /// The masks of one step for `crops` crops of `grid` patches, rows and columns.
    ///
    /// `n = floor(probability crops)` of the crops are masked. The `k`-th of them, from 1, loses
    /// `floor(patches (low + (high - low) k / n))` patches: every step has crops with few and with many
    /// hidden patches. Hidden patches form rectangles; what rectangles cannot reach is completed one patch
    /// at a time. The order of the crops is random (Oquab et al., 2023, arXiv 2304.07193).
    pub(crate) fn draw(&self, crops: usize, grid: [usize; 2], seed: u64, step: u64) -> Masks {
        assert_eq!(self.invalid(), None, "invalid settings of masks");
        let mut random = generator(Purpose::Masks, seed, step, 0);
        let patches = grid[0] * grid[1];
        let masked = floor(self.probability * crops as f64);
        let mut order: Vec<usize> = (0..crops).collect();
        random.shuffle(&mut order);

        let mut masks = Masks {
            hidden: vec![false; crops * patches],
            counts: vec![0; crops],
            patches,
        };
        for (place, &crop) in order[..masked].iter().enumerate() {
            let along = (place + 1) as f64 / masked as f64;
            let count = floor(patches as f64 * (self.low + (self.high - self.low) * along));
            let hidden = &mut masks.hidden[crop * patches..][..patches];
            hide(hidden, grid, count, &mut random);
            masks.counts[crop] = count;
        }
        masks
    }

    /// The first invalid setting, in words and with a valid one; `None` if all are valid. Fields are named
    /// as those of a field `masks`.
    pub(crate) fn invalid(&self) -> Option<String> {
        let Self {
            probability,
            low,
            high,
        } = *self;
        let ordered = low >= 0.0 && low <= high && high <= 1.0;
        outside("masks.probability", probability, 0.0..=1.0).or_else(|| {
            (!ordered).then(|| {
                format!(
                    "masks.low is {low} and masks.high {high}; they must lie between 0 and 1, the smaller first"
                )
            })
        })
    }
}

impl Masks {
    /// The mask as a tensor `[crops, patches]`, true where a patch is hidden.
    pub(crate) fn to_tensor(&self, device: &Device) -> Tensor<2, Bool> {
        let shape = [self.counts.len(), self.patches];
        Tensor::from_data(TensorData::new(self.hidden.clone(), shape), device)
    }

    /// The masks of some of the crops, in that order.
    pub(super) fn of(&self, crops: impl Iterator<Item = usize> + Clone) -> Self {
        let rows = crops.clone().flat_map(|crop| {
            let first = crop * self.patches;
            &self.hidden[first..first + self.patches]
        });
        Self {
            hidden: rows.copied().collect(),
            counts: crops.map(|crop| self.counts[crop]).collect(),
            patches: self.patches,
        }
    }

    /// The hidden patches in order, each as `crop * patches + patch`.
    pub(crate) fn places(&self) -> Vec<usize> {
        let hidden = self.hidden.iter().enumerate();
        hidden
            .filter_map(|(place, &hidden)| hidden.then_some(place))
            .collect()
    }

    /// For each of the [`places`](Self::places), one over the number of hidden patches of its crop, so that
    /// crops have equal weight.
    pub(crate) fn weights(&self) -> Vec<f32> {
        let weights = self.counts.iter().map(|&count| (count, 1.0 / count as f32));
        weights
            .flat_map(|(count, weight)| std::iter::repeat_n(weight, count))
            .collect()
    }
}

/// Rounds down, with a tolerance for numbers that are integers but for their binary representation.
fn floor(value: f64) -> usize {
    (value + 1e-9) as usize
}

/// Hides exactly `count` patches.
fn hide(hidden: &mut [bool], grid: [usize; 2], count: usize, random: &mut Random) {
    let mut missing = count;
    while missing > 0 {
        match hide_rectangle(hidden, grid, missing, random) {
            0 => break,
            new => missing -= new,
        }
    }
    let mut open: Vec<usize> = (0..hidden.len()).filter(|&place| !hidden[place]).collect();
    random.shuffle(&mut open);
    for place in &open[..missing] {
        hidden[*place] = true;
    }
}

/// Hides the first rectangle that adds at least one and at most `most` patches, and returns how many it
/// added; 0 if no try succeeds.
fn hide_rectangle(
    hidden: &mut [bool],
    [rows, columns]: [usize; 2],
    most: usize,
    random: &mut Random,
) -> usize {
    for _ in 0..TRIES {
        // With fewer than the smallest to go, the area still lies between the two numbers.
        let area = random.between(SMALLEST, most as f64);
        let aspect = random.between(ASPECT.ln(), -ASPECT.ln()).exp();
        let height = (area * aspect).sqrt().round_ties_even() as usize;
        let width = (area / aspect).sqrt().round_ties_even() as usize;
        if height == 0 || width == 0 || height >= rows || width >= columns {
            continue;
        }
        let top = random.below((rows - height + 1) as u64) as usize;
        let left = random.below((columns - width + 1) as u64) as usize;
        let places = (top..top + height)
            .flat_map(|row| (left..left + width).map(move |column| row * columns + column));
        let new = places.clone().filter(|&place| !hidden[place]).count();
        if (1..=most).contains(&new) {
            places.for_each(|place| hidden[place] = true);
            return new;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: MaskSettings = MaskSettings {
        probability: 0.5,
        low: 0.1,
        high: 0.5,
    };
    const GRID: [usize; 2] = [8, 8];

    #[test]
    fn half_of_the_crops_are_masked_rounded_down_along_a_straight_line() {
        // floor(64 (0.1 + 0.4 k / 4))
        for (crops, expected) in [
            (8, [0, 0, 0, 0, 12, 19, 25, 32].as_slice()),
            (9, &[0, 0, 0, 0, 0, 12, 19, 25, 32]),
            (1, &[0]),
            (0, &[]),
        ] {
            let mut counts = HALF.draw(crops, GRID, 1, 2).counts;
            counts.sort_unstable();
            assert_eq!(counts, expected);
        }
        // 0.3 of 10 is 3, whatever 0.1 + 0.2 is in binary.
        let mut counts = HALF.draw(8, [2, 5], 1, 2).counts;
        counts.sort_unstable();
        assert_eq!(counts[4..], [2, 3, 4, 5]);
    }

    #[test]
    fn counts_are_exact_on_every_grid() {
        for grid in [[1, 1], [1, 7], [2, 2], [4, 4], [16, 16], [3, 11]] {
            for (low, high) in [(0.0, 0.0), (0.1, 0.5), (0.9, 1.0)] {
                let settings = MaskSettings {
                    probability: 1.0,
                    low,
                    high,
                };
                for step in 0..20 {
                    let masks = settings.draw(5, grid, 3, step);
                    assert_eq!(masks.patches, grid[0] * grid[1]);
                    let crops = masks.hidden.chunks_exact(masks.patches);
                    let found: Vec<_> = crops
                        .map(|crop| crop.iter().filter(|&&hidden| hidden).count())
                        .collect();
                    assert_eq!(masks.counts, found);
                }
            }
        }
    }

    #[test]
    fn hidden_patches_lie_together() {
        // The share of a hidden patch's right neighbours that are hidden, too. Were the patches drawn one
        // by one it would be (count - 1) / 63.
        let (mut together, mut pairs, mut alone) = (0.0, 0.0, 0.0);
        for step in 0..200 {
            let masks = HALF.draw(8, GRID, 5, step);
            for (hidden, &count) in masks.hidden.chunks_exact(64).zip(&masks.counts) {
                for place in (0..64).filter(|&place| hidden[place] && place % 8 < 7) {
                    together += f64::from(hidden[place + 1]);
                    alone += (count - 1) as f64 / 63.0;
                    pairs += 1.0;
                }
            }
        }
        assert!(
            together / pairs > alone / pairs + 0.2,
            "{} of them, {} by chance",
            together / pairs,
            alone / pairs
        );
    }

    #[test]
    fn every_crop_gets_every_count_over_time() {
        let mut sums = [0; 8];
        for step in 0..2000 {
            for (sum, count) in sums.iter_mut().zip(HALF.draw(8, GRID, 7, step).counts) {
                *sum += count;
            }
        }
        // A mean of 11 patches, a deviation of 12; five standard deviations of the mean.
        for sum in sums {
            assert!((sum as f64 / 2000.0 - 11.0).abs() < 1.4, "{sums:?}");
        }
    }

    #[test]
    fn masks_follow_from_the_seed_and_the_step() {
        let masks = HALF.draw(8, GRID, 1, 2);
        assert_eq!(masks, HALF.draw(8, GRID, 1, 2));
        assert_ne!(masks, HALF.draw(8, GRID, 2, 2));
        assert_ne!(masks, HALF.draw(8, GRID, 1, 3));
    }

    #[test]
    fn places_and_weights_are_of_the_same_patches_and_crops_have_equal_weight() {
        let masks = HALF.draw(6, GRID, 1, 2);
        let (places, weights) = (masks.places(), masks.weights());
        assert_eq!(places.len(), weights.len());
        assert!(places.iter().all(|&place| masks.hidden[place]));
        let mut sums = [0.0; 6];
        for (place, weight) in places.iter().zip(&weights) {
            sums[place / 64] += weight;
        }
        for (sum, &count) in sums.iter().zip(&masks.counts) {
            let expected: f32 = if count > 0 { 1.0 } else { 0.0 };
            assert!((sum - expected).abs() < 1e-5, "{sums:?}");
        }
        let tensor = masks.to_tensor(&Device::default());
        assert_eq!(tensor.dims(), [6, 64]);
        let read: Vec<bool> = tensor.into_data().convert::<bool>().try_to_vec().unwrap();
        assert_eq!(read, masks.hidden);
    }

    #[test]
    fn invalid_settings_are_named() {
        assert_eq!(HALF.invalid(), None);
        let reason = |settings: MaskSettings| settings.invalid().unwrap();
        let settings = MaskSettings { low: 0.6, ..HALF };
        assert!(reason(settings).contains("masks.low is 0.6 and masks.high 0.5"));
        let settings = MaskSettings {
            probability: -0.1,
            ..HALF
        };
        assert!(reason(settings).contains("masks.probability is -0.1"));
    }
}
