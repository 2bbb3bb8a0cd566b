//! How many images a second become features of FID.
//!
//! ```text
//! cargo bench --bench inception -- --batch 8,32
//! ```
//!
//! Images of 256 x 256 in 8 bits are resized by TensorFlow's rule and go through the whole network. Weights are random:
//! time does not depend on them. `benches/inception.py` does the same with torch-fidelity.

#![recursion_limit = "256"]

mod support;

use anyhow::Result;
use burn::prelude::*;
use burn::store::bridge;
use burn::tensor::{Distribution, TensorData};
use clap::Parser;
use svg_inception::{Inception, InceptionV3, Kind, Resize};
use svg_nn::StoredTensor;

use support::{Times, Timing, images, reset_memory};

/// Times the Inception v3 of FID.
#[derive(Parser)]
#[command(mut_arg("repeat", |arg| arg.default_value("10")))]
#[command(mut_arg("warmup", |arg| arg.default_value("1")))]
struct Options {
    /// Images at once, one row for each.
    #[arg(long, value_delimiter = ',', default_value = "8,32")]
    batch: Vec<usize>,
    /// Side of the images in pixels.
    #[arg(long, default_value_t = 256)]
    size: usize,
    /// tensorflow, pytorch or clean.
    #[arg(long, default_value = "tensorflow")]
    resize: Resize,
    #[command(flatten)]
    timing: Timing,
}

/// Filters that keep the size of what goes through them, and norms that keep everything.
fn drawn() -> Vec<StoredTensor> {
    let device = Device::flex();
    let tensors = InceptionV3::init(Kind::Fid, &device).tensors().into_iter();
    let drawn = tensors.map(|tensor| {
        let dims = tensor.shape.to_vec();
        if dims.len() < 2 {
            return tensor;
        }
        let fan_in: usize = dims[1..].iter().product();
        let count = [dims.iter().product::<usize>()];
        let normal = Distribution::Normal(0.0, (2.0 / fan_in as f64).sqrt());
        let values = Tensor::<1>::random(count, normal, &device).into_data();
        let data = TensorData::new(values.iter::<f32>().collect::<Vec<_>>(), dims);
        bridge::from_data(data, tensor.name.clone(), None)
    });
    drawn.collect()
}

fn main() -> Result<()> {
    support::allocator::keep_memory();
    let options = Options::parse();
    Times::print_head();
    for (name, device) in options.timing.devices() {
        let inception = Inception::from_tensors(drawn(), options.resize, "random", &device)?;
        for &batch in &options.batch {
            let images = images([batch, options.size], &device);
            reset_memory();
            let times = options
                .timing
                .time(batch, &device, || inception.outputs(images.clone()))?;
            times.print(name, "f32", batch);
        }
    }
    Ok(())
}
