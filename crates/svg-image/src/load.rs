//! Ordered decoding on worker threads with read-ahead.
//!
//! With `n` workers, worker `k` receives the pictures `k`, `k + n`, `k + 2 n`, … through its own queue and
//! sends results through another; the reader takes results from the workers in turn, which keeps the order
//! without sorting. A worker receives its next picture when the reader takes one from it, which bounds the
//! read-ahead and allows an endless order. Dropping the reader closes the queues, which ends the workers.

use std::fmt;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use image::RgbImage;

use crate::error::ImageError;
use crate::read::{decode, dimensions};
use crate::source::ImageSet;

/// Number of pictures that each worker may hold, finished or not.
const AHEAD: usize = 4;

/// Pictures with more pixels are decoded one at a time: decoding them on all workers would need gigabytes,
/// and the reader would wait for them anyway.
const LARGE: u64 = 16_000_000;

/// Item of a [`Loader`].
#[derive(Debug)]
pub struct Loaded {
    /// Index in the [`ImageSet`].
    pub index: usize,
    /// Name in the [`ImageSet`].
    pub name: String,
    /// Width and height as decoded, before it was prepared; `None` if decoding failed.
    pub decoded: Option<(u32, u32)>,
    /// The prepared picture, or the error. Iteration continues after an error; the caller may skip or stop.
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
/// use svg_image::{ImageSet, Loader, adm_crop};
///
/// let set = Arc::new(ImageSet::open(&[folder])?);
/// for loaded in Loader::new(set, |image| adm_crop(&image, 16), 2) {
///     let image = loaded.image?;
///     assert_eq!(image.dimensions(), (16, 16));
/// }
/// # Ok::<(), svg_image::ImageError>(())
/// ```
pub struct Loader {
    tasks: Box<dyn Iterator<Item = Task> + Send>,
    lanes: Vec<Lane>,
    /// Index of the lane of the next picture.
    lane: usize,
    /// Number of pictures sent to workers and not yet taken.
    under_way: usize,
}

/// Index of a picture and the function that prepares it.
type Task = (usize, Box<dyn FnOnce(RgbImage) -> RgbImage + Send>);

#[derive(Debug)]
struct Lane {
    tasks: Sender<Task>,
    pictures: Receiver<Loaded>,
    worker: JoinHandle<()>,
}

impl Loader {
    /// Loads all pictures of `set`, in order, and applies `prepare` to each on a worker thread.
    ///
    /// `workers` is the number of threads; 0 means the available parallelism of the machine. If the system starts
    /// fewer, those have to do.
    ///
    /// # Panics
    ///
    /// If no thread can be started. [`next`](Iterator::next) propagates a panic of `prepare`.
    pub fn new(
        set: Arc<ImageSet>,
        prepare: impl Fn(RgbImage) -> RgbImage + Send + Sync + 'static,
        workers: usize,
    ) -> Self {
        let order = (0..set.len()).collect();
        Self::in_order(set, order, prepare, workers)
    }

    /// Loads the pictures with the indices in `order`, such as a subset or a permutation.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new), and if an index is not below the length of the set.
    pub fn in_order(
        set: Arc<ImageSet>,
        order: Vec<usize>,
        prepare: impl Fn(RgbImage) -> RgbImage + Send + Sync + 'static,
        workers: usize,
    ) -> Self {
        for &index in &order {
            assert_known(&set, index);
        }
        let jobs = order.into_iter().map(|index| (index, ()));
        Self::augmented(set, jobs, move |image, ()| prepare(image), workers)
    }

    /// Loads the pictures with the indices in `jobs` and passes each to `prepare` together with the value
    /// beside its index, such as the position of a crop.
    ///
    /// The iterator may be endless: it is advanced on the caller's thread as pictures are taken.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new), and, here or in [`next`](Iterator::next), if an index is not below
    /// the length of the set.
    pub fn augmented<J: Send + 'static>(
        set: Arc<ImageSet>,
        jobs: impl Iterator<Item = (usize, J)> + Send + 'static,
        prepare: impl Fn(RgbImage, J) -> RgbImage + Send + Sync + 'static,
        workers: usize,
    ) -> Self {
        let available = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = if workers == 0 { available() } else { workers };
        let workers = workers.min(jobs.size_hint().1.unwrap_or(usize::MAX));

        let decoder = Arc::new(Decoder {
            set: set.clone(),
            large: Mutex::new(()),
        });
        let prepare = Arc::new(prepare);
        let tasks = jobs.map(move |(index, job)| -> Task {
            assert_known(&set, index);
            let prepare = prepare.clone();
            (index, Box::new(move |image| prepare(image, job)))
        });
        let lanes = (0..workers).map_while(|_| Lane::start(decoder.clone()).ok());
        let lanes: Vec<_> = lanes.collect();
        assert!(
            workers == 0 || !lanes.is_empty(),
            "the system starts no thread to decode pictures with"
        );
        let workers = lanes.len();
        let mut loader = Self {
            tasks: Box::new(tasks),
            lanes,
            lane: 0,
            under_way: 0,
        };
        for _ in 0..AHEAD {
            for lane in 0..workers {
                loader.give(lane);
            }
        }
        loader
    }

    /// Sends the next picture to a worker.
    fn give(&mut self, lane: usize) {
        if let Some(task) = self.tasks.next() {
            // Sending fails if the worker has panicked, which `next` reports when its picture is due.
            let _ = self.lanes[lane].tasks.send(task);
            self.under_way += 1;
        }
    }
}

fn assert_known(set: &ImageSet, index: usize) {
    assert!(
        index < set.len(),
        "the set has {} pictures, but the index is {index}",
        set.len()
    );
}

impl Iterator for Loader {
    type Item = Loaded;

    fn next(&mut self) -> Option<Loaded> {
        if self.under_way == 0 {
            return None;
        }
        let lane = self.lane;
        match self.lanes[lane].pictures.recv() {
            Ok(loaded) => {
                self.under_way -= 1;
                self.give(lane);
                self.lane = (lane + 1) % self.lanes.len();
                Some(loaded)
            }
            // A queue closes early only if its worker panicked, in `prepare`.
            Err(_) => {
                self.under_way = 0;
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
        let (least, most) = self.tasks.size_hint();
        let most = most.and_then(|most| most.checked_add(self.under_way));
        (least.saturating_add(self.under_way), most)
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader")
            .field("workers", &self.lanes.len())
            .field("under_way", &self.under_way)
            .finish_non_exhaustive()
    }
}

impl Lane {
    fn start(decoder: Arc<Decoder>) -> io::Result<Self> {
        let (tasks, given) = channel::<Task>();
        let (sender, pictures) = channel();
        let worker = std::thread::Builder::new().spawn(move || {
            for (index, prepare) in given {
                // The loader was dropped.
                if sender.send(decoder.load(index, prepare)).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self {
            tasks,
            pictures,
            worker,
        })
    }
}

/// State shared by the workers.
struct Decoder {
    set: Arc<ImageSet>,
    /// Held by the worker that decodes a picture of more than [`LARGE`] pixels.
    large: Mutex<()>,
}

impl Decoder {
    fn load(&self, index: usize, prepare: impl FnOnce(RgbImage) -> RgbImage) -> Loaded {
        let name = self.set.name(index).to_string();
        let mut decoded = None;
        let image = self.set.read(index).and_then(|bytes| {
            let large = dimensions(&bytes)
                .is_ok_and(|(width, height)| u64::from(width) * u64::from(height) > LARGE);
            let _turn = large.then(|| self.large.lock().unwrap_or_else(PoisonError::into_inner));
            let name = name.clone();
            let image = decode(&bytes, self.set.options())
                .map_err(|cause| ImageError::Decode { name, cause })?;
            decoded = Some(image.dimensions());
            Ok(prepare(image))
        });
        Loaded {
            index,
            name,
            decoded,
            image,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    /// Pictures whose level and size encode their index; those in `broken` cannot be decoded.
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
    fn pictures_keep_their_order_whatever_time_each_takes() {
        let (_folder, set) = set(40, &[]);
        let slow_at_times = |image: RgbImage| {
            if image.width() % 7 == 1 {
                std::thread::sleep(Duration::from_millis(5));
            }
            image
        };
        for workers in [0, 1, 3, 64] {
            let loader = Loader::new(set.clone(), slow_at_times, workers);
            assert_eq!(loader.size_hint(), (40, Some(40)));
            let levels: Vec<_> = loader.map(|loaded| level(&loaded)).collect();
            assert_eq!(levels, (0..40).map(Some).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_custom_order_is_kept() {
        let (_folder, set) = set(4, &[]);
        let order = vec![3, 0, 3, 1];
        let loader = Loader::in_order(set.clone(), order.clone(), |image| image, 2);
        let indices: Vec<_> = loader.map(|loaded| loaded.index).collect();
        assert_eq!(indices, order);
        assert_eq!(Loader::in_order(set, vec![], |image| image, 2).count(), 0);
    }

    #[test]
    fn endless_jobs_are_drawn_on_demand() {
        let (_folder, set) = set(5, &[]);
        let drawn = Arc::new(AtomicUsize::new(0));
        let counter = drawn.clone();
        let jobs = (0..).map(move |number: usize| {
            counter.fetch_add(1, Ordering::Relaxed);
            (number * 2 % 5, number as u8)
        });
        let marked = |image: RgbImage, mark: u8| {
            RgbImage::from_pixel(1, 1, image::Rgb([image.get_pixel(0, 0).0[0], mark, 0]))
        };
        let workers = 3;
        let loader = Loader::augmented(set, jobs, marked, workers);
        for (number, loaded) in loader.take(30).enumerate() {
            let level = (number * 2 % 5) as u8;
            assert_eq!(loaded.decoded, Some((u32::from(level) + 1, 2)));
            let pixel = loaded.image.unwrap().get_pixel(0, 0).0;
            assert_eq!(pixel, [level, number as u8, 0]);
        }
        assert_eq!(drawn.load(Ordering::Relaxed), 30 + workers * AHEAD);
    }

    #[test]
    #[should_panic(expected = "the set has 2 pictures, but the index is 2")]
    fn an_index_beyond_the_set_panics() {
        let (_folder, set) = set(2, &[]);
        Loader::augmented(set, (0..).map(|n| (n, ())), |image, ()| image, 1);
    }

    #[test]
    fn loading_continues_after_a_broken_picture() {
        let (_folder, set) = set(9, &[2, 3, 8]);
        let loader = Loader::new(set, |image| image, 2);
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
    fn dropping_the_loader_ends_the_workers() {
        let (_folder, set) = set(60, &[]);
        let mut loader = Loader::new(set.clone(), |image| image, 3);
        assert_eq!(loader.next().map(|loaded| loaded.index), Some(0));
        let workers: Vec<_> = loader.lanes.drain(..).map(|lane| lane.worker).collect();
        drop(loader);
        for worker in workers {
            worker.join().unwrap();
        }
        // The workers have released the set.
        assert_eq!(Arc::strong_count(&set), 1);
    }

    #[test]
    #[should_panic(expected = "a mistake in prepare")]
    fn a_panic_of_prepare_is_propagated() {
        let (_folder, set) = set(3, &[]);
        let prepare = |image: RgbImage| {
            assert!(image.width() < 2, "a mistake in prepare");
            image
        };
        Loader::new(set, prepare, 1).for_each(drop);
    }
}
