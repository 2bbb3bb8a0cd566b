//! Where a token is.

/// Fixed positions of a grid, row by row: for each token `width` numbers, of which the first half is of
/// its **column** and the second half of its row.
///
/// Each half is `[sin(p w_0), sin(p w_1), ..., cos(p w_0), cos(p w_1), ...]` with
/// `w_i = 10000^(-i / (width / 4))`. It is computed in f64, as in MAE (He et al., arXiv 2111.06377) and
/// in DiT, from where SVG has it.
///
/// # Shapes
///
/// - output: `[rows * columns, width]`, flattened
///
/// # Panics
///
/// If four does not divide `width`.
pub fn sincos_2d(width: usize, [rows, columns]: [usize; 2]) -> Vec<f32> {
    assert!(
        width.is_multiple_of(4),
        "positions of {width} channels: they come in fours, a sine and a cosine for column and row"
    );
    let quarter = width / 4;
    let frequency = |i: usize| 10000f64.powf(-(i as f64) / quarter as f64);
    let frequencies: Vec<f64> = (0..quarter).map(frequency).collect();
    let mut table = Vec::with_capacity(rows * columns * width);
    for row in 0..rows {
        for column in 0..columns {
            for place in [column as f64, row as f64] {
                let angles = || frequencies.iter().map(|frequency| place * frequency);
                table.extend(angles().map(|angle| angle.sin() as f32));
                table.extend(angles().map(|angle| angle.cos() as f32));
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f32, want: f32) {
        assert!((got - want).abs() < 1e-6, "{got} for {want}");
    }

    #[test]
    fn columns_come_first_and_sines_before_cosines() {
        let width = 1152;
        let table = sincos_2d(width, [16, 16]);
        let at = |token: usize, channel: usize| table[token * width + channel];
        // One step to the right.
        for (channel, want) in [
            (0, 0.841_471),
            (1, 0.824_051_3),
            (288, 0.540_302_3),
            (289, 0.566_515_1),
            (576, 0.0),
            (864, 1.0),
        ] {
            close(at(1, channel), want);
        }
        // One step down.
        for (channel, want) in [(0, 0.0), (288, 1.0), (576, 0.841_471), (864, 0.540_302_3)] {
            close(at(16, channel), want);
        }
        close(at(255, 0), 0.650_287_8);
        close(at(255, 288), -0.759_687_9);
    }

    #[test]
    fn the_sum_over_the_published_grid_is_known() {
        for (width, want) in [(1152, 134_598.948), (384, 44_720.338_6)] {
            let sum: f64 = sincos_2d(width, [16, 16]).into_iter().map(f64::from).sum();
            assert!((sum - want).abs() < 0.01, "{sum} for {want}");
        }
    }

    #[test]
    fn a_larger_grid_continues_a_smaller_one() {
        let (small, large) = (sincos_2d(8, [2, 3]), sincos_2d(8, [4, 5]));
        for row in 0..2 {
            let part = |table: &[f32], columns: usize| {
                let start = row * columns * 8;
                table[start..start + 3 * 8].to_vec()
            };
            assert_eq!(part(&small, 3), part(&large, 5));
        }
    }

    #[test]
    #[should_panic(expected = "positions of 6 channels: they come in fours")]
    fn channels_come_in_fours() {
        sincos_2d(6, [2, 2]);
    }
}
