//! What a forward pass costs.

use crate::{DinoConfig, FeedForwardKind};

impl DinoConfig {
    /// Multiply-adds of the products in a forward pass over one image of `rows * columns` patches. Norms,
    /// rotations and activations are left out.
    ///
    /// With `n` tokens of `d` channels a block has `4 d^2 n` in its projections, `2 d n^2` in its
    /// attention, and `2 d d_ff n` (`Mlp`) or `3 d d_ff n` (`SwiGlu`) in its feed-forward layer. Counts
    /// in the literature often leave out the attention, which tools for counting do not see.
    pub fn forward_macs(&self, [rows, columns]: [usize; 2]) -> f64 {
        let [d, hidden, patch] = [self.d_model, self.d_ff, self.patch_size].map(|n| n as f64);
        let patches = (rows * columns) as f64;
        let n = patches + self.n_prefix() as f64;
        let products = match self.feed_forward {
            FeedForwardKind::Mlp => 2.0,
            FeedForwardKind::SwiGlu => 3.0,
        };
        let block = 4.0 * d * d * n + 2.0 * d * n * n + products * d * hidden * n;
        self.n_layers as f64 * block + 3.0 * patch * patch * d * patches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoder_of_svg_costs_what_the_paper_says() {
        // 7.48 in table 7 of arXiv 2510.15301, without the products inside the attention.
        let config = DinoConfig::vits16plus();
        let tokens = 261.0;
        let attention = 12.0 * 2.0 * 384.0 * tokens * tokens;
        let macs = (config.forward_macs([16, 16]) - attention) / 1e9;
        assert!((macs / 7.48 - 1.0).abs() < 5e-3, "{macs}");
    }
}
