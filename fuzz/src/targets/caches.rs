//! Caches of features: the index, and shards.

use anyhow::Result;
use burn::prelude::Device;
use svg_model::{LatentStatistics, StoredLatentStatistics};
use svg_train::cache::{Item, LatentCache};
use svg_train::flow::LatentSource;

use super::Target;
use crate::input::{Input, Seed};
use crate::verdict::Verdict;
use crate::world::World;

/// Pictures of a batch, and batches.
const BATCH: usize = 8;
const BATCHES: usize = 2;

pub fn targets() -> Vec<Target> {
    vec![Target {
        name: "caches",
        about: "the index of a cache and its shards in f16 and f32: all that is in them, and batches of a training",
        share: 60,
        seeds: |world| {
            let mut seeds = Seed::folder(&world.path("cache"))?;
            seeds.extend(Seed::folder(&world.path("cache32"))?);
            Ok(seeds)
        },
        made: true,
        anew: false,
        check,
    }]
}

fn check(input: &Input, _: &World) -> Verdict {
    match read(input) {
        // The index has a hash of every shard.
        Ok(()) if !input.same && !input.file.ends_with("cache.json") => {
            Verdict::Wrong("a shard was changed".to_string())
        }
        result => Verdict::of(result),
    }
}

fn read(input: &Input) -> Result<()> {
    let cache = LatentCache::open(&input.place)?;
    let [_, _, channels] = cache.plan().grid;
    let features = cache.plan().features.clone();
    let statistics = StoredLatentStatistics {
        statistics: LatentStatistics {
            mean: vec![0.0; channels],
            std: vec![1.0; channels],
        },
        features,
        tokens: 0,
        source: String::new(),
    };
    let device = Device::default();
    let variants = 0..cache.plan().variants.count();
    for picture in (0..cache.len()).filter(|picture| cache.label(*picture).is_some()) {
        let items = variants.clone().map(|variant| Item { picture, variant });
        cache.features(&items.collect::<Vec<_>>(), &device)?;
    }
    let mut latents = cache.latents(statistics, &device)?;
    let mut cursor = 0;
    for _ in 0..BATCHES {
        cursor = latents.batch(1, cursor, BATCH)?.cursor_after;
    }
    Ok(())
}
