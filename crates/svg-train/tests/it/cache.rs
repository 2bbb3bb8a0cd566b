//! Features on disk: the same numbers as online, also after interruptions.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard};

use burn::prelude::*;
use svg_decoder::DecoderConfig;
use svg_dino::DinoConfig;
use svg_image::{ImageSet, Rgb, RgbImage, save_png};
use svg_model::{
    Alignment, AutoencoderConfig, LatentStatistics, StoredLatentStatistics, SvgAutoencoder,
};
use svg_residual::ResidualConfig;
use svg_roles::Geometry;
use svg_train::cache::{
    CacheEvent, CacheIndex, CacheInputs, CachePlan, CacheType, CachedLatents, Item, LatentCache,
    Variants, write_cache,
};
use svg_train::data::{Classes, Recipe, Stream};
use svg_train::flow::LatentSource;

use crate::my_turn;

const CHANNELS: usize = 16 + 8;

/// Seven pictures of two classes, of which one is broken, and an encoder.
pub struct Place {
    folder: tempfile::TempDir,
    pub data: Arc<ImageSet>,
    pub model: SvgAutoencoder,
    _turn: MutexGuard<'static, ()>,
}

impl Place {
    pub fn new() -> Self {
        let turn = my_turn();
        let folder = tempfile::tempdir().unwrap();
        for number in 0..7u8 {
            let class = folder
                .path()
                .join("data")
                .join(["cock", "tench"][number as usize % 2]);
            std::fs::create_dir_all(&class).unwrap();
            let file = class.join(format!("{number}.png"));
            let image =
                RgbImage::from_fn(20, 16, |x, y| Rgb([x as u8 * 9, y as u8 * 7, number * 30]));
            save_png(&image, &file, &[]).unwrap();
            if number == 3 {
                std::fs::write(&file, "no picture").unwrap();
            }
        }
        let device = Device::default();
        device.seed(5);
        let encoder = DinoConfig::new(16, 1, 2, 32)
            .with_patch_size(4)
            .init(&device);
        let residual = ResidualConfig::new().with_image_size(16).with_patch_size(4);
        let residual = residual
            .with_d_model(16)
            .with_d_ff(16)
            .with_n_heads(2)
            .with_n_layers(1);
        let decoder = DecoderConfig::new(CHANNELS)
            .with_width(32)
            .with_resolution(16);
        let decoder = decoder
            .with_width_multipliers(vec![1, 1, 1])
            .with_attention_resolutions(vec![]);
        let config = AutoencoderConfig::new(decoder)
            .with_residual(Some(residual))
            .with_alignment(Alignment::None);
        Self {
            data: Arc::new(ImageSet::open(&[folder.path().join("data")]).unwrap()),
            model: config.init(Arc::new(encoder), &device),
            folder,
            _turn: turn,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn plan(&self, variants: Variants, dtype: CacheType) -> CachePlan {
        let geometry = Geometry::of_patches([16, 16], 4, CHANNELS);
        CachePlan::new(
            &self.data,
            "these features".into(),
            geometry,
            16,
            variants,
            dtype,
            2,
        )
        .unwrap()
    }

    /// Writes until so many pictures are done.
    pub fn write(
        &self,
        name: &str,
        plan: &CachePlan,
        pictures: usize,
    ) -> Result<Option<CacheIndex>, String> {
        let mut left = pictures;
        let mut watch = |event: CacheEvent| {
            if let CacheEvent::Kept(count) | CacheEvent::Done(count) = event {
                left = left.saturating_sub(count);
            }
            match left {
                0 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        };
        let inputs = CacheInputs {
            out: &self.path(name),
            plan,
            data: self.data.clone(),
            space: &self.model,
            batch: 2,
            workers: 2,
        };
        write_cache(inputs, &Device::default(), &mut watch).map_err(|error| error.to_string())
    }

    pub fn whole(&self, name: &str, plan: &CachePlan) -> LatentCache {
        self.write(name, plan, usize::MAX).unwrap().unwrap();
        LatentCache::open(&self.path(name)).unwrap()
    }
}

pub fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).unwrap();
        (path.file_name().unwrap().into(), bytes)
    };
    entries.map(read).collect()
}

fn latents(cache: LatentCache) -> CachedLatents {
    let statistics = LatentStatistics {
        mean: vec![0.5; CHANNELS],
        std: vec![2.0; CHANNELS],
    };
    let stored = StoredLatentStatistics {
        statistics,
        features: "these features".into(),
        tokens: 1,
        source: String::new(),
    };
    cache.latents(stored, &Device::default()).unwrap()
}

fn difference(one: Tensor<3>, other: Tensor<3>) -> f32 {
    (one - other).abs().max().into_scalar()
}

#[test]
fn a_cache_that_was_interrupted_anywhere_is_the_one_that_was_not() {
    let place = Place::new();
    let plan = place.plan(Variants::Mirrored, CacheType::F16);
    place.whole("whole", &plan);
    let expected = contents(&place.path("whole"));
    for pictures in 1..7 {
        let name = format!("broken-{pictures}");
        assert_eq!(place.write(&name, &plan, pictures).unwrap(), None);
        let error = LatentCache::open(&place.path(&name))
            .unwrap_err()
            .to_string();
        assert!(error.contains("has no cache.json"), "{error}");
        place.whole(&name, &plan).verify().unwrap();
        assert!(contents(&place.path(&name)) == expected, "after {pictures}");
    }
}

#[test]
fn a_batch_of_the_cache_is_what_the_pictures_give() {
    let place = Place::new();
    let plan = place.plan(Variants::Mirrored, CacheType::F32);
    let mut cached = latents(place.whole("cache", &plan));
    let recipe = Recipe {
        size: 16,
        ..Recipe::default()
    };
    let mut stream = Stream::new(place.data.clone(), recipe, 9, 0, 4, 1);
    let labels = Classes::of(&place.data).unwrap().labels;
    let mut cursor = 0;
    for _ in 0..6 {
        let online = stream.next_batch().unwrap();
        let images = online.to_tensor(&Device::default());
        let expected = (place.model.encoder.features(images) - 0.5) / 2.0;
        let found = cached.batch(9, cursor, 4).unwrap();
        assert!(difference(found.latents, expected) < 1e-6);
        let of_each = online.indices.iter().map(|index| labels[*index]);
        assert_eq!(found.labels, of_each.collect::<Vec<_>>());
        assert_eq!(found.cursor_after, online.cursor_after);
        cursor = found.cursor_after;
    }
    assert_eq!(cached.classes(), ["cock", "tench"]);
    assert_eq!(cached.fingerprint().count, 7);
    assert!(cached.kind().contains("f32"), "{}", cached.kind());
}

#[test]
fn a_batch_is_a_function_of_the_seed_and_the_cursor() {
    let place = Place::new();
    let crops = Variants::Crops { count: 3, seed: 4 };
    place.whole("cache", &place.plan(crops, CacheType::F16));
    let open = || latents(LatentCache::open(&place.path("cache")).unwrap());
    let (mut whole, mut cursor) = (open(), 0);
    for _ in 0..5 {
        let expected = whole.batch(2, cursor, 3).unwrap();
        let found = open().batch(2, cursor, 3).unwrap();
        assert_eq!(found.labels, expected.labels);
        assert_eq!(found.cursor_after, expected.cursor_after);
        assert_eq!(difference(found.latents, expected.latents), 0.0);
        cursor = expected.cursor_after;
    }
}

#[test]
fn half_precision_keeps_features_to_a_thousandth() {
    let place = Place::new();
    let [half, single] = [CacheType::F16, CacheType::F32].map(|dtype| {
        let cache = place.whole(&dtype.to_string(), &place.plan(Variants::Mirrored, dtype));
        let items = [0, 1].map(|variant| Item {
            picture: 4,
            variant,
        });
        cache.features(&items, &Device::default()).unwrap()
    });
    let bar = single.clone().abs() * 1e-3 + 1e-7;
    assert!(
        (half - single)
            .abs()
            .lower_equal(bar)
            .all()
            .into_scalar::<bool>()
    );
}

#[test]
fn a_shard_of_another_cache_is_refused_with_both_sides() {
    let place = Place::new();
    let plan = place.plan(Variants::Mirrored, CacheType::F16);
    place.whole("cache", &plan);
    let mut wide = plan.clone();
    wide.dtype = CacheType::F32;
    place.whole("wide", &wide);
    let error = place.write("cache", &wide, usize::MAX).unwrap_err();
    assert!(
        error.contains("the type f16 there, f32 asked for"),
        "{error}"
    );
    let mut other = plan.clone();
    other.features = "those features".into();
    let error = place.write("cache", &other, usize::MAX).unwrap_err();
    assert!(
        error.contains("features these features there, those"),
        "{error}"
    );

    let name = "shard-00000.safetensors";
    std::fs::copy(
        place.path("wide").join(name),
        place.path("cache").join(name),
    )
    .unwrap();
    let error = LatentCache::open(&place.path("cache"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("the type f32 there, f16"), "{error}");
}

#[test]
fn features_of_another_bundle_are_refused_with_both_names() {
    let place = Place::new();
    let cache = place.whole("cache", &place.plan(Variants::Mirrored, CacheType::F16));
    cache.check_features("these features").unwrap();
    let error = cache.check_features("others").unwrap_err().to_string();
    assert!(
        error.contains("these features") && error.contains("others"),
        "{error}"
    );
}

#[test]
fn another_grid_is_refused_with_both() {
    let place = Place::new();
    let cache = place.whole("cache", &place.plan(Variants::Mirrored, CacheType::F16));
    let mut geometry = Geometry::of_patches([16, 16], 4, CHANNELS);
    cache.check_geometry(geometry).unwrap();
    geometry.rows = 8;
    let error = cache.check_geometry(geometry).unwrap_err().to_string();
    assert!(error.contains("holds 4 x 4 tokens of 24"), "{error}");
    assert!(error.contains("is for 8 x 4 tokens of 24"), "{error}");
}

#[test]
fn an_index_that_lies_is_refused() {
    let place = Place::new();
    place.whole("cache", &place.plan(Variants::Mirrored, CacheType::F16));
    let index = place.path("cache/cache.json");
    let text = std::fs::read_to_string(&index).unwrap();
    let said = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        std::fs::write(&index, text.replace(from, to)).unwrap();
        LatentCache::open(&place.path("cache"))
            .unwrap_err()
            .to_string()
    };
    let error = said("\"format\": 2", "\"format\": 9");
    assert!(error.contains("format 9 is not known"), "{error}");
    let error = said("\"shard_size\"", "\"shard_sice\": 2,\n\"shard_size\"");
    assert!(error.contains("shard_sice"), "{error}");
    let error = said("\"shard_size\": 2", "\"shard_size\": 3");
    assert!(
        error.contains("lists 4 shards") && error.contains("make 3"),
        "{error}"
    );
    let error = said("\"f16\"", "\"f32\"");
    assert!(error.contains("f16 there, f32"), "{error}");
    let error = said("\"size\": 16", "\"size\": 17");
    assert!(error.contains("squares of 16 there, 17"), "{error}");
    let error = said("\"shard_size\": 2", "\"shard_size\": 18446744073709551615");
    assert!(
        error.contains("plan.shard_size is 18446744073709551615"),
        "{error}"
    );
    let error = said("    24\n", "    9223372036854775807\n");
    assert!(error.contains("grid[2] is 9223372036854775807"), "{error}");
}

#[test]
fn every_number_of_an_index_is_used_or_refused() {
    let place = Place::new();
    place.whole("cache", &place.plan(Variants::Mirrored, CacheType::F16));
    let path = place.path("cache/cache.json");
    let index: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for (what, changed) in svg_store::extremes(&index) {
        std::fs::write(&path, changed.to_string()).unwrap();
        let folder = place.path("cache");
        let opened = std::panic::catch_unwind(|| LatentCache::open(&folder).is_ok());
        assert!(opened.is_ok(), "{what} panicked");
    }
    let mut changed = index;
    changed["plan"]["data"]["count"] = (1_u64 << 63).into();
    changed["plan"]["shard_size"] = (1_u64 << 61).into();
    std::fs::write(&path, changed.to_string()).unwrap();
    let error = LatentCache::open(&place.path("cache"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("plan.shard_size is 2305843009213693952; it must"),
        "{error}"
    );
}

#[test]
fn a_feature_beyond_half_precision_names_the_picture_and_the_way_out() {
    let mut place = Place::new();
    let statistics = svg_residual::Statistics {
        semantic: svg_residual::Moments {
            mean: 1e6,
            std: 1.0,
        },
        residual: svg_residual::Moments {
            mean: 0.0,
            std: 1.0,
        },
    };
    place.model.encoder.alignment = Alignment::Frozen;
    place.model.encoder.statistics = Some(statistics);
    let plan = place.plan(Variants::Mirrored, CacheType::F16);
    let error = place.write("cache", &plan, usize::MAX).unwrap_err();
    assert!(
        error.contains(".png: a feature of") && error.contains("in f32"),
        "{error}"
    );
}
