//! An evaluation from its request to its card.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use burn::prelude::*;
use indicatif::ProgressBar;
use svg_image::{Loader, RgbImage};
use svg_model::{Bundle, OpenOptions, Registry};
use svg_nn::Precision;
use svg_store::Npz;

use crate::commands::bundle::with_encoder;
use crate::commands::classes::ClassNames;
use crate::commands::generate::{Sampler, model_words};
use crate::device::describe;
use crate::evaluation::card::{Card, OfSamples, model_hashes};
use crate::evaluation::figures::{Figure, figures};
use crate::evaluation::gather::{Gatherer, Labels, Pictures};
use crate::evaluation::judge::Judge;
use crate::evaluation::parts::Parts;
use crate::evaluation::protocol::{Protocol, Rounding};
use crate::evaluation::request::{Point, Request, Samples};
use crate::evaluation::side::Side;
use crate::interrupt::Interrupt;
use crate::progress::status;

/// How an evaluation is computed: nothing of it changes a figure but by rounding.
pub struct Machine {
    pub device: Device,
    pub precision: Precision,
    /// Images at once.
    pub batch: usize,
    /// Where parts are kept while it lasts.
    pub folder: Option<PathBuf>,
    pub interrupt: Option<Interrupt>,
}

/// What was done for a request.
pub struct Evaluated<'a> {
    pub card: Card,
    pub session: Session<'a>,
    /// The last set of samples.
    pub last: Judged,
}

/// One side as paths name it.
enum Source {
    /// Statistics of pictures, and pictures beside them in the same file.
    Statistics(PathBuf, Option<Pictures>),
    /// Features that were kept.
    Features(Vec<PathBuf>),
    Pictures(Pictures),
}

impl Source {
    fn open(request: &Request, paths: &[PathBuf], limit: Option<usize>) -> Result<Self> {
        let ends = |path: &PathBuf, ending: &str| {
            let found = path.extension().and_then(|found| found.to_str());
            found.is_some_and(|found| found.eq_ignore_ascii_case(ending))
        };
        if !paths.is_empty() && paths.iter().all(|path| ends(path, "safetensors")) {
            return Ok(Self::Features(paths.to_vec()));
        }
        if let [path] = paths
            && ends(path, "npz")
        {
            let file = Npz::open(path)?;
            let names = file.names();
            if names.contains(&"mu") {
                let has_pictures = names.contains(&"arr_0");
                let beside = has_pictures
                    .then(|| pictures(request, paths, limit))
                    .transpose()?;
                return Ok(Self::Statistics(path.clone(), beside));
            }
        }
        Ok(Self::Pictures(pictures(request, paths, limit)?))
    }
}

fn pictures(request: &Request, paths: &[PathBuf], limit: Option<usize>) -> Result<Pictures> {
    let reading = request.reading();
    let set = reading.open_set(paths)?;
    let dead = set.dangling();
    ensure!(
        dead == 0,
        "links among the pictures lead to nothing, {dead} in all; remove them"
    );
    Ok(Pictures::of(set, limit, reading.names(paths)))
}

impl Machine {
    /// Features of one side that paths name.
    fn side(
        &self,
        gatherer: &Gatherer,
        source: Source,
        what: &str,
    ) -> Result<(Side, Option<Pictures>)> {
        match source {
            Source::Features(paths) => {
                let mut side = Side::default();
                for path in &paths {
                    let part = Side::read(path)?;
                    // Parts are of about as many images.
                    side.expected = side.expected.max(part.len() * paths.len());
                    side.join(part)
                        .with_context(|| path.display().to_string())?;
                }
                let (found, expected) = (&side.of, &gatherer.judge.features);
                ensure!(
                    found == expected,
                    "the kept features of {what} are of another network or protocol ({found}) than is asked for \
                     ({expected}); gather them anew from the pictures"
                );
                Ok((side, None))
            }
            Source::Statistics(path, beside) => {
                let mut side = Side::of_statistics(&path, &gatherer.judge.features)?;
                side.data =
                    svg_store::sha256_file(&path).with_context(|| path.display().to_string())?;
                if let Some(pictures) = &beside
                    && gatherer.protocol.manifold.is_some()
                {
                    let all = 0..pictures.order.len();
                    let what = &format!("pictures of {}", path.display());
                    side.features = self.gather(gatherer, pictures, all, what)?.features;
                }
                Ok((side, beside))
            }
            Source::Pictures(pictures) => {
                let side = self.gather(gatherer, &pictures, 0..pictures.order.len(), what)?;
                Ok((side, Some(pictures)))
            }
        }
    }

    /// Features of some of the pictures, in parts.
    pub fn gather(
        &self,
        gatherer: &Gatherer,
        pictures: &Pictures,
        range: std::ops::Range<usize>,
        what: &str,
    ) -> Result<Side> {
        let names = pictures.order.iter().map(|&index| {
            let size = pictures.set.size(index).unwrap_or_default();
            format!("{} {size}", pictures.set.name(index))
        });
        let key = format!(
            "{}, {}, {}, {}",
            gatherer.judge.features,
            gatherer.protocol,
            pictures.source,
            names.collect::<Vec<_>>().join("\n")
        );
        let parts = Parts {
            folder: self.folder.as_deref(),
            key,
        };
        let empty = gatherer.side(&pictures.source);
        parts.gather(empty, range, |part| {
            self.check()?;
            gatherer.pictures(pictures, part, what)
        })
    }

    fn check(&self) -> Result<()> {
        self.interrupt
            .map_or(Ok(()), |interrupt| Ok(interrupt.check()?))
    }

    /// Features of the reference alone, or of pictures that are to be judged elsewhere.
    pub fn gather_alone(
        &self,
        request: &Request,
        paths: &[PathBuf],
        limit: Option<usize>,
        shard: (usize, usize),
        what: &str,
    ) -> Result<Side> {
        let protocol = request.protocol()?;
        let judge = Judge::open(&protocol, request, &self.device)?;
        let gatherer = self.gatherer(&judge, &protocol);
        let Source::Pictures(pictures) = Source::open(request, paths, limit)? else {
            bail!("{what}: features of pictures are kept, and these are no pictures");
        };
        let ((index, of), total) = (shard, pictures.order.len());
        let range = index * total / of..(index + 1) * total / of;
        ensure!(
            !range.is_empty(),
            "{what}: there are {total} pictures for {of} shards"
        );
        self.gather(&gatherer, &pictures, range, what)
    }

    fn gatherer<'a>(&'a self, judge: &'a Judge, protocol: &'a Protocol) -> Gatherer<'a> {
        Gatherer {
            judge,
            protocol,
            device: &self.device,
            batch: self.batch,
        }
    }
}

/// An opened network and the features of the reference, against which sets of samples are judged.
pub struct Session<'a> {
    machine: &'a Machine,
    request: &'a Request,
    protocol: Protocol,
    pub judge: Judge,
    pub reference: Side,
    /// Pictures of the reference; none for statistics.
    pub reference_pictures: Option<Pictures>,
}

/// A set of samples with its figures.
pub struct Judged {
    pub figures: OfSamples,
    pub side: Side,
    /// Its pictures, if it is of pictures.
    pub pictures: Option<Pictures>,
}

impl<'a> Session<'a> {
    /// Opens the network of a request and gathers its reference.
    pub fn open(machine: &'a Machine, request: &'a Request) -> Result<Self> {
        let protocol = request.protocol()?;
        let mut judge = Judge::open(&protocol, request, &machine.device)?;
        if let Samples::Reconstructions { bundle } = &request.samples {
            judge.crop_to(Bundle::open(bundle)?.geometry()?.image[0] as u32);
        }
        let source = Source::open(request, &request.reference, request.reference_limit)?;
        let gatherer = machine.gatherer(&judge, &protocol);
        let (mut reference, reference_pictures) = machine.side(&gatherer, source, "reference")?;
        // Only samples have an Inception Score.
        reference.logits = None;
        Ok(Self {
            machine,
            request,
            protocol,
            judge,
            reference,
            reference_pictures,
        })
    }

    /// The card of a request whose samples are judged in this session, without results.
    pub fn card(&self, request: &Request) -> Result<Card> {
        let device = format!(
            "{}, {:?}",
            describe(&self.machine.device),
            self.machine.precision
        );
        let mut card = Card::new(device, request.clone());
        card.features = self.judge.features.clone();
        card.reference_count = self.reference.count();
        card.hashes = model_hashes(request)?;
        card.hashes
            .insert("network".to_string(), self.judge.weights.clone());
        if !self.reference.data.is_empty() {
            card.hashes
                .insert("reference".to_string(), self.reference.data.clone());
        }
        Ok(card)
    }

    /// Figures of pictures, or of features that were kept.
    pub fn pictures(&self, paths: &[PathBuf], limit: Option<usize>) -> Result<Judged> {
        let gatherer = self.machine.gatherer(&self.judge, &self.protocol);
        let source = Source::open(self.request, paths, limit)?;
        let (side, pictures) = self.machine.side(&gatherer, source, "samples")?;
        let name = side.source.clone();
        Ok(Judged {
            pictures,
            ..self.judged(name, side, Vec::new())?
        })
    }

    /// Figures of samples that a model makes.
    pub fn samples(&self, samples: &Samples, point: &Point) -> Result<Judged> {
        let Samples::Model {
            count,
            random_labels,
            seed,
            rounding,
            ..
        } = samples
        else {
            bail!("points are those of models");
        };
        let machine = self.machine;
        let gatherer = machine.gatherer(&self.judge, &self.protocol);
        let (sampler, classes) = machine.sampler(self.request, point, *seed)?;
        let labels = Labels {
            classes,
            random: *random_labels,
            seed: *seed,
        };
        let key = format!(
            "{}, {}, seed {seed}, {random_labels}, {rounding:?}, {}",
            self.judge.features, self.protocol, sampler.words
        );
        let parts = Parts {
            folder: machine.folder.as_deref(),
            key,
        };
        let what = format!("sampling, {} steps", point.steps);
        let empty = gatherer.side(&sampler.words);
        let side = parts.gather(empty, 0..*count, |part| {
            gatherer.samples(&sampler, labels, part, *rounding, &what)
        })?;
        self.judged(point.to_string(), side, Vec::new())
    }

    /// Figures of the reference after a model has encoded and decoded it.
    pub fn reconstructions(&self, bundle: &Path) -> Result<Judged> {
        let Some(pictures) = &self.reference_pictures else {
            bail!("reconstructions are of the reference, so --reference must name pictures");
        };
        let machine = self.machine;
        let gatherer = machine.gatherer(&self.judge, &self.protocol);
        let opened = Bundle::open_checking(bundle)?;
        let options = with_encoder(self.request.encoder.as_deref());
        let space = Registry::standard().space(&opened, &options, &machine.device)?;
        let all = 0..pictures.order.len();
        // Reconstructions are saved as PNG before they are judged, also by those who judge samples as floats.
        let rounding = match self.protocol.rounding {
            Rounding::Float => Rounding::Round,
            other => other,
        };
        let what = "reconstructing";
        let (side, psnrs, ssims) =
            gatherer.reconstructions(pictures, all, &*space, rounding, what)?;
        let mut more = Vec::new();
        for (name, values) in [("PSNR", &psnrs), ("SSIM", &ssims)] {
            if !values.is_empty() {
                more.push(Figure::mean(name, values, self.request)?);
            }
        }
        self.judged(side.source.clone(), side, more)
    }

    /// Pictures of these numbers of a side, as the network saw them.
    pub fn read(&self, pictures: &Pictures, numbers: &[usize]) -> Result<Vec<RgbImage>> {
        let order = numbers
            .iter()
            .map(|&number| pictures.order[number])
            .collect();
        let loader = Loader::in_order(pictures.set.clone(), order, self.judge.prepare(), 0);
        let images = loader.map(|loaded| Ok(loaded.image?));
        images.collect()
    }

    /// Samples of these numbers, made again.
    pub fn images(
        &self,
        samples: &Samples,
        point: &Point,
        numbers: &[usize],
    ) -> Result<Vec<RgbImage>> {
        let Samples::Model {
            random_labels,
            seed,
            ..
        } = samples
        else {
            bail!("points are those of models");
        };
        let (sampler, classes) = self.machine.sampler(self.request, point, *seed)?;
        let labels = Labels {
            classes,
            random: *random_labels,
            seed: *seed,
        };
        let bar = ProgressBar::hidden();
        let mut images = Vec::new();
        for some in numbers.chunks(self.machine.batch) {
            images.extend(sampler.make_of(*seed, &labels.of(some), &bar)?.to_rgb());
        }
        Ok(images)
    }

    fn judged(&self, samples: String, side: Side, more: Vec<Figure>) -> Result<Judged> {
        let mut all = figures(&self.protocol, &side, &self.reference, self.request)?;
        all.extend(more);
        Ok(Judged {
            figures: OfSamples {
                samples,
                count: side.count().unwrap_or_default(),
                figures: all,
            },
            side,
            pictures: None,
        })
    }
}

impl Machine {
    /// Does what is asked for, in one session.
    pub fn run<'a>(&'a self, request: &'a Request) -> Result<Evaluated<'a>> {
        let session = Session::open(self, request)?;
        let mut card = session.card(request)?;
        let mut last = None;
        match &request.samples {
            Samples::Pictures { paths, limit } => {
                let judged = session.pictures(paths, *limit)?;
                card.hashes
                    .insert("samples".to_string(), judged.side.data.clone());
                card.results.push(judged.figures.clone());
                last = Some(judged);
            }
            Samples::Model { points, .. } => {
                for (number, point) in points.iter().enumerate() {
                    if points.len() > 1 {
                        status!("{} of {}: {point}", number + 1, points.len());
                    }
                    let judged = session.samples(&request.samples, point)?;
                    card.results.push(judged.figures.clone());
                    last = Some(judged);
                }
            }
            Samples::Reconstructions { bundle } => {
                let judged = session.reconstructions(bundle)?;
                card.results.push(judged.figures.clone());
                last = Some(judged);
            }
        }
        let last = last.context("nothing was judged")?;
        Ok(Evaluated {
            card,
            session,
            last,
        })
    }

    /// The sampler of a point, and the number of classes that its model knows.
    pub fn sampler(&self, request: &Request, point: &Point, seed: u64) -> Result<(Sampler, usize)> {
        let bundle = Bundle::open_checking(&point.bundle)?;
        let classes = ClassNames::of(&bundle)?.count;
        let options = OpenOptions {
            precision: self.precision,
            ..with_encoder(request.encoder.as_deref())
        };
        let generator = Registry::standard().generator(&bundle, &options, &self.device)?;
        let sampler = Sampler {
            generator,
            sampling: point.sampling(seed)?,
            words: format!("{point}, {:?}, {}", self.precision, model_words(&bundle)),
            interrupt: self.interrupt,
        };
        Ok((sampler, classes))
    }
}
