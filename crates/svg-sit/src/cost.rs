//! What the network costs: arithmetic and memory.

use svg_nn::Precision;

use crate::SitConfig;

/// Bytes that a training keeps on its device. An estimate from below, [`SitConfig::training_memory`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingMemory {
    /// The weights, in f32.
    pub weights: f64,
    /// Their gradients.
    pub gradients: f64,
    /// Both moments of Adam.
    pub moments: f64,
    /// The moving average of the weights.
    pub average: f64,
    /// What the way back needs of the way forth.
    pub activations: f64,
}

impl TrainingMemory {
    /// The sum.
    pub fn total(&self) -> f64 {
        self.weights + self.gradients + self.moments + self.average + self.activations
    }
}

impl SitConfig {
    /// Multiply-adds of the products in a forward pass over one sample. Norms, activations and gates are
    /// left out.
    ///
    /// With `n` tokens of `d` channels a block has `4 d^2 n` in its projections, `2 d n^2` in its
    /// attention, `2 d d_ff n` in its feed-forward layer and `6 d^2` in its modulation. The first and the
    /// last layer, the modulation of the last and the embedding of the time come once.
    ///
    /// ```
    /// use svg_sit::SitConfig;
    ///
    /// assert_eq!((SitConfig::xl().forward_macs() / 1e9).round(), 119.0);
    /// ```
    pub fn forward_macs(&self) -> f64 {
        let [d, n] = [self.d_model, self.tokens()].map(|n| n as f64);
        let ends = (self.in_channels + self.out_channels()) as f64 * d * n;
        let once = (256.0 + d) * d + 2.0 * d * d;
        self.n_layers as f64 * (self.block_macs() + 6.0 * d * d) + ends + once
    }

    /// Of one block, for the tokens.
    fn block_macs(&self) -> f64 {
        let [d, hidden, n] = [self.d_model, self.d_ff, self.tokens()].map(|n| n as f64);
        4.0 * d * d * n + 2.0 * d * n * n + 2.0 * d * hidden * n
    }

    /// Floating-point operations of a forward pass over one sample: a multiply-add is two.
    pub fn forward_flops(&self) -> f64 {
        2.0 * self.forward_macs()
    }

    /// Operations of a training step for one sample, three forward passes: the way back computes the
    /// gradient of every product for both of its factors. With gradient checkpointing there are four,
    /// since each block is computed again.
    pub fn training_flops(&self, gradient_checkpointing: bool) -> f64 {
        let passes = if gradient_checkpointing { 4.0 } else { 3.0 };
        passes * self.forward_flops()
    }

    /// Operations of one sample: `steps` evaluations, each with or without a second pass for guidance.
    pub fn sampling_flops(&self, steps: usize, guided: bool) -> f64 {
        let passes = if guided { 2 } else { 1 };
        (steps * passes) as f64 * self.forward_flops()
    }

    /// Bytes that a training of so many samples at once needs at least.
    ///
    /// Weights, gradients, two moments and the average are 4 bytes for each parameter, whatever the
    /// precision. A block keeps, for each sample of `n` tokens of `d` channels,
    ///
    /// - of its products: `6 d n` (query, key, value; attention; both branches' ends), `d_ff n`, and
    ///   `heads n^2` scores;
    /// - of what lies between them: `6 d n` (both norms, each before and after its modulation; queries
    ///   and keys after their norm), `d_ff n` after the activation, and `heads n^2` probabilities.
    ///
    /// Numbers have 4 bytes, and those of a reduced precision 2; what a norm puts out has 4 in any case.
    /// With gradient checkpointing a block keeps its input alone, `d n` numbers of 4 bytes, and one block
    /// at a time has all of the above.
    /// Workspace, the fragments of an allocator and a framework that keeps more come on top.
    pub fn training_memory(
        &self,
        batch: usize,
        precision: Precision,
        gradient_checkpointing: bool,
    ) -> TrainingMemory {
        let [d, hidden, n] = [self.d_model, self.d_ff, self.tokens()].map(|n| n as f64);
        let bytes = match precision {
            Precision::F32 | Precision::Tf32 => 4.0,
            Precision::Bf16 | Precision::F16 => 2.0,
        };
        let scores = self.n_heads as f64 * n * n;
        let products = (6.0 * d * n + hidden * n + scores) * bytes;
        let between = 2.0 * d * n * 4.0 + (4.0 * d * n + hidden * n + scores) * bytes;
        let (block, blocks) = (products + between, self.n_layers as f64);
        let activations = match gradient_checkpointing {
            true => blocks * d * n * 4.0 + block,
            false => blocks * block,
        };
        let parameters = 4.0 * self.n_params() as f64;
        TrainingMemory {
            weights: parameters,
            gradients: parameters,
            moments: 2.0 * parameters,
            average: parameters,
            activations: batch as f64 * activations,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_released_model_costs_what_is_published() {
        // 118.4 by the blocks' products, 118.6 with their modulation.
        let xl = SitConfig::xl();
        let blocks = 28.0 * xl.block_macs() / 1e9;
        let modulated = blocks + 28.0 * 6.0 * 1152.0 * 1152.0 / 1e9;
        assert!((blocks - 118.4).abs() < 0.05, "{blocks}");
        assert!((modulated - 118.6).abs() < 0.05, "{modulated}");
        let all = xl.forward_macs() / 1e9;
        assert!(modulated < all && all < 119.0, "{all}");
        assert!((xl.training_flops(false) / 1e12 - 0.71).abs() < 5e-3);
    }

    #[test]
    fn eighty_epochs_and_fifty_thousand_samples_take_what_cards_of_that_kind_take() {
        // At 300 TFLOP/s, between what is usual on an H100.
        let (xl, speed) = (SitConfig::xl(), 300e12);
        let hours = 80.0 * 1_281_167.0 * xl.training_flops(false) / speed / 3600.0;
        assert!((50.0..100.0).contains(&hours), "{hours}");
        let minutes = 50_000.0 * xl.sampling_flops(25, true) / speed / 60.0;
        assert!((25.0..50.0).contains(&minutes), "{minutes}");
        assert_eq!(
            xl.sampling_flops(25, true),
            2.0 * xl.sampling_flops(25, false)
        );
    }

    #[test]
    fn twenty_bytes_to_a_parameter_and_activations_by_the_sample() {
        let xl = SitConfig::xl();
        let of = |batch, precision, checkpointing| {
            let memory = xl.training_memory(batch, precision, checkpointing);
            let fixed = memory.total() - memory.activations;
            assert!((fixed / (20.0 * xl.n_params() as f64) - 1.0).abs() < 1e-12);
            memory.activations
        };
        let one = of(1, Precision::F32, false);
        assert_eq!(of(0, Precision::F32, false), 0.0);
        assert_eq!(of(8, Precision::F32, false), 8.0 * one);
        assert!(of(1, Precision::Bf16, false) < one);
        // 20 numbers to a channel, and two tables of scores.
        let numbers = 28.0 * (20.0 * 1152.0 * 256.0 + 2.0 * 16.0 * 65536.0);
        assert_eq!(one, 4.0 * numbers);
        // The input of each of 28 blocks, and one of them whole.
        let kept = 4.0 * 28.0 * 1152.0 * 256.0 + one / 28.0;
        assert!((of(1, Precision::F32, true) / kept - 1.0).abs() < 1e-12);
        assert_eq!(xl.training_flops(true), 4.0 * xl.forward_flops());
    }
}
