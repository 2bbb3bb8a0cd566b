//! How long a user waits for the autoencoder: decoding, encoding, and a step of training, released size.
//!
//! ```text
//! cargo bench --bench autoencoder -- --what decode,encode,train --repeat 5
//! cargo bench --bench autoencoder --features cuda -- --device cuda --what train --batch 16
//! ```
//!
//! Weights are random: time does not depend on them. `encode` is DINOv3, residual encoder and alignment;
//! `train` is a whole step in the adversarial phase with LPIPS, both optimisers and no average, as the
//! PyTorch opponent takes it.

#![recursion_limit = "256"]

mod support;

use anyhow::{Result, bail};
use clap::Parser;

use support::{Times, Timing, reset_memory, works};

/// Times the autoencoder.
#[derive(Parser)]
struct Options {
    /// What to time: decode, encode, train.
    #[arg(long, value_delimiter = ',', default_value = "decode,encode,train")]
    what: Vec<String>,
    /// Images at once [default: 1 to decode and train, 8 to encode]
    #[arg(long)]
    batch: Option<usize>,
    #[command(flatten)]
    timing: Timing,
}

fn main() -> Result<()> {
    support::allocator::keep_memory();
    let options = Options::parse();
    Times::print_head();
    for (name, device) in options.timing.devices() {
        for what in &options.what {
            let usual = if what == "encode" { 8 } else { 1 };
            let batch = options.batch.unwrap_or(usual);
            reset_memory();
            let times = match what.as_str() {
                "decode" => works::decode(batch, &options.timing, &device)?,
                "encode" => works::encode(batch, &options.timing, &device)?,
                "train" => works::autoencoder_step(batch, &options.timing, &device)?,
                other => bail!("--what {other}: it is decode, encode or train"),
            };
            times.print(name, what, batch);
        }
    }
    Ok(())
}
