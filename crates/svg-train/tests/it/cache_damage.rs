//! Caches that are damaged, or from which somebody removes files.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use burn::prelude::*;
use svg_store::{Safetensors, TensorEntry, TensorHeader, sha256_file, write_safetensors};
use svg_train::cache::{
    CacheError, CacheEvent, CacheInputs, CacheType, Item, LatentCache, Variants, write_cache,
};

use crate::cache::{Place, contents};

/// Bytes of which one bit is another.
fn changed(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

/// Reads every number of a cache.
fn read(cache: &LatentCache) -> Result<(), CacheError> {
    let count = cache.plan().variants.count();
    let pictures = (0..cache.len()).filter(|picture| cache.label(*picture).is_some());
    let items =
        pictures.flat_map(|picture| (0..count).map(move |variant| Item { picture, variant }));
    let items: Vec<Item> = items.collect();
    cache.features(&items, &Device::default()).map(|_| ())
}

#[test]
fn a_changed_bit_anywhere_in_a_shard_is_an_error() {
    let place = Place::new();
    place.whole("cache", &place.plan(Variants::Mirrored, CacheType::F16));
    let opened = || LatentCache::open(&place.path("cache")).and_then(|cache| read(&cache));
    opened().unwrap();
    for number in 0..4usize {
        let shard = place.path(&format!("cache/shard-{number:05}.safetensors"));
        let whole = std::fs::read(&shard).unwrap();
        // Another bit of every eleventh byte.
        for bit in (number..8 * whole.len()).step_by(89) {
            std::fs::write(&shard, changed(&whole, bit)).unwrap();
            let error = opened().unwrap_err();
            assert!(
                matches!(error, CacheError::Shard { .. }),
                "bit {bit}: {error}"
            );
        }
        std::fs::write(&shard, whole).unwrap();
    }
    opened().unwrap();
}

#[test]
fn a_kept_shard_is_compared_with_its_checksums_before_there_is_an_index() {
    let place = Place::new();
    let plan = place.plan(Variants::Mirrored, CacheType::F16);
    place.whole("whole", &plan);
    assert_eq!(place.write("cache", &plan, 4).unwrap(), None);
    let shard = place.path("cache/shard-00000.safetensors");
    let whole = std::fs::read(&shard).unwrap();
    std::fs::write(&shard, changed(&whole, 8 * whole.len() - 1)).unwrap();
    place.whole("cache", &plan);
    assert!(contents(&place.path("cache")) == contents(&place.path("whole")));
}

/// Makes a cache one of format 1, which has no checksums, with other features that its hashes are of.
fn make_format_1(place: &Place, change: impl Fn(&mut [u8])) {
    let index = place.path("cache/cache.json");
    let text = std::fs::read_to_string(&index).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["format"] = 1.into();
    for number in 0..4usize {
        let path = place.path(&format!("cache/shard-{number:05}.safetensors"));
        let shard = Safetensors::open(&path).unwrap();
        let tensors = shard
            .tensors()
            .iter()
            .filter(|tensor| tensor.name != "sums");
        let tensors: Vec<_> = tensors.collect();
        let headers: Vec<_> = tensors.iter().copied().map(header_of).collect();
        let metadata: BTreeMap<_, _> = shard.metadata().clone().into_iter().collect();
        let bytes = |index: usize| {
            let mut bytes = shard.data(tensors[index]).to_vec();
            if tensors[index].name == "features" {
                change(&mut bytes);
            }
            Ok(bytes)
        };
        write_safetensors(&path, &headers, &metadata, bytes).unwrap();
        let entry = json["shards"][number].as_object_mut().unwrap();
        entry.remove("head");
        entry["file"]["bytes"] = std::fs::metadata(&path).unwrap().len().into();
        entry["file"]["sha256"] = sha256_file(&path).unwrap().into();
    }
    std::fs::write(&index, json.to_string()).unwrap();
}

fn header_of(tensor: &TensorEntry) -> TensorHeader<'_> {
    TensorHeader {
        name: &tensor.name,
        dtype: tensor.dtype,
        shape: &tensor.shape,
    }
}

#[test]
fn a_cache_of_format_1_is_read_and_its_hashes_are_compared_first() {
    let place = Place::new();
    place.whole("cache", &place.plan(Variants::Mirrored, CacheType::F16));
    make_format_1(&place, |_| ());
    let open = || LatentCache::open(&place.path("cache"));
    read(&open().unwrap()).unwrap();

    let shard = place.path("cache/shard-00002.safetensors");
    let whole = std::fs::read(&shard).unwrap();
    std::fs::write(&shard, changed(&whole, 8 * whole.len() - 1)).unwrap();
    let error = open().unwrap_err().to_string();
    assert!(
        error.contains("shard-00002.safetensors: its SHA-256"),
        "{error}"
    );
}

#[test]
fn features_that_are_no_numbers_are_an_error_though_their_hashes_are_right() {
    let place = Place::new();
    for (dtype, nan) in [
        (CacheType::F16, &0x7e00u16.to_le_bytes()[..]),
        (CacheType::F32, &f32::NAN.to_le_bytes()[..]),
    ] {
        place.whole("cache", &place.plan(Variants::Mirrored, dtype));
        make_format_1(&place, |features| {
            features[..nan.len()].copy_from_slice(nan);
        });
        let cache = LatentCache::open(&place.path("cache")).unwrap();
        let error = read(&cache).unwrap_err().to_string();
        assert!(error.contains("is infinite or no number"), "{error}");
        drop(cache);
        std::fs::remove_dir_all(place.path("cache")).unwrap();
    }
}

#[test]
fn a_shard_that_is_removed_while_others_are_made_is_an_error() {
    let place = Place::new();
    let plan = place.plan(Variants::Mirrored, CacheType::F16);
    let first = place.path("cache/shard-00000.safetensors");
    let mut watch = |_: CacheEvent| {
        let _ = std::fs::remove_file(&first);
        ControlFlow::Continue(())
    };
    let inputs = CacheInputs {
        out: &place.path("cache"),
        plan: &plan,
        data: place.data.clone(),
        space: &place.model,
        batch: 2,
        workers: 2,
    };
    let error = write_cache(inputs, &Device::default(), &mut watch).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("shard-00000.safetensors: it was removed or changed"),
        "{error}"
    );
}

#[test]
fn a_damaged_shard_is_named_and_made_again_alone() {
    let place = Place::new();
    let plan = place.plan(Variants::Mirrored, CacheType::F16);
    place.whole("cache", &plan);
    let expected = contents(&place.path("cache"));
    let shard = place.path("cache/shard-00001.safetensors");
    let whole = std::fs::read(&shard).unwrap();
    let refused = || {
        LatentCache::open(&place.path("cache"))
            .unwrap_err()
            .to_string()
    };
    let repaired = || {
        place.whole("cache", &plan).verify().unwrap();
        assert!(contents(&place.path("cache")) == expected);
    };

    std::fs::remove_file(&shard).unwrap();
    assert!(
        refused().contains("shard-00001.safetensors: it is missing"),
        "{}",
        refused()
    );
    repaired();

    std::fs::write(&shard, &whole[..whole.len() - 9]).unwrap();
    assert!(refused().contains("`svg cache` command"), "{}", refused());
    repaired();

    std::fs::write(&shard, changed(&whole, 8 * whole.len() - 1)).unwrap();
    let cache = LatentCache::open(&place.path("cache")).unwrap();
    let error = cache.verify().unwrap_err().to_string();
    assert!(error.contains("its SHA-256 is"), "{error}");
    let error = read(&cache).unwrap_err().to_string();
    assert!(
        error.contains("shard-00001.safetensors: the features of picture"),
        "{error}"
    );
    drop(cache);
    repaired();

    std::fs::copy(place.path("cache/shard-00000.safetensors"), &shard).unwrap();
    assert!(refused().contains("it is shard 0, not 1"), "{}", refused());
    repaired();
}
