//! A cache as the latents of a flow.

use burn::prelude::*;
use svg_model::LatentStatistics;

use super::read::{Item, LatentCache};
use crate::TrainError;
use crate::data::{Fingerprint, Order};
use crate::flow::{LatentBatch, LatentSource};

/// A [`LatentCache`] in an endless order, normalised.
///
/// The order, the choice of variants and the treatment of broken pictures are those of
/// [`Stream`](crate::data::Stream), so that with [`Variants::Mirrored`](super::Variants::Mirrored) a batch is
/// that of training on pictures.
#[derive(Debug)]
pub struct CachedLatents {
    cache: LatentCache,
    statistics: LatentStatistics,
    device: Device,
    /// The order of a seed, at a cursor: going on is cheap.
    order: Option<(u64, u64, Order)>,
}

impl CachedLatents {
    pub(super) fn new(cache: LatentCache, statistics: LatentStatistics, device: &Device) -> Self {
        Self {
            cache,
            statistics,
            device: device.clone().without_autodiff(),
            order: None,
        }
    }

    /// The cache behind it.
    pub fn cache(&self) -> &LatentCache {
        &self.cache
    }
}

impl LatentSource for CachedLatents {
    fn batch(&mut self, seed: u64, cursor: u64, size: usize) -> Result<LatentBatch, TrainError> {
        let mut order = match self.order.take() {
            Some((of, at, order)) if (of, at) == (seed, cursor) => order,
            _ => Order::at(seed, self.cache.len(), cursor),
        };
        let (mut items, mut labels) = (Vec::with_capacity(size), Vec::with_capacity(size));
        let mut cursor = cursor;
        while items.len() < size {
            let draw = order.next().expect("the order has no end");
            cursor += 1;
            let picture = draw.index as usize;
            if let Some(label) = self.cache.label(picture) {
                let variant = self.cache.plan().variants.choose(draw);
                items.push(Item { picture, variant });
                labels.push(label);
            }
        }
        self.order = Some((seed, cursor, order));
        let features = self.cache.features(&items, &self.device)?;
        Ok(LatentBatch {
            latents: self.statistics.normalise(features),
            labels,
            cursor_after: cursor,
            remarks: vec![],
        })
    }

    fn fingerprint(&self) -> &Fingerprint {
        &self.cache.plan().data
    }

    fn classes(&self) -> &[String] {
        &self.cache.plan().classes
    }

    fn kind(&self) -> String {
        let plan = self.cache.plan();
        format!(
            "a cache in {}, {} of {} pixels",
            plan.dtype, plan.variants, plan.size
        )
    }
}
