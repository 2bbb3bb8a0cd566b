//! Cost of a forward pass.

use crate::ResidualConfig;

impl ResidualConfig {
    /// Multiply-accumulates of the products in a forward pass over one image of `rows * columns` patches,
    /// without norms and activations.
    ///
    /// With `n` tokens of `d` channels a block has `4 d^2 n` in its projections, `2 d n^2` in its
    /// attention and `2 d d_ff n` in its feed-forward layer.
    pub fn forward_macs(&self, [rows, columns]: [usize; 2]) -> f64 {
        let sizes = [self.d_model, self.d_ff, self.patch_size, self.channels];
        let [d, hidden, patch, channels] = sizes.map(|n| n as f64);
        let patches = (rows * columns) as f64;
        let n = patches + 1.0; // the class token
        let block = 4.0 * d * d * n + 2.0 * d * n * n + 2.0 * d * hidden * n;
        let ends = (3.0 * patch * patch + channels) * d * patches;
        self.n_layers as f64 * block + ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_the_published_size_matches_the_paper() {
        // 10.33 - 7.48 in table 7 of arXiv 2510.15301, without the products inside the attention.
        let tokens = 257.0;
        let attention = 6.0 * 2.0 * 384.0 * tokens * tokens;
        let macs = (ResidualConfig::svg().forward_macs([16, 16]) - attention) / 1e9;
        assert!((macs / 2.85 - 1.0).abs() < 0.02, "{macs}");
    }
}
