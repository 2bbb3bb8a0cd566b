//! Group norm, and the swish that follows it, in as few passes as there can be.

use rayon::prelude::*;

use super::exp::exp;

/// Numbers summed in f32 before they are added up in f64; they stay in the nearest cache.
const CHUNK: usize = 4096;
const LANES: usize = 16;

/// A norm over groups of channels and all pixels, of images side by side.
#[derive(Clone, Copy, Debug)]
pub struct GroupNorm<'a> {
    /// Groups, the number added to the variance, and whether `z sigmoid(z)` follows.
    pub norm: crate::GroupNorm,
    /// A factor for each channel.
    pub gamma: &'a [f32],
    /// A term for each channel.
    pub beta: &'a [f32],
    /// Pixels of a channel.
    pub pixels: usize,
}

impl GroupNorm<'_> {
    /// In place of `numbers`, those of a group, which is counted through the batch.
    pub fn group(&self, group: usize, numbers: &mut [f32]) {
        let (mean, scale) = self.moments(numbers);
        let channels = self.channels(group);
        for (numbers, channel) in numbers.chunks_exact_mut(self.pixels).zip(channels) {
            let factor = (scale * f64::from(self.gamma[channel])) as f32;
            match self.norm.swish {
                true => scaled_swish(numbers, mean, factor, self.beta[channel]),
                false => scaled(numbers, mean, factor, self.beta[channel]),
            }
        }
    }

    /// The gradients at the factors and at the terms, from what [`group_backward`](Self::group_backward) says
    /// for each group of the batch.
    pub fn gathered(&self, groups: Vec<Vec<[f64; 2]>>) -> [Vec<f32>; 2] {
        let [mut gamma, mut beta] = [(); 2].map(|()| vec![0.0; self.gamma.len()]);
        for (group, sums) in groups.into_iter().enumerate() {
            for (channel, [plain, normed]) in self.channels(group).zip(sums) {
                beta[channel] += plain;
                gamma[channel] += normed;
            }
        }
        [gamma, beta].map(|sums| sums.into_iter().map(|sum: f64| sum as f32).collect())
    }

    /// The gradient at `x`, the numbers of a group, in place of `dy`, the one at the result. For each channel of
    /// the group, the sums of `dz` and of `dz n`.
    ///
    /// With `n = (x - mean) scale`, `z = gamma n + beta` and the gradient `dz` there, it is
    /// `scale (gamma dz - m1 - n m2)`, where `m1` and `m2` are the means over the group of `gamma dz` and
    /// of `gamma dz n`.
    pub fn group_backward(&self, group: usize, x: &[f32], dy: &mut [f32]) -> Vec<[f64; 2]> {
        let (mean, scale) = self.moments(x);
        let channels = || x.chunks_exact(self.pixels).zip(self.channels(group));
        let count = x.len() as f64;
        let mut sums = Vec::new();
        let [mut plain_mean, mut normed_mean] = [0.0; 2];
        for ((x, channel), dy) in channels().zip(dy.chunks_exact_mut(self.pixels)) {
            let gamma = f64::from(self.gamma[channel]);
            if self.norm.swish {
                let factor = (scale * gamma) as f32;
                through_swish(x, mean, factor, self.beta[channel], dy);
            }
            let [plain, centred] = pulled_sums(x, mean, dy);
            sums.push([plain, centred * scale]);
            plain_mean += gamma * plain / count;
            normed_mean += gamma * centred * scale / count;
        }
        let shift = (-scale * plain_mean) as f32;
        let slope = (-scale * scale * normed_mean) as f32;
        for ((x, channel), dy) in channels().zip(dy.chunks_exact_mut(self.pixels)) {
            let factor = (scale * f64::from(self.gamma[channel])) as f32;
            through_norm(x, mean, [factor, slope, shift], dy);
        }
        sums
    }

    /// Those of a group, which is counted through the batch.
    fn channels(&self, group: usize) -> std::ops::Range<usize> {
        let count = self.gamma.len() / self.norm.groups;
        let first = group % self.norm.groups * count;
        first..first + count
    }

    /// The mean of a group, and one over the deviation.
    fn moments(&self, numbers: &[f32]) -> (f32, f64) {
        let [mean, squares] = centred_squares(numbers);
        let variance = squares / numbers.len() as f64;
        (mean as f32, (variance + self.norm.epsilon).sqrt().recip())
    }
}

/// The sum of `term(i)` for all `i` below `len`, in lanes.
#[inline(always)]
pub(super) fn lane_sum(len: usize, term: impl Fn(usize) -> f32) -> f64 {
    let mut sums = [0.0f32; LANES];
    let whole = len / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum += term(start + lane);
        }
    }
    let rest: f64 = (whole..len).map(|i| f64::from(term(i))).sum();
    rest + sums.iter().map(|sum| f64::from(*sum)).sum::<f64>()
}

vectorised! {
    /// The mean, and the sum of the squares of the distances from it: of chunks, which are then merged
    /// as Chan, Golub and LeVeque do (1979), so that large numbers of small variance lose nothing.
    fn centred_squares(numbers: &[f32]) -> [f64; 2] {
        let (mut count, mut mean, mut squares) = (0.0f64, 0.0f64, 0.0f64);
        for chunk in numbers.chunks(CHUNK) {
            let len = chunk.len() as f64;
            let own = lane_sum(chunk.len(), |i| chunk[i]) / len;
            let centre = own as f32;
            let around = lane_sum(chunk.len(), |i| (chunk[i] - centre) * (chunk[i] - centre));
            let distance = own - mean;
            squares += around + distance * distance * count * len / (count + len);
            mean += distance * len / (count + len);
            count += len;
        }
        [mean, squares]
    }

    /// `(x - mean) factor + beta`.
    fn scaled(x: &mut [f32], mean: f32, factor: f32, beta: f32) {
        for x in x {
            *x = (*x - mean) * factor + beta;
        }
    }

    /// `z sigmoid(z)` of `z = (x - mean) factor + beta`.
    fn scaled_swish(x: &mut [f32], mean: f32, factor: f32, beta: f32) {
        for x in x {
            let z = (*x - mean) * factor + beta;
            *x = z / (1.0 + exp(-z));
        }
    }

    /// The gradient at `z` of [`scaled_swish`], in place of the one at its result.
    fn through_swish(x: &[f32], mean: f32, factor: f32, beta: f32, dy: &mut [f32]) {
        for (x, dy) in x.iter().zip(dy) {
            let z = (*x - mean) * factor + beta;
            let sigmoid = 1.0 / (1.0 + exp(-z));
            *dy *= sigmoid * (1.0 + z * (1.0 - sigmoid));
        }
    }

    /// The sums of `dz` and of `dz (x - mean)`.
    fn pulled_sums(x: &[f32], mean: f32, dz: &[f32]) -> [f64; 2] {
        let mut sums = [0.0; 2];
        for (x, dz) in x.chunks(CHUNK).zip(dz.chunks(CHUNK)) {
            let len = x.len().min(dz.len());
            let (x, dz) = (&x[..len], &dz[..len]);
            sums[0] += lane_sum(len, |i| dz[i]);
            sums[1] += lane_sum(len, |i| dz[i] * (x[i] - mean));
        }
        sums
    }

    /// `dz factor + (x - mean) slope + shift`, in place of `dz`.
    fn through_norm(x: &[f32], mean: f32, weights: [f32; 3], dz: &mut [f32]) {
        let [factor, slope, shift] = weights;
        for (x, dz) in x.iter().zip(dz) {
            *dz = *dz * factor + ((*x - mean) * slope + shift);
        }
    }
}

/// The sum over images and pixels of `[batch, channels, pixels]`.
pub fn channel_sums(numbers: &[f32], channels: usize, pixels: usize) -> Vec<f32> {
    let totals: Vec<f64> = numbers.par_chunks(pixels).map(total).collect();
    let sum = |channel| totals.iter().skip(channel).step_by(channels).sum::<f64>() as f32;
    (0..channels).map(sum).collect()
}

vectorised! {
    /// The sum of all numbers.
    fn total(numbers: &[f32]) -> f64 {
        let chunks = numbers.chunks(CHUNK);
        chunks.map(|chunk| lane_sum(chunk.len(), |i| chunk[i])).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_variance_around_a_large_mean_is_found() {
        let numbers: Vec<f32> = (0..10_000).map(|i| 1000.0 + (i % 2) as f32 * 0.5).collect();
        let [mean, squares] = centred_squares(&numbers);
        assert!((mean - 1000.25).abs() < 1e-9, "{mean}");
        assert!((squares / 10_000.0 - 0.0625).abs() < 1e-9, "{squares}");
    }
}
