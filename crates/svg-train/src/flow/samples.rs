//! Samples of a flow while it learns.

use std::ops::ControlFlow;
use std::sync::Arc;

use burn::prelude::*;
use svg_flow::{Guidance, Progress};
use svg_image::{RgbImage, grid};
use svg_model::{Generator, Sampling, SolverKind};
use svg_roles::{Condition, Images, LatentSpace, Signed};

use crate::TrainError;
use crate::flow::{FlowNetwork, FlowTraining};

/// Images in a row of the sheet.
const COLUMNS: usize = 8;

/// A sheet of samples of `network` and what is on it, of classes spread over all, always from the same noise.
pub(super) fn samples<C, N: FlowNetwork>(
    config: &FlowTraining<C>,
    network: &N,
    space: Arc<dyn LatentSpace>,
    device: &Device,
) -> Result<(RgbImage, String), TrainError> {
    let settings = &config.samples;
    let of = network.spec().classes;
    let classes = (0..settings.count).map(|sample| class(sample, settings.count, of.max(1)));
    let classes: Vec<_> = classes.collect();
    let sampling = Sampling {
        solver: SolverKind::Euler,
        steps: settings.steps,
        shift: settings.shift,
        guidance: Guidance::constant(settings.guidance),
        seed: config.seed,
    };
    let generator = Generator::new(space, Arc::new(network.clone()), device)?;
    let mut images: Vec<RgbImage> = Vec::new();
    for (chunk, classes) in classes.chunks(config.batch_size).enumerate() {
        let first = (chunk * config.batch_size) as u64;
        let numbers: Vec<u64> = (first..first + classes.len() as u64).collect();
        let start = generator.noise(config.seed, &numbers);
        let condition = match of {
            0 => Condition::None,
            _ => Condition::classes(classes, device),
        };
        let go_on = &mut |_: &Progress| ControlFlow::Continue(());
        let sampled = generator.latents(start, &condition, &numbers, &sampling, go_on)?;
        let space = &generator.space;
        let decoded = space.decode(sampled.latents, space.geometry().grid());
        images.extend(Images::<Signed>::from_tensor(decoded).to_rgb());
    }
    let caption = format!(
        "{} Euler steps, guidance {}, shift {}, classes {classes:?}",
        settings.steps, settings.guidance, settings.shift
    );
    Ok((grid(&images, COLUMNS, 2), caption))
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
