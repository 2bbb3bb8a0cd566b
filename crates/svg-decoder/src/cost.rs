//! What decoding costs.

use crate::DecoderConfig;

impl DecoderConfig {
    /// Multiply-adds of the convolutions and products that decode one grid of `rows * columns` cells.
    /// Norms and activations are left out.
    ///
    /// A convolution of `k` by `k` pixels from `a` to `b` channels has `k^2 a b` for each pixel, and an
    /// attention over `p` pixels of `c` channels `4 c^2 p + 2 c p^2`.
    pub fn forward_macs(&self, [rows, columns]: [usize; 2]) -> f64 {
        let cells = (rows * columns) as f64;
        let last = self.width_multipliers.len() - 1;
        let deepest = self.channels(last) as f64;
        let middle = 2.0 * resnet(deepest, deepest, cells) + attention(deepest, cells);
        let mut macs = conv3x3(self.in_channels as f64, deepest, cells) + middle;
        let mut channels = deepest;
        let mut pixels = cells;
        for level in (0..=last).rev() {
            let here = self.channels(level) as f64;
            let blocks = self.n_res_blocks + 1;
            macs += resnet(channels, here, pixels);
            macs += self.n_res_blocks as f64 * resnet(here, here, pixels);
            if self.attends(level) {
                macs += blocks as f64 * attention(here, pixels);
            }
            if level > 0 {
                pixels *= 4.0;
                macs += conv3x3(here, here, pixels);
            }
            channels = here;
        }
        macs + conv3x3(channels, self.out_channels as f64, pixels)
    }
}

fn conv3x3(from: f64, to: f64, pixels: f64) -> f64 {
    9.0 * from * to * pixels
}

fn resnet(from: f64, to: f64, pixels: f64) -> f64 {
    let shortcut = match from == to {
        true => 0.0,
        false => from * to * pixels,
    };
    conv3x3(from, to, pixels) + conv3x3(to, to, pixels) + shortcut
}

fn attention(channels: f64, pixels: f64) -> f64 {
    4.0 * channels * channels * pixels + 2.0 * channels * pixels * pixels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_costs_what_the_paper_says() {
        // GFLOPs of table 7 of arXiv 2510.15301, which count multiply-adds.
        for (config, published) in [
            (DecoderConfig::svg(), 126.94),
            (DecoderConfig::va_vae(), 126.56),
        ] {
            let macs = config.forward_macs([16, 16]) / 1e9;
            assert!((macs / published - 1.0).abs() < 5e-3, "{macs} {published}");
        }
    }

    #[test]
    fn twice_the_grid_costs_more_than_twice() {
        let config = DecoderConfig::svg();
        assert!(config.forward_macs([32, 16]) > 2.0 * config.forward_macs([16, 16]));
    }
}
