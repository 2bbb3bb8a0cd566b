//! Views of pictures, many at once.

use std::slice::ChunksMut;

use burn::prelude::*;
use burn::tensor::TensorData;
use svg_image::{Filter, Region, RgbImage, resize_region};
use svg_store::Random;

use super::augment::{CropSettings, View, ViewsSettings};
use super::colour::{Pixel, changes};
use crate::random::{Purpose, generator};

/// How often a crop of a drawn size is tried before the centre is taken, as in torchvision.
const TRIES: usize = 10;

/// The views of a batch of pictures, as images in [-1, 1] outside every graph.
#[derive(Clone, Debug)]
pub struct Views {
    /// The first and the second global crop of each picture, `[batch, 3, size, size]`.
    pub globals: [Tensor<4>; 2],
    /// The local crops, `[batch, 3, size, size]` each.
    pub locals: Vec<Tensor<4>>,
}

impl ViewsSettings {
    /// Views of `images`, of which the `i`-th is sample `first + i` of a training, counted over all its
    /// steps. A sample's views follow from its picture, the seed and its number, not from the batch that
    /// it is in, nor from the number of threads that share the work.
    ///
    /// # Panics
    ///
    /// If there are no pictures, one has no pixels, or a size is 0.
    pub fn draw(&self, images: &[RgbImage], seed: u64, first: u64, device: &Device) -> Views {
        assert!(
            !images.is_empty(),
            "a batch of views needs at least one picture"
        );
        assert!(
            images
                .iter()
                .all(|image| image.width().min(image.height()) > 0),
            "a picture without pixels has no views"
        );
        let views = self.views();
        let mut batches = self.fill(&views, images, seed, first).into_iter();
        let device = device.clone().without_autodiff();
        let mut tensors = views.iter().map(|view| {
            let size = view.crop.size as usize;
            let batch = batches.next().expect("one batch for each view");
            let shape = [images.len(), 3, size, size];
            Tensor::from_data(TensorData::new(batch, shape), &device)
        });
        let mut global = || tensors.next().expect("there are two global views");
        Views {
            globals: [global(), global()],
            locals: tensors.collect(),
        }
    }

    /// The values of each view of all pictures.
    fn fill(&self, views: &[View], images: &[RgbImage], seed: u64, first: u64) -> Vec<Vec<f32>> {
        let length = |view: &View| 3 * (view.crop.size * view.crop.size) as usize;
        let mut batches: Vec<Vec<f32>> = views
            .iter()
            .map(|view| vec![0.0; images.len() * length(view)])
            .collect();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = images.len().div_ceil(threads);
        let mut rest: Vec<ChunksMut<f32>> = batches
            .iter_mut()
            .zip(views)
            .map(|(batch, view)| batch.chunks_mut(share * length(view)))
            .collect();
        std::thread::scope(|scope| {
            for (samples, images) in (first..).step_by(share).zip(images.chunks(share)) {
                let mine: Vec<&mut [f32]> = rest
                    .iter_mut()
                    .map(|chunks| chunks.next().expect("a stretch for each share of pictures"))
                    .collect();
                scope.spawn(move || {
                    for ((number, view), values) in (0..).zip(views).zip(mine) {
                        let values = values.chunks_exact_mut(length(view));
                        for ((sample, image), values) in (samples..).zip(images).zip(values) {
                            let mut random = generator(Purpose::Views, seed, sample, number);
                            self.draw_one(*view, image, &mut random, values);
                        }
                    }
                });
            }
        });
        batches
    }

    /// One view of one picture, to `values`, `[3, size, size]`.
    fn draw_one(&self, view: View, image: &RgbImage, random: &mut Random, values: &mut [f32]) {
        let (width, height) = image.dimensions();
        let region = region(view.crop, self.ratio, width, height, random);
        let orientation = Orientation::draw(self, random);
        let changes = changes(self, view, random);

        let size = view.crop.size;
        let crop = resize_region(image, region, size, size, Filter::Bicubic);
        let size = size as usize;
        let mut pixels: Vec<Pixel> = crop
            .pixels()
            .map(|pixel| pixel.0.map(|level| f32::from(level) / 255.0))
            .collect();
        for change in changes {
            change.apply(&mut pixels, size);
        }
        for (channel, plane) in values.chunks_exact_mut(size * size).enumerate() {
            for (place, value) in plane.iter_mut().enumerate() {
                let [row, column] = orientation.source([place / size, place % size], size);
                *value = pixels[row * size + column][channel] * 2.0 - 1.0;
            }
        }
    }
}

/// A rectangle with a drawn share of the area and a drawn shape, anywhere in the picture. If none of
/// the tries fits into the picture, it is the largest one in the centre whose shape is allowed. This is
/// torchvision's `RandomResizedCrop`.
fn region(
    crop: CropSettings,
    ratio: [f64; 2],
    width: u32,
    height: u32,
    random: &mut Random,
) -> Region {
    let (columns, rows) = (f64::from(width), f64::from(height));
    for _ in 0..TRIES {
        let area = columns * rows * random.between(crop.scale[0], crop.scale[1]);
        let aspect = random.between(ratio[0].ln(), ratio[1].ln()).exp();
        // Python's `round`: halves go to the even neighbour.
        let across = (area * aspect).sqrt().round_ties_even() as u32;
        let down = (area / aspect).sqrt().round_ties_even() as u32;
        if (1..=width).contains(&across) && (1..=height).contains(&down) {
            return Region {
                left: random.below(u64::from(width - across) + 1) as u32,
                top: random.below(u64::from(height - down) + 1) as u32,
                width: across,
                height: down,
            };
        }
    }
    let aspect = (columns / rows).clamp(ratio[0], ratio[1]);
    let fitting = |side: f64, most: u32| (side.round_ties_even() as u32).clamp(1, most);
    let across = fitting(rows * aspect, width);
    let down = fitting(columns / aspect, height);
    Region {
        left: (width - across) / 2,
        top: (height - down) / 2,
        width: across,
        height: down,
    }
}

/// How a square lies: one of its eight symmetries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Orientation {
    /// Left and right are exchanged, after the turns.
    mirrored: bool,
    /// Quarters to the left.
    turns: u64,
}

impl Orientation {
    fn draw(settings: &ViewsSettings, random: &mut Random) -> Self {
        let mirrored = random.fraction() < settings.flip;
        let turns = random.below(4);
        Self {
            mirrored,
            turns: if settings.turn { turns } else { 0 },
        }
    }

    /// The row and column from which a pixel comes.
    fn source(self, [row, column]: [usize; 2], size: usize) -> [usize; 2] {
        let last = size - 1;
        let column = if self.mirrored { last - column } else { column };
        match self.turns {
            0 => [row, column],
            1 => [column, last - row],
            2 => [last - row, last - column],
            _ => [last - column, row],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use burn::tensor::TensorData;
    use svg_image::{Images, Rgb, Signed, mirrored};

    use super::super::augment::{JitterSettings, plain};
    use super::*;

    fn picture(number: u32) -> RgbImage {
        RgbImage::from_fn(20 + number, 24, |x, y| {
            Rgb([10 * x, 9 * y, 31 * number + x * y].map(|level| (level % 256) as u8))
        })
    }

    /// Everything that can happen, often.
    fn lively() -> ViewsSettings {
        ViewsSettings {
            flip: 0.5,
            turn: true,
            jitter: JitterSettings {
                probability: 0.8,
                ..plain().jitter
            },
            grey: 0.2,
            blur: [0.5; 3],
            solarize: 0.5,
            ..plain()
        }
    }

    fn draw(settings: &ViewsSettings, images: &[RgbImage], first: u64) -> Vec<TensorData> {
        let Views { globals, locals } = settings.draw(images, 11, first, &Device::default());
        let views = globals.into_iter().chain(locals);
        views.map(Tensor::into_data).collect()
    }

    fn values(data: &TensorData) -> Vec<f32> {
        data.clone().try_to_vec().unwrap()
    }

    #[test]
    fn a_sample_has_the_same_views_alone_and_in_any_batch() {
        let images: Vec<_> = (0..7).map(picture).collect();
        let together = draw(&lively(), &images, 100);
        for (place, image) in images.iter().enumerate() {
            let alone = draw(&lively(), std::slice::from_ref(image), 100 + place as u64);
            for (batch, alone) in together.iter().zip(&alone) {
                let alone = values(alone);
                let stretch = place * alone.len()..(place + 1) * alone.len();
                assert_eq!(values(batch)[stretch], alone);
            }
        }
    }

    #[test]
    fn views_have_their_sizes_and_stay_in_range() {
        let images: Vec<_> = (0..40).map(picture).collect();
        let views = draw(&lively(), &images, 0);
        let sizes: Vec<_> = views.iter().map(|view| view.shape().to_vec()).collect();
        let (global, local) = (vec![40, 3, 16, 16], vec![40, 3, 8, 8]);
        assert_eq!(
            sizes,
            [&global, &global, &local, &local, &local].map(Clone::clone)
        );
        for view in views {
            assert!(values(&view).iter().all(|x| (-1.0..=1.0).contains(x)));
        }
    }

    #[test]
    fn every_view_is_another_and_so_is_every_sample_and_seed() {
        let one = [picture(0)];
        let views = draw(&lively(), &one, 0);
        for (place, view) in views.iter().enumerate() {
            assert!(views[..place].iter().all(|other| other != view));
        }
        assert_ne!(draw(&lively(), &one, 1)[0], views[0]);
        let device = Device::default();
        let other = lively().draw(&one, 12, 0, &device).globals[0].to_data();
        assert_ne!(other, views[0]);
    }

    #[test]
    fn whole_crops_without_chances_are_the_picture() {
        let whole = CropSettings {
            size: 16,
            scale: [1.0, 1.0],
        };
        let settings = ViewsSettings {
            global: whole,
            ratio: [1.0, 1.0],
            ..plain()
        };
        let image = RgbImage::from_fn(16, 16, |x, y| Rgb([x as u8, y as u8, 200]));
        let images = |image| Images::<Signed>::from_rgb(&[image], &Device::default());
        let data = |image| images(image).into_tensor().into_data();
        assert_eq!(
            draw(&settings, std::slice::from_ref(&image), 5)[1],
            data(image.clone())
        );
        let settings = ViewsSettings {
            flip: 1.0,
            ..settings
        };
        assert_eq!(
            draw(&settings, std::slice::from_ref(&image), 5)[1],
            data(mirrored(&image))
        );
    }

    #[test]
    fn crops_keep_to_their_share_and_shape_and_reach_every_edge() {
        let crop = CropSettings {
            size: 8,
            scale: [0.1, 0.4],
        };
        let ratio = [0.75, 4.0 / 3.0];
        let (width, height) = (300, 200);
        let mut random = generator(Purpose::Views, 1, 0, 0);
        let (mut shares, mut shapes) = (Vec::new(), Vec::new());
        let (mut right, mut bottom) = (0, 0);
        for _ in 0..4000 {
            let region = region(crop, ratio, width, height, &mut random);
            let (across, down) = (f64::from(region.width), f64::from(region.height));
            shares.push(across * down / 60_000.0);
            shapes.push((across / down).ln());
            right = right.max(region.left + region.width);
            bottom = bottom.max(region.top + region.height);
        }
        // Rounding a side of at least 65 pixels changes shares and shapes by less than 2 %.
        assert!(shares.iter().all(|share| (0.098..0.408).contains(share)));
        assert!(
            shapes
                .iter()
                .all(|shape| shape.abs() < (4.0_f64 / 3.0).ln() + 0.02)
        );
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean(&shares) - 0.25).abs() < 0.006, "{}", mean(&shares));
        assert!(mean(&shapes).abs() < 0.012, "{}", mean(&shapes));
        assert_eq!((right, bottom), (width, height));
    }

    #[test]
    fn where_no_drawn_crop_fits_it_is_the_largest_in_the_centre() {
        let crop = CropSettings {
            size: 8,
            scale: [1.0, 1.0],
        };
        let mut random = generator(Purpose::Views, 1, 0, 0);
        let mut check = |width, height, [left, top, across, down]: [u32; 4]| {
            let expected = Region {
                left,
                top,
                width: across,
                height: down,
            };
            let found = region(crop, [0.75, 4.0 / 3.0], width, height, &mut random);
            assert_eq!(found, expected);
        };
        check(100, 30, [30, 0, 40, 30]);
        check(30, 100, [0, 30, 30, 40]);
        check(1, 1000, [0, 499, 1, 1]);
    }

    #[test]
    fn orientations_are_the_eight_symmetries_of_a_square() {
        let size = 3;
        let every: Vec<_> = [false, true]
            .into_iter()
            .flat_map(|mirrored| (0..4).map(move |turns| Orientation { mirrored, turns }))
            .collect();
        let places = || (0..9).map(|place| [place / size, place % size]);
        let map = |orientation: Orientation| -> Vec<_> {
            places()
                .map(|place| orientation.source(place, size))
                .collect()
        };
        let maps: BTreeSet<_> = every.iter().map(|&orientation| map(orientation)).collect();
        assert_eq!(maps.len(), 8);
        // Closed, so each has its inverse.
        for first in &every {
            for second in &every {
                let both: Vec<_> = places()
                    .map(|place| second.source(first.source(place, size), size))
                    .collect();
                assert!(maps.contains(&both), "{first:?} {second:?}");
            }
        }
    }

    #[test]
    fn each_orientation_is_as_frequent_as_the_others() {
        let mut random = generator(Purpose::Views, 1, 0, 0);
        let mut counts = [0_usize; 8];
        for _ in 0..8000 {
            let Orientation { mirrored, turns } = Orientation::draw(&lively(), &mut random);
            counts[4 * usize::from(mirrored) + turns as usize] += 1;
        }
        // Four standard deviations of 29.6.
        assert!(
            counts.iter().all(|count| count.abs_diff(1000) < 119),
            "{counts:?}"
        );
        let still = Orientation::draw(&plain(), &mut random);
        assert_eq!(
            still,
            Orientation {
                mirrored: false,
                turns: 0
            }
        );
    }

    #[test]
    #[should_panic(expected = "at least one picture")]
    fn views_of_nothing_are_a_mistake_of_the_caller() {
        lively().draw(&[], 0, 0, &Device::default());
    }

    #[test]
    #[should_panic(expected = "a picture without pixels")]
    fn views_of_an_empty_picture_are_a_mistake_of_the_caller() {
        lively().draw(&[RgbImage::new(0, 3)], 0, 0, &Device::default());
    }
}
