//! Decoding ahead, on many threads, in order.
//!
//! With `n` workers, worker `k` decodes the pictures `k`, `k + n`, `k + 2 n`, … into a short queue
//! of its own, and the reader takes from the queues in turn. The order is kept without sorting, a
//! full queue is what bounds the read-ahead, and a reader that leaves closes the queues, which ends
//! the workers.

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use image::RgbImage;

use crate::error::ImageError;
use crate::read::{DecodeOptions, decode, dimensions};
use crate::source::ImageSet;

/// Finished pictures that a worker may hold before the reader takes one.
const AHEAD: usize = 4;

/// Above this many pixels, one picture at a time is decoded: a worker for each would need
/// gigabytes, and one such picture takes long enough to keep the others waiting anyway.
const LARGE: u64 = 16_000_000;

/// A picture on its way out of a [`Loader`].
#[derive(Debug)]
pub struct Loaded {
    /// Its number in the [`ImageSet`].
    pub index: usize,
    /// Its name there.
    pub name: String,
    /// The picture, prepared; or why there is none. The pictures after it come all the same:
    /// whether to skip or to stop is the reader's choice.
    pub image: Result<RgbImage, ImageError>,
}

/// An iterator over the pictures of an [`ImageSet`] that decodes ahead on worker threads.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let picture = svg_image::RgbImage::new(40, 30);
/// # svg_image::save_png(&picture, folder.path().join("picture.png"), &[]).unwrap();
/// # let folder = folder.path().to_path_buf();
/// use std::sync::Arc;
/// use svg_image::{DecodeOptions, ImageSet, Loader, adm_crop};
///
/// let set = Arc::new(ImageSet::open(&[folder])?);
/// for loaded in Loader::new(set, DecodeOptions::default(), |image| adm_crop(&image, 16), 2) {
///     let image = loaded.image?;
///     assert_eq!(image.dimensions(), (16, 16));
/// }
/// # Ok::<(), svg_image::ImageError>(())
/// ```
#[derive(Debug)]
pub struct Loader {
    lanes: Vec<Lane>,
    next: usize,
    total: usize,
}

#[derive(Debug)]
struct Lane {
    pictures: Receiver<Loaded>,
    worker: JoinHandle<()>,
}

impl Loader {
    /// All pictures of `set`, in order, each passed through `prepare` on a worker thread.
    ///
    /// `workers` is the number of threads; 0 means as many as the machine runs at once.
    ///
    /// # Panics
    ///
    /// If the system gives no threads; and [`next`](Iterator::next) passes on a panic of `prepare`.
    pub fn new(
        set: Arc<ImageSet>,
        options: DecodeOptions,
        prepare: impl Fn(RgbImage) -> RgbImage + Send + Sync + 'static,
        workers: usize,
    ) -> Self {
        let order = (0..set.len()).collect();
        Self::in_order(set, order, options, prepare, workers)
    }

    /// The pictures numbered in `order`: a part of the set, or a shuffle of it.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new), and if a number is not below the length of the set.
    pub fn in_order(
        set: Arc<ImageSet>,
        order: Vec<usize>,
        options: DecodeOptions,
        prepare: impl Fn(RgbImage) -> RgbImage + Send + Sync + 'static,
        workers: usize,
    ) -> Self {
        let available = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = if workers == 0 { available() } else { workers }.min(order.len());
        let out_of_range = order.iter().find(|&&index| index >= set.len());
        assert_eq!(
            out_of_range,
            None,
            "a set of {} pictures has no such number",
            set.len()
        );

        let total = order.len();
        let job = Arc::new(Job {
            set,
            order,
            options,
            prepare,
            large: Mutex::new(()),
        });
        let lanes = (0..workers)
            .map(|worker| Lane::start(job.clone(), worker, workers))
            .collect();
        Self {
            lanes,
            next: 0,
            total,
        }
    }
}

impl Iterator for Loader {
    type Item = Loaded;

    fn next(&mut self) -> Option<Loaded> {
        if self.next == self.total {
            return None;
        }
        let lane = self.next % self.lanes.len();
        match self.lanes[lane].pictures.recv() {
            Ok(loaded) => {
                self.next += 1;
                Some(loaded)
            }
            // A queue closes early only if its worker panicked, in `prepare`.
            Err(_) => {
                self.total = self.next;
                let lane = self.lanes.swap_remove(lane);
                self.lanes.clear();
                match lane.worker.join() {
                    Err(panic) => std::panic::resume_unwind(panic),
                    Ok(()) => None,
                }
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.total - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Loader {}

impl Lane {
    fn start<P>(job: Arc<Job<P>>, first: usize, step: usize) -> Self
    where
        P: Fn(RgbImage) -> RgbImage + Send + Sync + 'static,
    {
        let (sender, pictures) = sync_channel(AHEAD);
        let worker = std::thread::spawn(move || {
            for &index in job.order.iter().skip(first).step_by(step) {
                // The reader has left.
                if sender.send(job.load(index)).is_err() {
                    break;
                }
            }
        });
        Self { pictures, worker }
    }
}

/// What the workers share.
struct Job<P> {
    set: Arc<ImageSet>,
    order: Vec<usize>,
    options: DecodeOptions,
    prepare: P,
    /// Held by the worker that decodes a picture of more than [`LARGE`] pixels.
    large: Mutex<()>,
}

impl<P: Fn(RgbImage) -> RgbImage> Job<P> {
    fn load(&self, index: usize) -> Loaded {
        let name = self.set.name(index).to_string();
        let image = self.set.read(index).and_then(|bytes| {
            let large = dimensions(&bytes)
                .is_ok_and(|(width, height)| u64::from(width) * u64::from(height) > LARGE);
            let _turn = large.then(|| self.large.lock().unwrap_or_else(PoisonError::into_inner));
            decode(&bytes, &self.options)
                .map(&self.prepare)
                .map_err(|cause| ImageError::Decode {
                    name: name.clone(),
                    cause,
                })
        });
        Loaded { index, name, image }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Pictures whose level and size tell their number; those in `broken` are no pictures.
    fn set(count: u8, broken: &[u8]) -> (tempfile::TempDir, Arc<ImageSet>) {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..count {
            let pixels = [number].repeat(3 * 2 * (1 + usize::from(number)));
            let mut bytes = format!("P6 {} 2 255\n", 1 + number).into_bytes();
            bytes.extend(pixels);
            if broken.contains(&number) {
                bytes.pop();
            }
            std::fs::write(folder.path().join(format!("{number:03}.ppm")), bytes).unwrap();
        }
        let set = ImageSet::open(&[folder.path().into()]).unwrap();
        (folder, Arc::new(set))
    }

    fn level(loaded: &Loaded) -> Option<u8> {
        loaded
            .image
            .as_ref()
            .ok()
            .map(|image| image.get_pixel(0, 0).0[0])
    }

    #[test]
    fn pictures_come_in_order_however_long_each_takes() {
        let (_folder, set) = set(40, &[]);
        let slow_at_times = |image: RgbImage| {
            if image.width() % 7 == 1 {
                std::thread::sleep(Duration::from_millis(5));
            }
            image
        };
        for workers in [0, 1, 3, 64] {
            let loader = Loader::new(
                set.clone(),
                DecodeOptions::default(),
                slow_at_times,
                workers,
            );
            assert_eq!(loader.len(), 40);
            let levels: Vec<_> = loader.map(|loaded| level(&loaded)).collect();
            assert_eq!(levels, (0..40).map(Some).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_order_of_ones_own_is_followed() {
        let (_folder, set) = set(4, &[]);
        let order = vec![3, 0, 3, 1];
        let options = DecodeOptions::default();
        let loader = Loader::in_order(set.clone(), order.clone(), options, |image| image, 2);
        let indices: Vec<_> = loader.map(|loaded| loaded.index).collect();
        assert_eq!(indices, order);
        assert_eq!(
            Loader::in_order(set, vec![], options, |image| image, 2).count(),
            0
        );
    }

    #[test]
    fn a_broken_picture_is_an_error_and_the_others_go_on() {
        let (_folder, set) = set(9, &[2, 3, 8]);
        let loader = Loader::new(set, DecodeOptions::default(), |image| image, 2);
        let loaded: Vec<_> = loader.collect();
        let levels: Vec<_> = loaded.iter().map(level).collect();
        let expected = [
            Some(0),
            Some(1),
            None,
            None,
            Some(4),
            Some(5),
            Some(6),
            Some(7),
            None,
        ];
        assert_eq!(levels, expected);
        let message = loaded[2].image.as_ref().unwrap_err().to_string();
        assert!(message.contains("002.ppm"), "{message}");
    }

    #[test]
    fn a_reader_that_leaves_ends_the_workers() {
        let (_folder, set) = set(60, &[]);
        let mut loader = Loader::new(set.clone(), DecodeOptions::default(), |image| image, 3);
        assert_eq!(loader.next().map(|loaded| loaded.index), Some(0));
        let workers: Vec<_> = loader.lanes.drain(..).map(|lane| lane.worker).collect();
        drop(loader);
        for worker in workers {
            worker.join().unwrap();
        }
        // Nobody else holds the set any more.
        assert_eq!(Arc::strong_count(&set), 1);
    }

    #[test]
    #[should_panic(expected = "a mistake in prepare")]
    fn a_panic_of_prepare_reaches_the_reader() {
        let (_folder, set) = set(3, &[]);
        let prepare = |image: RgbImage| {
            assert!(image.width() < 2, "a mistake in prepare");
            image
        };
        Loader::new(set, DecodeOptions::default(), prepare, 1).for_each(drop);
    }
}
