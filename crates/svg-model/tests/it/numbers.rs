//! Numbers of a manifest: each is used or refused, and none leads to a panic.

use std::fs;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use serde_json::{Value, json};
use svg_flow::Progress;
use svg_model::{Bundle, ModelError, OpenOptions, Registry, Sampling};
use svg_roles::Condition;
use svg_store::extremes;

use crate::place::*;

/// A whole bundle, and its manifest.
fn whole() -> (Place, Value) {
    let place = Place::new();
    let (mut bundle, _) = place.write(true);
    let stored = latents(&bundle, 0.1);
    bundle.set_latent_statistics(&stored).unwrap();
    set_flow(&mut bundle, flow()).unwrap();
    let manifest = fs::read(place.path("bundle/manifest.json")).unwrap();
    (place, serde_json::from_slice(&manifest).unwrap())
}

/// Opens a bundle in all ways, and makes an image if it can.
fn used(place: &Place, folder: &Path) -> Result<(), ModelError> {
    let bundle = Bundle::open(folder)?;
    let registry = Registry::standard();
    let (device, options) = (&place.device, OpenOptions::default());
    let decode_only = OpenOptions {
        decode_only: true,
        ..OpenOptions::default()
    };
    registry.space(&bundle, &decode_only, device)?;
    registry.encoder(&bundle, &options, device)?;
    registry.velocity(&bundle, &options, device)?;
    let generator = registry.generator(&bundle, &options, device)?;
    let sampling = Sampling {
        steps: 1,
        ..Sampling::svg()
    };
    let (noise, condition) = (generator.noise(0, &[0]), Condition::classes(&[1], device));
    let go_on = &mut |_: &Progress| ControlFlow::Continue(());
    let sampled = generator.latents(noise, &condition, &[0], &sampling, go_on)?;
    let [_, channels, ..] = generator.images(sampled.latents).dims();
    assert_eq!(channels, 3);
    Ok(())
}

#[test]
fn every_number_of_a_manifest_is_used_or_refused() {
    let (place, manifest) = whole();
    let path = place.path("bundle/manifest.json");
    used(&place, &place.path("bundle")).unwrap();
    let (mut refused, mut taken) = (0, 0);
    for (what, changed) in extremes(&manifest) {
        fs::write(&path, changed.to_string()).unwrap();
        let folder = place.path("bundle");
        match catch_unwind(AssertUnwindSafe(|| used(&place, &folder))) {
            Ok(Ok(())) => taken += 1,
            Ok(Err(_)) => refused += 1,
            Err(_) => panic!("{what} panicked"),
        }
    }
    assert!(refused > 500 && taken > 10, "{refused} and {taken}");
}

#[test]
fn a_number_that_makes_no_model_is_named_by_its_path() {
    let (place, manifest) = whole();
    let path = place.path("bundle/manifest.json");
    for (field, value, expected) in [
        (
            "/parts/flow/config/n_heads",
            json!(1_u64 << 62),
            "part flow: n_heads is 4611686018427387904; it must",
        ),
        (
            "/parts/flow/config/rows",
            json!(1_u64 << 32),
            "part flow: rows is 4294967296; it must lie",
        ),
        (
            "/parts/flow/velocity/channels",
            json!(25),
            "part flow: its velocity says",
        ),
        (
            "/parts/flow/velocity/grid/0",
            json!(1_u64 << 40),
            "parts.flow.velocity.grid[0] is 1099511627776; it must",
        ),
        (
            "/parts/flow/velocity/classes",
            json!(7),
            "parts.flow.classes has 2 names, and velocity.classes is 7",
        ),
        (
            "/parts/space/config/decoder/norm_groups",
            json!(0),
            "part space: decoder.norm_groups is 0; it must",
        ),
        (
            "/parts/space/config/decoder/out_channels",
            json!(1000),
            "decoder.out_channels is 1000; pictures have 3",
        ),
        (
            "/parts/space/config/residual/image_size",
            json!(17),
            "part space: residual.image_size is 17, and patches",
        ),
        (
            "/parts/space/config/residual/dropout",
            json!(3),
            "part space: residual.dropout is 3; it must",
        ),
        (
            "/parts/space/config/residual/d_ff",
            json!(0),
            "part space: residual.d_ff is 0; it must",
        ),
        (
            "/parts/space/geometry/rows",
            json!(0),
            "parts.space.geometry.rows is 0; it must",
        ),
        (
            "/parts/space/geometry/rows",
            json!(4),
            "is not that of its decoder",
        ),
        (
            "/parts/encoder/config/patch_size",
            json!(0),
            "part encoder: patch_size is 0; it must",
        ),
    ] {
        let mut changed = manifest.clone();
        *changed.pointer_mut(field).unwrap() = value;
        fs::write(&path, changed.to_string()).unwrap();
        let error = message(used(&place, &place.path("bundle")));
        assert!(error.contains(expected), "{field}: {error}");
    }
}
