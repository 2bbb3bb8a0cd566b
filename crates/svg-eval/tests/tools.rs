//! Equality with other tools on features that both make by the same formula.
//!
//! `tests/sets/export.py` has the formula in NumPy and writes `tests/sets/tools.txt`, the numbers of torch-fidelity
//! 0.4.0, torchmetrics 1.9.0, prdc 0.2, pytorch-fid 0.3.0 and SciPy 1.17.1.

use std::collections::BTreeMap;

use svg_eval::{
    Balls, Estimator, Features, Kernel, KidConfig, Splits, cmmd, frechet_distance, inception_score,
    kid, mind, mmd, prdc,
};

const TOLD: &str = include_str!("sets/tools.txt");

/// A hash of 32 bits: the finaliser of MurmurHash3.
fn word(index: usize, seed: u64) -> u32 {
    let mut x = (index as u64 + seed * 1_000_003) as u32;
    x ^= x >> 16;
    x = x.wrapping_mul(0x85eb_ca6b);
    x ^= x >> 13;
    x = x.wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}

/// The sum of four bytes, about normal.
fn bell(index: usize, seed: u64) -> i64 {
    let bytes = word(index, seed).to_le_bytes();
    bytes.iter().map(|byte| i64::from(*byte)).sum::<i64>() - 510
}

/// Correlated features: each channel also follows the one before it. Multiples of 1/1024.
fn features(rows: usize, channels: usize, seed: u64, shift: i64, spread: i64) -> Features {
    let value = |at: usize| {
        let (row, channel) = (at / channels, at % channels);
        let before = row * channels + (channel + channels - 1) % channels;
        let mixed = spread * bell(at, seed) + bell(before, seed) + shift;
        mixed as f32 / 1024.0
    };
    Features::from_rows(channels, (0..rows * channels).map(value).collect())
}

fn reference() -> Features {
    features(1200, 24, 1, 0, 2)
}

fn samples() -> Features {
    features(900, 24, 2, 90, 2)
}

fn first(set: &Features, count: usize) -> Features {
    set.select(&(0..count).collect::<Vec<_>>())
}

fn directions() -> Features {
    let mut directions = Features::new(24);
    for row in 0..50 {
        let drawn: Vec<f64> = (0..24).map(|c| bell(row * 24 + c, 4) as f64).collect();
        let length = drawn.iter().map(|value| value * value).sum::<f64>().sqrt();
        let unit: Vec<f32> = drawn.iter().map(|value| (value / length) as f32).collect();
        directions.push_rows(&unit);
    }
    directions
}

/// Our value of each number that a tool has with the same rule.
fn ours() -> BTreeMap<&'static str, f64> {
    let (reference, samples) = (reference(), samples());
    let mut ours = BTreeMap::new();
    let mut put =
        |names: &[&'static str], value| names.iter().for_each(|n| _ = ours.insert(*n, value));

    let distance = |one: &Features, other: &Features| {
        frechet_distance(&one.moments(), &other.moments()).unwrap()
    };
    let tools = [
        "fid.scipy",
        "fid.pytorch-fid",
        "fid.torch-fidelity",
        "fid.torchmetrics",
    ];
    put(&tools, distance(&reference, &samples));
    put(&["fid.torch-fidelity.f32"], distance(&reference, &samples));
    let few = distance(&first(&reference, 20), &first(&samples, 15));
    put(&["fid.few.torch-fidelity"], few);

    let logits = features(1030, 10, 3, 0, 6);
    let score = inception_score(&logits, Splits::TORCH_FIDELITY).unwrap();
    put(&["is.torch-fidelity", "is.torchmetrics"], score.mean());
    put(
        &["is.torch-fidelity.std", "is.torchmetrics.std"],
        score.deviation(),
    );
    let blocks = inception_score(&logits, Splits::Consecutive(300)).unwrap();
    put(&["is.adm-rule", "is.adm-rule.f32"], blocks.mean());

    let adm = prdc(&reference, &samples, Balls::ADM).unwrap();
    let same = [
        "precision.torch-fidelity",
        "precision.torch-fidelity.f32",
        "precision.adm-rule",
        "precision.adm-rule.f16",
    ];
    put(&same, adm.precision());
    let same = [
        "recall.torch-fidelity",
        "recall.torch-fidelity.f32",
        "recall.adm-rule",
        "recall.adm-rule.f16",
    ];
    put(&same, adm.recall());
    let five = prdc(&reference, &samples, Balls::PRDC).unwrap();
    put(&["precision.prdc"], five.precision());
    put(&["recall.prdc"], five.recall());
    put(&["density.prdc"], five.density());
    put(&["coverage.prdc"], five.coverage());

    let config = KidConfig {
        subsets: 20,
        subset_size: 200,
        ..KidConfig::default()
    };
    let distance = kid(&samples, &reference, config).unwrap();
    let same = [
        "kid.torch-fidelity",
        "kid.torch-fidelity.f32",
        "kid.torchmetrics",
    ];
    put(&same, distance.mean());
    let same = ["kid.torch-fidelity.std", "kid.torch-fidelity.std.f32"];
    put(&same, distance.deviation());

    let pair = [first(&samples, 900), first(&reference, 900)];
    let unbiased = |kernel| mmd(&pair[0], &pair[1], kernel, Estimator::Unbiased).unwrap();
    put(&["mmd.cubic.torch-fidelity"], unbiased(Kernel::Cubic));
    let gaussian = Kernel::Gaussian { sigma: 3.0 };
    put(&["mmd.gaussian.torch-fidelity"], unbiased(gaussian));
    let discrepancy = cmmd(&first(&samples, 300), &first(&reference, 200)).unwrap();
    put(&["cmmd.rule"], discrepancy);
    let monge = mind(&samples, &first(&reference, 900), &directions()).unwrap();
    put(&["mind.rule"], monge);
    ours
}

/// Largest relative difference to a tool. Where it is not 1e-6, the reason.
fn bar(name: &str) -> f64 {
    match name {
        // The mean of f32 features is taken in f32.
        "fid.torch-fidelity.f32" => 1e-6,
        // The covariances are singular; the tool's eigenvalues are roots of rounding errors.
        "fid.few.torch-fidelity" => 1e-5,
        // Softmax in f32.
        "is.adm-rule.f32" => 1e-6,
        // Kernels in f32.
        "kid.torch-fidelity.f32" | "kid.torch-fidelity.std.f32" => 1e-4,
        // Distances in f16 move images across a surface.
        "precision.adm-rule.f16" | "recall.adm-rule.f16" => 0.05,
        // Other parts and subsets, by PyTorch's generator.
        "is.torchmetrics" => 0.01,
        "kid.torchmetrics" => 0.2,
        // The same, and divided by one less.
        "is.torchmetrics.std" => 1.0,
        // Computed with vectors of f64 in f64.
        "mind.rule" | "cmmd.rule" => 1e-9,
        _ => 1e-6,
    }
}

#[test]
fn every_tool_agrees_on_the_same_features_where_its_rule_is_ours() {
    let ours = ours();
    let mut seen = 0;
    for line in TOLD.lines() {
        let (name, value) = line.split_once(' ').unwrap();
        let value: f64 = value.parse().unwrap();
        let own = ours[name];
        println!("ours {name} {own:?}");
        let (difference, bar) = ((own - value).abs(), bar(name) * value.abs());
        assert!(
            difference <= bar,
            "{name}: {own}, and the tool says {value}"
        );
        seen += 1;
    }
    assert_eq!(seen, ours.len());
}

#[test]
fn distances_do_not_depend_on_shards_or_order() {
    let (reference, samples) = (reference(), samples());
    let whole = frechet_distance(&reference.moments(), &samples.moments()).unwrap();
    let mut merged = svg_eval::Moments::new();
    for shard in 0..8 {
        let rows: Vec<usize> = (shard..samples.len()).step_by(8).collect();
        merged.merge(&samples.select(&rows).moments());
    }
    let found = frechet_distance(&merged, &reference.moments()).unwrap();
    assert!((found - whole).abs() < 1e-9 * whole, "{found}, not {whole}");
}

#[test]
fn distances_and_kernels_do_not_depend_on_the_number_of_threads() {
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().unwrap();
        pool.install(|| {
            let (one, other) = (features(700, 300, 1, 0, 2), features(600, 300, 2, 90, 2));
            let distance = frechet_distance(&one.moments(), &other.moments()).unwrap();
            let kernel = mmd(&one, &other, Kernel::Cubic, Estimator::Unbiased).unwrap();
            let directions = svg_eval::random_directions(70, 300, 0);
            [distance, kernel, mind(&one, &other, &directions).unwrap()].map(f64::to_bits)
        })
    };
    assert_eq!(with(1), with(4));
}

/// 120 images of 600 channels: a covariance of rank 119.
#[test]
fn a_set_of_fewer_images_than_channels_has_distance_zero_to_itself() {
    let set = features(120, 600, 1, 0, 2).moments();
    assert!(!set.is_enough());
    let found = frechet_distance(&set, &set).unwrap();
    assert!(found <= 1e-6, "{found}");
    let full = features(900, 600, 2, 0, 2).moments();
    let found = frechet_distance(&set, &full).unwrap();
    assert!(found.is_finite() && found > 1.0);
}

#[test]
fn one_image_and_features_that_are_not_finite_are_errors_everywhere() {
    let good = features(40, 4, 1, 0, 2);
    let broken = Features::from_rows(4, [vec![0.0; 40 * 4 - 1], vec![f32::NAN]].concat());
    let one = first(&good, 1);
    let config = KidConfig {
        subsets: 1,
        subset_size: 20,
        seed: 0,
    };
    let axes = svg_eval::random_directions(2, 4, 0);
    let resampling = svg_eval::Resampling::default();
    for (bad, said) in [(&broken, "finite"), (&one, "at least")] {
        let told = [
            frechet_distance(&good.moments(), &bad.moments())
                .map(|_| ())
                .map_err(|e| e.to_string()),
            prdc(&good, bad, Balls::ADM)
                .map(|_| ())
                .map_err(|e| e.to_string()),
            kid(bad, &good, config)
                .map(|_| ())
                .map_err(|e| e.to_string()),
            mmd(bad, &good, Kernel::Cubic, Estimator::Biased)
                .map(|_| ())
                .map_err(|e| e.to_string()),
            inception_score(bad, Splits::TORCH_FIDELITY)
                .map(|_| ())
                .map_err(|e| e.to_string()),
            svg_eval::fd_infinity(&good.moments(), bad, 0)
                .map(|_| ())
                .map_err(|e| e.to_string()),
            svg_eval::frechet_interval(&good.moments(), bad, 10, resampling)
                .map(|_| ())
                .map_err(|e| e.to_string()),
        ];
        for (index, told) in told.into_iter().enumerate() {
            let told = told.expect_err(&format!("metric {index} accepts it"));
            assert!(told.contains(said), "metric {index}: {told}");
        }
    }
    assert!(mind(&good, &broken, &axes).is_err());
    // A projection of one image is defined.
    assert!(mind(&good, &one, &axes).unwrap().is_finite());
}
