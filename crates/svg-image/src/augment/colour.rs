//! Colour jitter, blur and solarisation.
//!
//! Pixels are three numbers in [0, 1], and each change clamps to this range, as torchvision's do for float
//! tensors. Arithmetic in f32 avoids rounding to 8 bits between the changes. The weights of grey are those
//! of ITU-R 601, which sum to one; torchvision's 0.2989 makes its greys 0.01 % darker.

use serde::{Deserialize, Serialize};
use svg_store::Random;

use super::Augmentation;

/// Colour jitter as torchvision's `ColorJitter`: brightness, contrast, saturation and hue, in a random order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JitterSettings {
    /// Probability that a view is changed.
    pub probability: f64,
    /// Brightness is multiplied by a factor that is uniform within this distance of 1. 0 for none.
    pub brightness: f64,
    /// The distance from the mean grey of the view is multiplied by such a factor.
    pub contrast: f64,
    /// The distance of each pixel from its own grey is multiplied by such a factor.
    pub saturation: f64,
    /// The hue is rotated by a fraction of the circle, uniform up to this much in both directions; at most
    /// 0.5.
    pub hue: f64,
}

/// Red, green and blue, in [0, 1].
pub(super) type Pixel = [f32; 3];

/// One change of a whole view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    /// `factor x`
    Brightness(f32),
    /// `factor x + (1 - factor) m`, with `m` the mean of all greys.
    Contrast(f32),
    /// `factor x + (1 - factor) grey(x)`
    Saturation(f32),
    /// The hue of HSV moves by this fraction of the circle.
    Hue(f32),
    /// `grey(x)` in all channels.
    Grey,
    /// Gaussian blur with this standard deviation in pixels.
    Blur(f32),
    /// `1 - x` for levels of 128 of 255 and above.
    Solarize,
}

/// The changes of one view, in order. All numbers are drawn whether they are used or not.
pub(super) fn changes(settings: &Augmentation, random: &mut Random) -> Vec<Change> {
    let jitter = settings.jitter;
    let mut around = |centre: f64, amount: f64| {
        let value = random.between(centre - amount, centre + amount);
        (amount > 0.0).then_some(value as f32)
    };
    let mut colours = [
        around(1.0, jitter.brightness).map(Change::Brightness),
        around(1.0, jitter.contrast).map(Change::Contrast),
        around(1.0, jitter.saturation).map(Change::Saturation),
        around(0.0, jitter.hue).map(Change::Hue),
    ];
    random.shuffle(&mut colours);
    let deviation = random.between(0.1, 2.0) as f32;
    let mut happens = |probability: f64| random.fraction() < probability;

    let mut changes = Vec::new();
    if happens(jitter.probability) {
        changes.extend(colours.into_iter().flatten());
    }
    let others = [
        (settings.grey, Change::Grey),
        (settings.blur, Change::Blur(deviation)),
        (settings.solarize, Change::Solarize),
    ];
    changes.extend(
        others
            .into_iter()
            .filter_map(|(probability, change)| happens(probability).then_some(change)),
    );
    changes
}

impl Change {
    /// Applies the change to a view of `size` x `size` pixels, row by row.
    pub(super) fn apply(self, pixels: &mut Vec<Pixel>, size: usize) {
        match self {
            Self::Brightness(factor) => each(pixels, |pixel| blend(pixel, 0.0, factor)),
            Self::Contrast(factor) => {
                // In f64, so that the sum of many pixels stays accurate.
                let sum: f64 = pixels.iter().map(|&pixel| f64::from(grey(pixel))).sum();
                let mean = (sum / pixels.len() as f64) as f32;
                each(pixels, |pixel| blend(pixel, mean, factor));
            }
            Self::Saturation(factor) => each(pixels, |pixel| blend(pixel, grey(pixel), factor)),
            Self::Hue(turn) => each(pixels, |pixel| turn_hue(pixel, turn)),
            Self::Grey => each(pixels, |pixel| [grey(pixel); 3]),
            Self::Blur(deviation) => {
                let kernel = gaussian_kernel(deviation);
                *pixels = blur_and_transpose(pixels, size, &kernel);
                *pixels = blur_and_transpose(pixels, size, &kernel);
            }
            Self::Solarize => each(pixels, |pixel| {
                pixel.map(|x| if x >= 128.0 / 255.0 { 1.0 - x } else { x })
            }),
        }
    }
}

fn each(pixels: &mut [Pixel], change: impl Fn(Pixel) -> Pixel) {
    pixels.iter_mut().for_each(|pixel| *pixel = change(*pixel));
}

fn grey([red, green, blue]: Pixel) -> f32 {
    0.299 * red + 0.587 * green + 0.114 * blue
}

/// `factor x + (1 - factor) other`, clamped to [0, 1].
fn blend(pixel: Pixel, other: f32, factor: f32) -> Pixel {
    pixel.map(|x| (factor * x + (1.0 - factor) * other).clamp(0.0, 1.0))
}

/// Rotates the hue in HSV.
fn turn_hue([red, green, blue]: Pixel, turn: f32) -> Pixel {
    let value = red.max(green).max(blue);
    let chroma = value - red.min(green).min(blue);
    if chroma == 0.0 {
        return [red, green, blue];
    }
    // Sixths of the circle, from red.
    let hue = if value == red {
        (green - blue) / chroma
    } else if value == green {
        2.0 + (blue - red) / chroma
    } else {
        4.0 + (red - green) / chroma
    };
    let hue = (hue + 6.0 * turn).rem_euclid(6.0);
    // Back to RGB without the six cases of the hue: `v - c clamp(min(k, 4 - k), 0, 1)`.
    [5.0, 3.0, 1.0].map(|primary: f32| {
        let k = (primary + hue) % 6.0;
        (value - chroma * k.min(4.0 - k).clamp(0.0, 1.0)).clamp(0.0, 1.0)
    })
}

/// Radius of the kernel.
const REACH: usize = 4;

/// `exp(-x^2 / (2 deviation^2))` at nine pixels, normalised to sum to 1.
fn gaussian_kernel(deviation: f32) -> [f32; 2 * REACH + 1] {
    let kernel: [f32; 2 * REACH + 1] = std::array::from_fn(|place| {
        let distance = (place as f32 - REACH as f32) / deviation;
        (-0.5 * distance * distance).exp()
    });
    let sum: f32 = kernel.iter().sum();
    kernel.map(|weight| weight / sum)
}

/// Blurs rows, then transposes; applied twice, it is the blur. The view is reflected at its edges without
/// repeating the outermost pixel.
fn blur_and_transpose(pixels: &[Pixel], size: usize, kernel: &[f32]) -> Vec<Pixel> {
    let mut out = vec![[0.0; 3]; pixels.len()];
    let mut wide = vec![[0.0; 3]; size + 2 * REACH];
    for (row, line) in pixels.chunks_exact(size).enumerate() {
        for (place, pixel) in wide.iter_mut().enumerate() {
            *pixel = line[reflected(place as isize - REACH as isize, size)];
        }
        for (column, around) in wide.windows(kernel.len()).enumerate() {
            let mut sum = [0.0; 3];
            for (pixel, weight) in around.iter().zip(kernel) {
                for (sum, x) in sum.iter_mut().zip(pixel) {
                    *sum += weight * x;
                }
            }
            out[column * size + row] = sum;
        }
    }
    out
}

fn reflected(place: isize, size: usize) -> usize {
    let last = size as isize - 1;
    if last == 0 {
        return 0;
    }
    let place = place.rem_euclid(2 * last);
    place.min(2 * last - place) as usize
}

#[cfg(test)]
mod tests {
    use super::super::tests::plain;
    use super::*;

    const COLOURS: [Pixel; 4] = [
        [0.2, 0.5, 0.9],
        [1.0, 0.0, 0.25],
        [0.6, 0.6, 0.6],
        [0.05, 0.8, 0.3],
    ];

    fn changed(change: Change) -> Vec<Pixel> {
        let mut pixels = COLOURS.to_vec();
        change.apply(&mut pixels, 2);
        pixels
    }

    fn assert_close(got: &[Pixel], want: &[Pixel], what: &str) {
        for (got, want) in got.iter().flatten().zip(want.iter().flatten()) {
            // The greys of both differ by up to 1e-4.
            assert!((got - want).abs() < 1e-4, "{what}: {got}, not {want}");
        }
    }

    #[test]
    fn colours_change_as_in_torchvision() {
        // `_functional_tensor` of torchvision 0.29.2.
        let recorded: [(Change, [Pixel; 4]); 7] = [
            (
                Change::Brightness(1.3),
                [
                    [0.26, 0.65, 1.0],
                    [1.0, 0.0, 0.325],
                    [0.78; 3],
                    [0.065, 1.0, 0.39],
                ],
            ),
            (
                Change::Contrast(1.3),
                [
                    [0.117353, 0.507353, 1.0],
                    [1.0, 0.0, 0.182353],
                    [0.637353; 3],
                    [0.0, 0.897353, 0.247353],
                ],
            ),
            (
                Change::Saturation(0.7),
                [
                    [0.276764, 0.486764, 0.766764],
                    [0.79822, 0.09822, 0.27322],
                    [0.599982; 3],
                    [0.190624, 0.715623, 0.365624],
                ],
            ),
            (
                Change::Hue(0.1),
                [
                    [0.319999, 0.2, 0.9],
                    [1.0, 0.35, 0.0],
                    [0.6; 3],
                    [0.05, 0.8, 0.75],
                ],
            ),
            (
                Change::Hue(-0.25),
                [
                    [0.2, 0.9, 0.249999],
                    [0.25, 0.0, 1.0],
                    [0.6; 3],
                    [0.8, 0.675, 0.05],
                ],
            ),
            (
                Change::Grey,
                [[0.45588; 3], [0.3274; 3], [0.59994; 3], [0.518745; 3]],
            ),
            (
                Change::Solarize,
                [
                    [0.2, 0.5, 0.1],
                    [0.0, 0.0, 0.25],
                    [0.4; 3],
                    [0.05, 0.2, 0.3],
                ],
            ),
        ];
        for (change, want) in recorded {
            assert_close(&changed(change), &want, &format!("{change:?}"));
        }
    }

    #[test]
    fn blur_is_that_of_torchvision() {
        // `_functional_tensor.gaussian_blur` of torchvision 0.29.2 of the same levels.
        let level = |row: usize, column: usize, channel: usize| {
            ((row * 7 + column * column * 3 + channel * 5) % 11) as f32 / 10.0
        };
        let mut pixels: Vec<Pixel> = (0..36)
            .map(|place| [0, 1, 2].map(|channel| level(place / 6, place % 6, channel)))
            .collect();
        Change::Blur(0.8).apply(&mut pixels, 6);
        let red = [0.474543, 0.511871, 0.448599, 0.34522, 0.361045, 0.460272];
        let blue = [0.515209, 0.51608, 0.597246, 0.567475, 0.492225, 0.465741];
        for column in 0..6 {
            assert!((pixels[column][0] - red[column]).abs() < 1e-5);
            assert!((pixels[18 + column][2] - blue[column]).abs() < 1e-5);
        }
    }

    #[test]
    fn blur_does_not_change_a_uniform_view_of_any_size() {
        for size in [1, 2, 3, 9] {
            let mut pixels = vec![[0.1, 0.5, 1.0]; size * size];
            Change::Blur(2.0).apply(&mut pixels, size);
            assert_close(&pixels, &vec![[0.1, 0.5, 1.0]; size * size], "blur");
        }
    }

    #[test]
    fn hue_rotations_add_up_and_a_full_rotation_is_the_identity() {
        assert_close(&changed(Change::Hue(1.0)), &COLOURS, "a full rotation");
        let mut twice = changed(Change::Hue(0.2));
        Change::Hue(0.15).apply(&mut twice, 2);
        assert_close(&twice, &changed(Change::Hue(0.35)), "the sum");
    }

    fn drawn(settings: &Augmentation) -> Vec<Vec<Change>> {
        let draw = |sample| {
            let mut random = Random::keyed([5, 3, sample, 1]);
            changes(settings, &mut random)
        };
        (0..1000).map(draw).collect()
    }

    #[test]
    fn probability_zero_changes_nothing() {
        assert!(drawn(&plain()).iter().all(Vec::is_empty));
    }

    #[test]
    fn the_order_of_jitter_is_random_and_other_changes_follow() {
        let settings = Augmentation {
            jitter: JitterSettings {
                probability: 1.0,
                ..plain().jitter
            },
            grey: 1.0,
            blur: 1.0,
            solarize: 1.0,
            ..plain()
        };
        let mut first = [0; 4];
        for changes in drawn(&settings) {
            let [
                jitter @ ..,
                Change::Grey,
                Change::Blur(deviation),
                Change::Solarize,
            ] = changes.as_slice()
            else {
                panic!("{changes:?}")
            };
            assert!((0.1..=2.0).contains(deviation));
            assert_eq!(jitter.len(), 4);
            for change in jitter {
                let (value, centre, amount) = match *change {
                    Change::Brightness(factor) => (factor, 1.0, 0.4),
                    Change::Contrast(factor) => (factor, 1.0, 0.4),
                    Change::Saturation(factor) => (factor, 1.0, 0.2),
                    Change::Hue(turn) => (turn, 0.0, 0.1),
                    ref other => panic!("{other:?}"),
                };
                assert!((value - centre).abs() <= amount + 1e-6, "{change:?}");
            }
            first[match jitter[0] {
                Change::Brightness(_) => 0,
                Change::Contrast(_) => 1,
                Change::Saturation(_) => 2,
                _ => 3,
            }] += 1;
        }
        // Four standard deviations of 13.7.
        assert!(
            first.iter().all(|&count: &i32| count.abs_diff(250) < 55),
            "{first:?}"
        );
    }

    #[test]
    fn changes_have_their_probability() {
        let settings = Augmentation {
            grey: 0.2,
            ..plain()
        };
        let grey = drawn(&settings).concat().len();
        // Four standard deviations of 12.6.
        assert!(grey.abs_diff(200) < 51, "{grey}");
    }

    #[test]
    fn jitter_amounts_of_zero_change_nothing() {
        let settings = Augmentation {
            jitter: JitterSettings {
                probability: 1.0,
                brightness: 0.0,
                contrast: 0.0,
                saturation: 0.0,
                hue: 0.0,
            },
            ..plain()
        };
        assert!(drawn(&settings).iter().all(Vec::is_empty));
    }
}
