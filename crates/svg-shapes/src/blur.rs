//! A slight blur.

use crate::colour::Colour;

/// Blurs rows and then columns with the weights `side`, `1 - 2 side`, `side`, the given number of times. Edge
/// pixels are repeated.
pub(crate) fn blur(pixels: &mut [Colour], size: usize, side: f64, times: usize) {
    for _ in 0..times {
        for line in 0..size {
            smooth(pixels, line * size, 1, size, side);
        }
        for line in 0..size {
            smooth(pixels, line, size, size, side);
        }
    }
}

fn smooth(pixels: &mut [Colour], start: usize, step: usize, count: usize, side: f64) {
    let mut before = pixels[start];
    for place in 0..count {
        let here = pixels[start + place * step];
        let after = pixels[start + (place + 1).min(count - 1) * step];
        pixels[start + place * step] = [0, 1, 2].map(|channel| {
            let sides = before[channel] + after[channel];
            (1.0 - 2.0 * side) * here[channel] + side * sides
        });
        before = here;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blur_spreads_a_point_evenly_and_keeps_its_sum() {
        let mut pixels = vec![[0.0; 3]; 25];
        pixels[12] = [1.0; 3];
        blur(&mut pixels, 5, 0.25, 1);
        let sum: f64 = pixels.iter().map(|pixel| pixel[0]).sum();
        assert_eq!(sum, 1.0);
        assert_eq!(pixels[12][1], 0.25);
        for neighbour in [7, 11, 13, 17] {
            assert_eq!(pixels[neighbour][2], 0.125);
        }
    }

    #[test]
    fn blur_does_not_change_a_uniform_picture() {
        let mut pixels = vec![[0.5, 0.25, 1.0]; 16];
        blur(&mut pixels, 4, 0.125, 3);
        assert!(pixels.iter().all(|pixel| *pixel == [0.5, 0.25, 1.0]));
    }
}
