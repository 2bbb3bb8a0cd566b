//! A training of SVG's autoencoder beside its networks.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use burn::prelude::*;
use svg_decoder::{Decoder, DecoderConfig};
use svg_model::{
    Alignment, AutoencoderConfig, ENCODER, NewEncoder, NewPart, NewSpace, Provenance, SPACE,
    StoredStatistics, autoencoder_tensors, svg::join,
};
use svg_nn::StoredTensor;
use svg_residual::{Moments, Running, Statistics};
use svg_roles::{Encoder, LatentSpace};

use super::{AutoencoderKind, Generator};
use crate::TrainError;
use crate::autoencoder::{
    AutoencoderStage, AutoencoderTraining, Pass, Perceptual, TrainableAutoencoder,
};
use crate::log::Scalars;
use crate::random::{Purpose, generator};
use crate::run::{Place, Shard};

const STATISTICS: &str = "statistics.safetensors";

/// A frozen encoder and the rules of a training beside it.
#[derive(Clone, Debug)]
pub struct Svg {
    config: AutoencoderConfig,
    seed: u64,
    batch_size: usize,
    /// In inference mode and outside every graph.
    encoder: Arc<dyn Encoder>,
    /// How a bundle refers to the encoder.
    pub(super) part: Option<NewEncoder>,
    running: Running,
}

impl Svg {
    /// Beside a frozen encoder, which is on the training's device without autodiff.
    ///
    /// # Errors
    ///
    /// [`TrainError::Misfit`] if the networks do not fit the encoder.
    pub fn new<C>(
        training: &AutoencoderTraining<C>,
        config: &AutoencoderConfig,
        encoder: Arc<dyn Encoder>,
    ) -> Result<Self, TrainError> {
        let spec = encoder.spec();
        match config.misfit(spec.channels, spec.patch_size) {
            Some(reason) => Err(TrainError::Misfit { reason }),
            None => Ok(Self {
                running: Running::new(training.statistics_momentum),
                seed: training.seed,
                batch_size: training.batch_size,
                config: config.clone(),
                encoder,
                part: None,
            }),
        }
    }

    /// The stage of a configuration on an encoder.
    ///
    /// # Errors
    ///
    /// [`TrainError::Misfit`] if the networks do not fit the encoder.
    pub fn stage(
        training: AutoencoderTraining,
        encoder: Arc<dyn Encoder>,
        perceptual: Box<dyn Perceptual>,
        device: &Device,
    ) -> Result<AutoencoderStage<Self>, TrainError> {
        let AutoencoderKind::Svg(networks) = training.network.clone();
        let svg = Self::new(&training, &networks, encoder)?;
        let stage = AutoencoderStage::new(training, svg, networks, perceptual, device);
        Ok(stage)
    }

    /// The frozen encoder.
    pub fn encoder(&self) -> &Arc<dyn Encoder> {
        &self.encoder
    }

    /// Features on the graph, and the statistics of the batch if there is a residual.
    fn features(
        &self,
        network: &Generator,
        images: Tensor<4>,
        place: Place,
        shard: &Shard,
    ) -> (Tensor<3>, Option<Statistics>) {
        let semantic = self.encoder.tokens(images.clone()).patches;
        let Some(residual) = &network.residual else {
            return (Tensor::from_inner(semantic), None);
        };
        let device = images.device().autodiff();
        let mut random = generator(Purpose::Residual, self.seed, place.step, place.batch);
        let dropout = random.word();
        let raw = {
            // Dropout draws from a generator that all devices of a backend share. With a seed of its own,
            // and nobody else drawing, each shard's numbers are a function of the step.
            static DRAWING: Mutex<()> = Mutex::new(());
            let _alone = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
            device.seed(dropout.wrapping_add(shard.index as u64));
            residual.forward(Tensor::from_inner(images))
        };
        let ratio = residual.config().mask_ratio;
        // Drawn for the whole batch.
        let masked = (0..shard.first + shard.count).map(|_| random.fraction() < ratio);
        let masked: Vec<bool> = masked.skip(shard.first).collect();
        // Also where none is masked: the token's moments decay like all others.
        let raw = residual.mask(raw, Tensor::from_data(masked.as_slice(), &device));
        let statistics = Statistics::of(semantic.clone(), raw.clone().inner());
        let aligned = match self.config.alignment {
            Alignment::None => None,
            // Also where frozen statistics are gathered: as in batch normalisation, training uses those
            // of the batch, so that the residual network can move while the decoder's input keeps its scale.
            Alignment::Batch | Alignment::Frozen => Some(&statistics),
        };
        let features = join(Tensor::from_inner(semantic), Some(raw), aligned);
        (features, Some(statistics))
    }
}

impl TrainableAutoencoder for Svg {
    type Network = Generator;
    type Averaged = Decoder;
    type Observed = Option<Statistics>;

    fn averaged(network: &Generator) -> &Decoder {
        &network.decoder
    }

    fn averaged_config(config: &AutoencoderConfig) -> DecoderConfig {
        config.decoder.clone()
    }

    fn to_device(&self, device: &Device) -> Self {
        Self {
            encoder: self.encoder.to_device(device),
            ..self.clone()
        }
    }

    fn pass(
        &self,
        network: &Generator,
        images: Tensor<4>,
        place: Place,
        shard: &Shard,
    ) -> Pass<Option<Statistics>> {
        let [_, _, height, width] = images.dims();
        let (features, observed) = self.features(network, images, place, shard);
        let patch = self.encoder.spec().patch_size;
        let decoder = &network.decoder;
        let grid = [height / patch, width / patch];
        let (images, trunk) = decoder.forward_with_trunk(features, grid);
        Pass {
            images,
            trunk,
            last: decoder.conv_out.clone(),
            terms: Scalars::new(),
            more: None,
            finite: observed.as_ref().is_none_or(is_finite),
            observed,
        }
    }

    /// The running average takes in one batch; the statistics of its shards are averaged.
    fn observe(&mut self, observed: Vec<Option<Statistics>>) {
        let shards: Vec<Statistics> = observed.into_iter().flatten().collect();
        if !shards.is_empty() {
            self.running.update(mean(&shards));
        }
    }

    fn save(&self, folder: &Path) -> Result<(), TrainError> {
        if let Some(statistics) = self.running.statistics {
            let source = "running average in training".to_string();
            StoredStatistics { statistics, source }.save(&folder.join(STATISTICS))?;
        }
        Ok(())
    }

    fn restore(&mut self, folder: &Path) -> Result<(), TrainError> {
        let path = folder.join(STATISTICS);
        self.running.statistics = match path.exists() {
            true => Some(StoredStatistics::load(&path)?.statistics),
            false => None,
        };
        Ok(())
    }

    fn fingerprint(&self) -> String {
        let part = self.part.as_ref();
        part.map_or_else(String::new, |part| part.fingerprint.clone())
    }

    /// Frozen where there are statistics.
    fn model(&self, network: &Generator, averaged: Option<&Decoder>) -> Arc<dyn LatentSpace> {
        let alignment = match (self.config.alignment, self.running.statistics) {
            (Alignment::Frozen, None) => Alignment::Batch,
            (alignment, _) => alignment,
        };
        let config = self.config.clone().with_alignment(alignment);
        let residual = network.residual.as_ref().map(Module::valid);
        let decoder = averaged.cloned().unwrap_or_else(|| network.decoder.valid());
        let (encoder, statistics) = (self.encoder.clone(), self.running.statistics);
        Arc::new(config.join(encoder, residual, decoder, statistics))
    }

    /// # Panics
    ///
    /// If there is no part of the encoder.
    fn parts(
        &self,
        network: &Generator,
        averaged: Option<&Decoder>,
        rest: Vec<StoredTensor>,
        provenance: Provenance,
    ) -> Result<Vec<(&'static str, NewPart)>, TrainError> {
        let encoder = self.part.clone().expect("a run has a part of its encoder");
        let fingerprint = encoder.fingerprint.clone();
        let decoder = averaged.unwrap_or(&network.decoder);
        let frozen = self.config.residual.is_some() && self.config.alignment == Alignment::Frozen;
        let statistics = self.running.statistics.filter(|_| frozen);
        let space = NewSpace {
            config: self.config.clone(),
            tensors: autoencoder_tensors(network.residual.as_ref(), decoder),
            statistics: statistics.map(|statistics| StoredStatistics {
                statistics,
                source: format!(
                    "running average over batches of {} in training, momentum {}",
                    self.batch_size, self.running.momentum
                ),
            }),
            rest,
            provenance,
        };
        let spec = self.encoder.spec();
        let space = space.into_part(&fingerprint, spec.channels, spec.patch_size)?;
        Ok(vec![(ENCODER, encoder.into_part()?), (SPACE, space)])
    }
}

fn mean(shards: &[Statistics]) -> Statistics {
    let mean = |of: fn(&Statistics) -> Moments| {
        let mean = |value: fn(Moments) -> f64| {
            shards.iter().map(|shard| value(of(shard))).sum::<f64>() / shards.len() as f64
        };
        let (mean, std) = (mean(|moments| moments.mean), mean(|moments| moments.std));
        Moments { mean, std }
    };
    Statistics {
        semantic: mean(|shard| shard.semantic),
        residual: mean(|shard| shard.residual),
    }
}

fn is_finite(statistics: &Statistics) -> bool {
    let Statistics { semantic, residual } = statistics;
    [semantic.mean, semantic.std, residual.mean, residual.std]
        .iter()
        .all(|value| value.is_finite())
}
