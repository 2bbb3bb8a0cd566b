//! Are the samples of a demonstration recognisable, and its own?
//!
//! A small convolutional network, which has nothing to do with the model, learns the classes from the real
//! pictures and says what the samples show. For a finished demonstration of the drawn shapes:
//! `SVG_DEMO=demo cargo test --release --test it recognisable -- --nocapture`. Without that name it is left out.

#[path = "../../src/allocator.rs"]
mod allocator;

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::pool::MaxPool2dConfig;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::optim::{AdamConfig, GradientsParams};
use burn::prelude::*;
use burn::tensor::activation::relu;
use svg_image::{DecodeOptions, Filter, RgbImage, read_image, resize};
use svg_roles::{Images, Signed};

/// Side that the network sees; larger pictures are made smaller.
const SIDE: u32 = 32;
const WIDTHS: [usize; 3] = [16, 32, 64];
const BATCH: usize = 64;
const EPOCHS: usize = 6;
const LEARNING_RATE: f64 = 2e-3;

/// Share of held-out pictures that the network must know before its word counts.
const KNOWN: f64 = 0.97;
/// Euler steps, and the share of their samples that must be recognised.
const RECOGNISED: [(usize, f64); 2] = [(5, 0.85), (25, 0.90)];
/// The mean distance of two samples of a class, as a share of that of two real pictures of it.
const DIFFERENT: f64 = 0.5;
/// The median distance of samples to their nearest training picture, as a share of that of held-out pictures.
/// Samples have no grain and few specks, which brings them nearer to everything. A copy would be much nearer: a
/// picture that came back from the autoencoder with 26 dB lies `2 sqrt(3 * 32 * 32) / 10^1.3 = 5.6` from itself, which is
/// 0.44 of the 12.7 of held-out pictures.
const OWN: f64 = 0.8;

/// Pictures with the number of their class.
struct Labelled {
    images: Vec<RgbImage>,
    labels: Vec<usize>,
}

impl Labelled {
    /// Those of a folder of classes.
    fn read(folder: &Path, classes: &[String]) -> Self {
        let mut read = Self {
            images: Vec::new(),
            labels: Vec::new(),
        };
        for (label, class) in classes.iter().enumerate() {
            for path in listed(&folder.join(class)) {
                let image = read_image(&path, &DecodeOptions::default()).unwrap();
                let fits = image.dimensions() == (SIDE, SIDE);
                read.images.push(match fits {
                    true => image,
                    false => resize(&image, SIDE, SIDE, Filter::Box),
                });
                read.labels.push(label);
            }
        }
        read
    }

    /// `[count, 3, SIDE, SIDE]`
    fn images(&self, places: &[usize], device: &Device) -> Tensor<4> {
        let images = places.iter().map(|&place| self.images[place].clone());
        Images::<Signed>::from_rgb(&images.collect::<Vec<_>>(), device).into_tensor()
    }

    fn labels(&self, places: &[usize], device: &Device) -> Tensor<1, Int> {
        let labels = places.iter().map(|&place| self.labels[place] as i64);
        Tensor::from_data(labels.collect::<Vec<_>>().as_slice(), device)
    }

    fn all(&self) -> Vec<usize> {
        (0..self.images.len()).collect()
    }

    /// At most so many of a class, evenly spread.
    fn of_class(&self, class: usize, most: usize) -> Vec<usize> {
        let all: Vec<_> = self
            .all()
            .into_iter()
            .filter(|&place| self.labels[place] == class)
            .collect();
        let count = all.len().min(most);
        (0..count)
            .map(|rank| all[rank * all.len() / count])
            .collect()
    }

    /// One row for each, `[count, 3 SIDE SIDE]`.
    fn pixels(&self, places: &[usize], device: &Device) -> Tensor<2> {
        self.images(places, device).flatten(1, 3)
    }
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; is this a finished svg demo?",
            folder.display()
        )
    });
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Three convolutions, each with a norm and a pool behind it, and a layer that names the class.
#[derive(Module, Debug)]
struct Onlooker {
    convolutions: Vec<Conv2d>,
    norms: Vec<BatchNorm>,
    last: Linear,
}

impl Onlooker {
    fn new(n_classes: usize, device: &Device) -> Self {
        let inputs = [3, WIDTHS[0], WIDTHS[1]];
        let convolution = |(from, to)| {
            Conv2dConfig::new([from, to], [3, 3])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(device)
        };
        let side = SIDE as usize >> WIDTHS.len();
        Self {
            convolutions: inputs.into_iter().zip(WIDTHS).map(convolution).collect(),
            norms: WIDTHS
                .map(|width| BatchNormConfig::new(width).init(device))
                .into(),
            last: LinearConfig::new(WIDTHS[2] * side * side, n_classes).init(device),
        }
    }

    /// `[batch, 3, SIDE, SIDE]` to scores, `[batch, n_classes]`.
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let pool = MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init();
        let layers = self.convolutions.iter().zip(&self.norms);
        let seen = layers.fold(images, |x, (convolution, norm)| {
            pool.forward(relu(norm.forward(convolution.forward(x))))
        });
        self.last.forward(seen.flatten(1, 3))
    }

    /// Learns the pictures, in any of the eight positions of a square.
    fn trained(pictures: &Labelled, n_classes: usize) -> Self {
        let plain = Device::default();
        let device = plain.clone().autodiff();
        device.seed(1);
        let mut onlooker = Self::new(n_classes, &device);
        let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
        let count = pictures.images.len();
        let steps = EPOCHS * count.div_ceil(BATCH);
        let mut step = 0;
        for epoch in 0..EPOCHS {
            let mut order = pictures.all();
            order.sort_by_key(|&place| mixed((epoch * count + place) as u64));
            let mut sum = 0.0;
            for places in order.chunks(BATCH) {
                let position = mixed(step as u64 ^ 0x5eed);
                let images = turned(pictures.images(places, &plain), position);
                let scores = onlooker.forward(Tensor::from_inner(images));
                let labels = pictures.labels(places, &device);
                let loss = CrossEntropyLossConfig::new()
                    .init(&device)
                    .forward(scores, labels);
                sum += f64::from(loss.clone().into_scalar::<f32>()) * places.len() as f64;
                let gradients = GradientsParams::from_grads(loss.backward(), &onlooker);
                let over = step as f64 / steps as f64;
                let rate = LEARNING_RATE * 0.5 * (1.0 + (std::f64::consts::PI * over).cos());
                onlooker = adam.step(rate, onlooker, gradients);
                step += 1;
            }
            println!("epoch {}: loss {:.4}", epoch + 1, sum / count as f64);
        }
        onlooker.valid()
    }

    /// The class of each picture, as it is taken for.
    fn says(&self, pictures: &Labelled) -> Vec<usize> {
        let device = Device::default();
        let all = pictures.all();
        let batches = all.chunks(4 * BATCH).map(|places| {
            let scores = self.forward(pictures.images(places, &device));
            let best = scores.argmax(1).into_data();
            best.iter::<i64>()
                .map(|class| class as usize)
                .collect::<Vec<_>>()
        });
        batches.flatten().collect()
    }
}

/// Numbers without order, the same everywhere (SplitMix64).
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One of the eight positions of a square.
fn turned(images: Tensor<4>, position: u64) -> Tensor<4> {
    let has = |bit: u64| position >> bit & 1 == 1;
    let images = if has(0) { images.flip([2]) } else { images };
    let images = if has(1) { images.flip([3]) } else { images };
    if has(2) {
        images.swap_dims(2, 3)
    } else {
        images
    }
}

/// Euclidean distances of all rows of one to all rows of the other.
fn distances(one: Tensor<2>, other: Tensor<2>) -> Tensor<2> {
    let squares = |rows: &Tensor<2>| rows.clone().powi_scalar(2).sum_dim(1); // [rows, 1]
    let sums = squares(&one) + squares(&other).transpose();
    (sums - one.matmul(other.transpose()) * 2.0)
        .clamp_min(0.0)
        .sqrt()
}

/// The mean distance of two different rows.
fn spread(rows: Tensor<2>) -> f64 {
    let [count, _] = rows.dims();
    let sum: f32 = distances(rows.clone(), rows).sum().into_scalar();
    f64::from(sum) / (count * (count - 1)) as f64
}

/// The median distance to the nearest of the known rows.
fn median_to_nearest(rows: Tensor<2>, known: Tensor<2>) -> f64 {
    let nearest = distances(rows, known).min_dim(1).into_data();
    let mut nearest: Vec<f64> = nearest.iter::<f64>().collect();
    nearest.sort_by(f64::total_cmp);
    nearest[nearest.len() / 2]
}

/// The share of the places where both say the same, of one class or of all.
fn share(said: &[usize], labels: &[usize], class: Option<usize>) -> f64 {
    let asked = |label: usize| class.is_none_or(|class| class == label);
    let pairs = said.iter().zip(labels).filter(|(_, label)| asked(**label));
    let (right, all) = pairs.fold((0, 0), |(right, all), (said, label)| {
        (right + usize::from(said == label), all + 1)
    });
    right as f64 / all.max(1) as f64
}

fn row(name: &str, said: &[usize], labels: &[usize], n_classes: usize) {
    let shares = (0..n_classes).map(|class| share(said, labels, Some(class)));
    let cells: Vec<_> = shares
        .map(|share| format!("{:>8.1}", 100.0 * share))
        .collect();
    let all = 100.0 * share(said, labels, None);
    println!("{name:<9} {all:>7.1} {}", cells.join(" "));
}

#[test]
fn samples_are_recognised_and_are_no_copies() {
    let Some(demo) = std::env::var_os("SVG_DEMO").map(PathBuf::from) else {
        println!("left out: SVG_DEMO names no folder of a finished svg demo");
        return;
    };
    allocator::keep_memory();
    let train = demo.join("data/train");
    let classes = listed(&train).into_iter();
    let classes = classes.map(|path| path.file_name().unwrap().to_str().unwrap().to_string());
    let classes: Vec<String> = classes.collect();
    let train = Labelled::read(&train, &classes);
    let test = Labelled::read(&demo.join("data/test"), &classes);
    let onlooker = Onlooker::trained(&train, classes.len());

    // Everything is printed before anything is judged.
    let mut failures = Vec::new();
    let mut expect = |met: bool, failure: String| {
        if !met {
            failures.push(failure);
        }
    };
    let heads: Vec<_> = classes.iter().map(|name| format!("{name:>8}")).collect();
    println!(
        "% taken for their class\n{:<9} {:>7} {}",
        "",
        "all",
        heads.join(" ")
    );
    let said = onlooker.says(&test);
    row("held out", &said, &test.labels, classes.len());
    let known = share(&said, &test.labels, None);
    expect(
        known >= KNOWN,
        format!("{known:.4} of the held-out pictures are recognised"),
    );

    let folders = listed(&demo.join("samples")).into_iter();
    let steps = folders.filter_map(|path| {
        let name = path.file_name()?.to_str()?;
        path.is_dir()
            .then(|| name.strip_prefix("steps-")?.parse::<usize>().ok())?
    });
    let mut steps: Vec<_> = steps.collect();
    steps.sort();
    let of_steps =
        |steps: usize| Labelled::read(&demo.join(format!("samples/steps-{steps:02}")), &classes);
    for &number in &steps {
        let samples = of_steps(number);
        let said = onlooker.says(&samples);
        row(
            &format!("{number} steps"),
            &said,
            &samples.labels,
            classes.len(),
        );
        let Some((_, least)) = RECOGNISED.iter().find(|(steps, _)| *steps == number) else {
            continue;
        };
        let found = share(&said, &samples.labels, None);
        expect(
            found >= *least,
            format!("{found:.4} of the samples of {number} steps are recognised"),
        );
        for (class, name) in classes.iter().enumerate() {
            let named = said.contains(&class);
            expect(
                named,
                format!("no sample of {number} steps is taken for {name}"),
            );
        }
    }
    for (number, _) in RECOGNISED {
        expect(
            steps.contains(&number),
            format!("there are no samples of {number} steps"),
        );
    }

    let device = Device::default();
    let samples = of_steps(*steps.last().expect("there are samples"));
    println!("\nmean distance of two pictures of a class, samples and real ones");
    for (class, name) in classes.iter().enumerate() {
        let of = |set: &Labelled| spread(set.pixels(&set.of_class(class, 100), &device));
        let (made, real) = (of(&samples), of(&train));
        println!("{name:<9} {made:>7.2} {real:>7.2}");
        expect(
            made >= DIFFERENT * real,
            format!("samples of {name} are {made:.2} apart, real pictures {real:.2}"),
        );
    }
    let known = train.pixels(&train.all(), &device);
    let nearest =
        |set: &Labelled| median_to_nearest(set.pixels(&set.all(), &device), known.clone());
    let (made, real) = (nearest(&samples), nearest(&test));
    println!(
        "\nmedian distance to the nearest training picture: samples {made:.3}, held out {real:.3}"
    );
    expect(
        made >= OWN * real,
        format!(
            "samples lie {made:.3} from their nearest training picture, held-out pictures {real:.3}"
        ),
    );
    assert!(failures.is_empty(), "{}", failures.join("; "));
}
