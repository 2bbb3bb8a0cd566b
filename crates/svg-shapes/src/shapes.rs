//! The pictures of a seed.

use std::ops::RangeInclusive;

use svg_image::{Rgb, RgbImage};

use crate::blur::blur;
use crate::clutter::clutter;
use crate::colour::{Colour, Palette, mix};
use crate::draw::Draw;
use crate::figure::{CLASSES, figure};
use crate::outline::Outline;
use crate::texture::Texture;

/// Small colour images of ten figures, each a function of the seed, its class and its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shapes {
    seed: u64,
    size: u32,
}

impl Shapes {
    /// Valid numbers of pixels of a side; on smaller pictures figures are not recognisable.
    pub const SIDES: RangeInclusive<u32> = 16..=256;

    /// The pictures of a seed, of 32 x 32 pixels.
    pub fn new(seed: u64) -> Self {
        Self { seed, size: 32 }
    }

    /// The same pictures at another size.
    ///
    /// # Panics
    ///
    /// If `size` is not in [`SIDES`](Self::SIDES).
    pub fn with_size(self, size: u32) -> Self {
        assert!(
            Self::SIDES.contains(&size),
            "a picture must have 16 to 256 pixels each way, not {size}"
        );
        Self { size, ..self }
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Number of pixels of a side.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Picture `index` of a class.
    ///
    /// # Panics
    ///
    /// If `class` is not an index of [`CLASSES`].
    pub fn image(&self, class: usize, index: u64) -> RgbImage {
        let count = CLASSES.len();
        assert!(
            class < count,
            "`class` must be below {count}, but is {class}"
        );
        let draw = &mut Draw::new(self.seed, class, index);
        let palette = Palette::new(draw);
        let mut pixels = self.ground(&palette, draw);
        for thing in clutter(draw) {
            let accent = palette.accent(draw);
            self.fill(&mut pixels, &thing, |_, _| accent);
        }
        let (shade, depth) = (Texture::gradient(draw), draw.between(0.0, 0.06));
        let focus = draw.between(0.0, 0.12);
        // The outline is drawn last, so that nothing else depends on how many random numbers a class uses.
        self.fill(&mut pixels, &figure(class, draw), |x, y| {
            lit(palette.figure, depth * shade.at(x, y))
        });
        let finer = f64::from(self.size) / 32.0;
        let times = (finer * finer).round().max(1.0) as usize;
        blur(&mut pixels, self.size as usize, focus, times);

        let level = |level: f64| (255.0 * level.clamp(0.0, 1.0)).round() as u8;
        RgbImage::from_fn(self.size, self.size, |x, y| {
            Rgb(pixels[(y * self.size + x) as usize].map(level))
        })
    }

    /// `count` pictures with their classes, cycling through the classes.
    pub fn images(self, count: u64) -> impl Iterator<Item = (usize, RgbImage)> {
        let classes = CLASSES.len() as u64;
        (0..count).map(move |number| {
            let class = (number % classes) as usize;
            (class, self.image(class, number / classes))
        })
    }

    fn ground(&self, palette: &Palette, draw: &mut Draw) -> Vec<Colour> {
        let (texture, depth) = (Texture::new(draw), draw.between(0.02, 0.07));
        let lit = |[x, y]: [f64; 2]| lit(palette.ground, depth * texture.at(x, y));
        self.centres().map(lit).collect()
    }

    fn fill(&self, pixels: &mut [Colour], outline: &Outline, colour: impl Fn(f64, f64) -> Colour) {
        let covered = outline.coverage(self.size);
        for ((pixel, part), [x, y]) in pixels.iter_mut().zip(covered).zip(self.centres()) {
            *pixel = mix(*pixel, colour(x, y), part);
        }
    }

    /// Centre of each pixel, row by row.
    fn centres(&self) -> impl Iterator<Item = [f64; 2]> {
        let side = f64::from(self.size);
        let middle = move |place: u32| (f64::from(place) + 0.5) / side;
        let size = self.size;
        (0..size * size).map(move |place| [middle(place % size), middle(place / size)])
    }
}

/// Adds `light` to every channel.
fn lit(colour: Colour, light: f64) -> Colour {
    colour.map(|level| level + light)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FNV-1a over the bytes of the pixels.
    fn hash(image: &RgbImage) -> u64 {
        let bytes = image.as_raw().iter();
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
        })
    }

    fn mean(image: &RgbImage) -> Colour {
        let count = f64::from(image.width() * image.height());
        let sum = image.pixels().fold([0.0; 3], |sum, pixel| {
            [0, 1, 2].map(|channel| sum[channel] + f64::from(pixel.0[channel]))
        });
        sum.map(|channel| channel / count)
    }

    /// Recorded on x86-64.
    const RECORDED: [u64; 10] = [
        0xfda4_20ef_31eb_4aa0,
        0x83b0_aeb0_d77a_2841,
        0x8c31_e8c9_63f5_4ff5,
        0x44f7_2a2c_da24_eed4,
        0xe503_2406_dc69_41f6,
        0xf189_f47d_c82f_bd2e,
        0xfb0b_2036_086d_98fe,
        0x9414_7fc0_bf76_63f5,
        0xd004_3ebd_65cb_413f,
        0x6663_34c6_499f_7a72,
    ];

    #[test]
    fn the_pictures_are_the_recorded_ones_on_every_machine() {
        let found: Vec<_> = (0..CLASSES.len())
            .map(|class| {
                let sizes = [16, 32, 256];
                let images = sizes.map(|size| Shapes::new(7).with_size(size).image(class, 3));
                images.iter().fold(0, |sum: u64, image| {
                    sum.rotate_left(1).wrapping_add(hash(image))
                })
            })
            .collect();
        assert_eq!(found, RECORDED, "{found:#018x?}");
    }

    #[test]
    fn pictures_do_not_depend_on_other_pictures() {
        let shapes = Shapes::new(11);
        let all: Vec<_> = shapes.images(40).collect();
        for (number, (class, image)) in all.iter().enumerate().rev() {
            assert_eq!(*image, shapes.image(*class, number as u64 / 10));
        }
        assert!(shapes.images(7).eq(all.into_iter().take(7)));
    }

    #[test]
    fn all_classes_are_equally_frequent() {
        let mut counts = [0; CLASSES.len()];
        Shapes::new(0)
            .images(60)
            .for_each(|(class, _)| counts[class] += 1);
        assert_eq!(counts, [6; CLASSES.len()]);
    }

    #[test]
    fn seed_class_and_index_each_change_the_picture() {
        let images = [
            Shapes::new(0).image(0, 0),
            Shapes::new(1).image(0, 0),
            Shapes::new(0).image(1, 0),
            Shapes::new(0).image(0, 1),
        ];
        for (place, image) in images.iter().enumerate() {
            assert!(!images[..place].contains(image));
        }
    }

    #[test]
    fn the_mean_colour_does_not_depend_on_the_size() {
        for class in 0..CLASSES.len() {
            let [small, large] = [32, 128].map(|size| {
                let image = Shapes::new(2).with_size(size).image(class, 0);
                mean(&image)
            });
            for (small, large) in small.iter().zip(large) {
                assert!((small - large).abs() < 2.5, "{small} and {large}");
            }
        }
    }

    #[test]
    fn the_mean_colour_does_not_predict_the_class() {
        let shapes = Shapes::new(4);
        let means = |first: u64| {
            let classes = 0..CLASSES.len();
            let pairs = classes.flat_map(move |class| (first..first + 60).map(move |i| (class, i)));
            pairs.map(move |(class, index)| (class, mean(&shapes.image(class, index))))
        };
        let known: Vec<_> = means(0).collect();
        let distance = |one: &Colour, other: &Colour| -> f64 {
            one.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum()
        };
        let right = means(1000).filter(|(class, found)| {
            let by_distance = |one: &&(usize, Colour), other: &&(usize, Colour)| {
                distance(&one.1, found).total_cmp(&distance(&other.1, found))
            };
            let nearest = known.iter().min_by(by_distance);
            nearest.is_some_and(|(nearest, _)| nearest == class)
        });
        // Chance is 60 of 600 with a deviation of 7.3.
        let right = right.count();
        assert!((35..85).contains(&right), "{right} of 600 are right");
    }

    #[test]
    #[should_panic(expected = "`class` must be below 10, but is 10")]
    fn an_unknown_class_panics() {
        Shapes::new(0).image(10, 0);
    }

    #[test]
    #[should_panic(expected = "16 to 256 pixels each way, not 8")]
    fn a_size_out_of_range_panics() {
        let _ = Shapes::new(0).with_size(8);
    }
}
