//! Random views of pictures.

use burn::prelude::*;
use burn::tensor::TensorData;
use rayon::prelude::*;
use svg_image::RgbImage;

use super::augment::ViewsSettings;
use crate::random::{Purpose, generator};

/// The views of a batch of pictures, as images in [-1, 1] outside autodiff.
#[derive(Clone, Debug)]
pub(crate) struct Views {
    /// The first and the second global crop of each picture, `[batch, 3, size, size]`.
    pub globals: [Tensor<4>; 2],
    /// The local crops, `[batch, 3, size, size]` each.
    pub locals: Vec<Tensor<4>>,
}

impl ViewsSettings {
    /// Views of `images`, of which the `i`-th is sample `first + i` of a training, counted over all its
    /// steps. A sample's views follow from its picture, the seed and its number, not from the batch that
    /// it is in, nor from the number of threads that share the work.
    pub(crate) fn draw(
        &self,
        images: &[RgbImage],
        seed: u64,
        first: u64,
        device: &Device,
    ) -> Views {
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
        let device = device.clone().without_autodiff();
        let views = self.augmentations().into_iter();
        let mut tensors = (0..).zip(views).map(|(number, view)| {
            let size = view.crop.size as usize;
            let mut batch = vec![0.0; images.len() * 3 * size * size];
            let samples = batch.par_chunks_exact_mut(3 * size * size).zip(images);
            samples.enumerate().for_each(|(place, (values, image))| {
                let sample = first + place as u64;
                let mut random = generator(Purpose::Views, seed, sample, number);
                view.draw(image, &mut random, values);
            });
            let shape = [images.len(), 3, size, size];
            Tensor::from_data(TensorData::new(batch, shape), &device)
        });
        let mut global = || tensors.next().expect("there are two global views");
        Views {
            globals: [global(), global()],
            locals: tensors.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use svg_image::{JitterSettings, Rgb};

    use super::super::augment::plain;
    use super::*;

    fn picture(number: u32) -> RgbImage {
        RgbImage::from_fn(20 + number, 24, |x, y| {
            Rgb([10 * x, 9 * y, 31 * number + x * y].map(|level| (level % 256) as u8))
        })
    }

    /// Settings under which every augmentation is likely.
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
    fn views_differ_between_views_samples_and_seeds() {
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
    #[should_panic(expected = "at least one picture")]
    fn a_batch_without_pictures_panics() {
        lively().draw(&[], 0, 0, &Device::default());
    }

    #[test]
    #[should_panic(expected = "a picture without pixels")]
    fn an_empty_picture_panics() {
        lively().draw(&[RgbImage::new(0, 3)], 0, 0, &Device::default());
    }
}
