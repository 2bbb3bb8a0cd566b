//! Where a patch is: axial rotary position embedding.

use std::f64::consts::TAU;

use burn::prelude::*;
use burn::tensor::bf16;
use svg_nn::Rotation;

use crate::{DinoConfig, RopePeriods};

/// The periods `base^(i / n)` of one axis, `n = head_dim / 4` of them, as f32 numbers.
pub fn rope_periods(head_dim: usize, base: f64, rounding: RopePeriods) -> Vec<f32> {
    let n = head_dim / 4;
    let exact = (0..n).map(|i| base.powf(i as f64 / n as f64) as f32);
    match rounding {
        RopePeriods::Exact => exact.collect(),
        RopePeriods::Bf16Rounded => exact.map(|p| bf16::from_f32(p).to_f32()).collect(),
    }
}

/// The turns of all tokens of an image of `rows` by `columns` patches; prefix tokens do not turn.
///
/// A patch's centre has coordinates in (-1, 1) on each axis separately, y before x:
/// `2 (r + 0.5) / rows - 1`. Channel pair `i` of a head turns by `2 pi y / period_i` in its first half
/// and by `2 pi x / period_i` in its second (DINOv3, section 3.2).
pub(crate) fn rotation(
    config: &DinoConfig,
    rows: usize,
    columns: usize,
    device: &Device,
) -> Rotation {
    let periods = rope_periods(config.head_dim(), config.rope_base, config.rope_periods);
    let mut angles = Vec::with_capacity(rows * columns * config.head_dim() / 2);
    for row in 0..rows {
        for column in 0..columns {
            for (place, count) in [(row, rows), (column, columns)] {
                let coordinate = 2.0 * (place as f64 + 0.5) / count as f64 - 1.0;
                angles.extend(periods.iter().map(|&p| TAU * coordinate / f64::from(p)));
            }
        }
    }
    Rotation::from_angles(&angles, config.head_dim(), config.n_prefix(), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_run_from_one_to_below_the_base() {
        let exact = rope_periods(64, 100.0, RopePeriods::Exact);
        assert_eq!(exact.len(), 16);
        assert_eq!(exact[..3], [1.0, 1.333_521_5, 1.778_279_4]);
        assert_eq!(exact[15], 74.989_42);
        let rounded = rope_periods(64, 100.0, RopePeriods::Bf16Rounded);
        let expected = [
            1.0, 1.3359375, 1.78125, 2.375, 3.15625, 4.21875, 5.625, 7.5, 10.0, 13.3125, 17.75,
            23.75, 31.625, 42.25, 56.25, 75.0,
        ];
        assert_eq!(rounded, expected);
    }

    /// The turn of one token, read off from the unit vector of each channel pair.
    fn cos_sin(grid: (usize, usize), token: usize, pair: usize) -> (f32, f32) {
        let device = Default::default();
        let config = DinoConfig::vits16().with_n_registers(0);
        let table = rotation(&config, grid.0, grid.1, &device);
        let mut unit = vec![0.0f32; 64];
        unit[pair] = 1.0;
        let row = Tensor::<1>::from_floats(unit.as_slice(), &device).reshape([1, 1, 1, 1, 64]);
        let turned = table.rotate(row.repeat_dim(1, table.tokens()));
        let values = turned.narrow(1, 1 + token, 1).into_data();
        let values = values.try_to_vec::<f32>().unwrap();
        (values[pair], values[pair + 32])
    }

    #[test]
    fn known_angles() {
        let known = [
            ((16, 16), 0, 0, (0.923880, 0.382683)),
            ((16, 16), 0, 15, (0.996916, -0.078470)),
            ((16, 16), 60, 0, (-0.923880, 0.382683)),
            ((16, 16), 60, 16, (-0.923880, -0.382683)),
            ((16, 16), 60, 17, (-0.881745, 0.471726)),
            ((8, 16), 127, 1, (-0.556054, -0.831146)),
            ((8, 16), 127, 17, (-0.290881, -0.956759)),
        ];
        for (grid, token, pair, (cos, sin)) in known {
            let (c, s) = cos_sin(grid, token, pair);
            let error = (c - cos).abs().max((s - sin).abs());
            assert!(
                error < 2e-6,
                "grid {grid:?} token {token} pair {pair}: {c} {s}"
            );
        }
    }
}
