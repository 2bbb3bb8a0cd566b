//! The Fréchet distance of 2,048 channels, as FID has them: accumulating features, and the distance itself.
//!
//! ```text
//! cargo bench -p svg-eval --bench frechet [ROWS]
//! ```
//!
//! `benches/frechet.py` times SciPy on the same features.

use std::time::Instant;

use svg_eval::{Balls, Features, Moments, frechet_distance, prdc};

const CHANNELS: usize = 2048;

/// A hash of 32 bits: the finaliser of MurmurHash3.
fn word(index: usize, seed: u64) -> u32 {
    let mut x = (index as u64 + seed * 1_000_003) as u32;
    x ^= x >> 16;
    x = x.wrapping_mul(0x85eb_ca6b);
    x ^= x >> 13;
    x = x.wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}

/// Features whose deviations fall with the channel, each following the one before it.
fn features(rows: usize, seed: u64) -> Features {
    let bell = |at: usize| {
        let bytes = word(at, seed).to_le_bytes();
        bytes.iter().map(|byte| f64::from(*byte)).sum::<f64>() - 510.0
    };
    let value = |at: usize| {
        let (row, channel) = (at / CHANNELS, at % CHANNELS);
        let before = row * CHANNELS + (channel + CHANNELS - 1) % CHANNELS;
        let scale = 1.0 / (1.0 + channel as f64).sqrt();
        ((2.0 * bell(at) + bell(before)) * scale / 256.0) as f32
    };
    Features::from_rows(CHANNELS, (0..rows * CHANNELS).map(value).collect())
}

fn main() {
    let arguments = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let rows: usize = arguments.unwrap_or(10_000);
    let sets = [features(rows, 1), features(rows, 2)];
    let start = Instant::now();
    let moments = sets.each_ref().map(Features::moments);
    let seconds = start.elapsed().as_secs_f64() / 2.0;
    println!("moments of {rows} x {CHANNELS}: {seconds:.2} s");
    let start = Instant::now();
    let mut batches = Moments::new();
    for batch in sets[0].values().chunks(64 * CHANNELS) {
        batches.push_rows(batch, CHANNELS);
    }
    println!(
        "the same in batches of 64: {:.2} s",
        start.elapsed().as_secs_f64()
    );
    for _ in 0..3 {
        let start = Instant::now();
        let distance = frechet_distance(&moments[0], &moments[1]).unwrap();
        println!(
            "distance {distance:.12}: {:.2} s",
            start.elapsed().as_secs_f64()
        );
    }
    for channels in [2048, 2023] {
        let few = sets[0].rows().take(500).flat_map(|row| &row[..channels]);
        let few = Features::from_rows(channels, few.copied().collect()).moments();
        let start = Instant::now();
        let distance = frechet_distance(&few, &few).unwrap();
        let seconds = start.elapsed().as_secs_f64();
        println!("500 rows of {channels} to themselves {distance:.3e}: {seconds:.2} s");
    }
    let start = Instant::now();
    let found = prdc(&sets[0], &sets[1], Balls::ADM).unwrap();
    let (precision, recall) = (found.precision(), found.recall());
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "precision {precision:.4} and recall {recall:.4} of {rows} and {rows}: {seconds:.2} s"
    );
}
