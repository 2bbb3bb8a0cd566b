//! What a flow makes while it learns.

use std::ops::ControlFlow;

use burn::prelude::*;
use svg_flow::{Euler, Guidance, Guided, TimeShift, integrate};
use svg_image::{RgbImage, grid};
use svg_model::{LatentSpace, noise};
use svg_roles::{Images, Signed};
use svg_sit::Sit;

use crate::flow::FlowTraining;
use crate::run::Picture;

/// Images in a row of the sheet.
const COLUMNS: usize = 8;

/// A sheet of samples of `network`, of classes spread over all, always from the same noise.
pub(super) fn samples(
    config: &FlowTraining,
    network: &Sit,
    space: &impl LatentSpace,
    device: &Device,
) -> Picture {
    let settings = &config.samples;
    let classes: Vec<_> = (0..settings.count)
        .map(|sample| class(sample, settings.count, config.sit.n_classes))
        .collect();
    let shape = [config.sit.rows * config.sit.columns, config.sit.in_channels];
    let times = TimeShift::new(settings.shift).grid(settings.steps);
    let mut images: Vec<RgbImage> = Vec::new();
    for (chunk, classes) in classes.chunks(config.batch_size).enumerate() {
        let first = (chunk * config.batch_size) as u64;
        let numbers: Vec<u64> = (first..first + classes.len() as u64).collect();
        let start = noise(config.seed, &numbers, shape, device);
        let field = Guided {
            branches: network.conditioned(super::stage::labels(classes, device)),
            guidance: Guidance::constant(settings.guidance),
        };
        let solution = integrate(&field, &Euler, &times, start, &mut |_| {
            ControlFlow::Continue(())
        });
        let decoded = space.decode(solution.x);
        images.extend(Images::<Signed>::from_tensor(decoded).to_rgb());
    }
    Picture {
        image: grid(&images, COLUMNS, 2),
        caption: format!(
            "{} Euler steps, guidance {}, shift {}, classes {classes:?}",
            settings.steps, settings.guidance, settings.shift
        ),
    }
}

/// The class of a sample: all in turn if there are few, a spread of them if there are many.
fn class(sample: usize, count: usize, classes: usize) -> usize {
    match count >= classes {
        true => sample % classes,
        false => sample * classes / count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_spread_over_all() {
        let of = |count, classes| {
            (0..count)
                .map(|n| class(n, count, classes))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(4, 1000), [0, 250, 500, 750]);
        assert_eq!(of(5, 2), [0, 1, 0, 1, 0]);
    }
}
