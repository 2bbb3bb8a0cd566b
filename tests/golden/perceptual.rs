//! LPIPS against the reference, with weights by formula.

use std::path::Path;

use burn::prelude::*;
use serde::Deserialize;
use svg_eval::Lpips;
use svg_nn::StoredTensor;

use super::compare::assert_close;
use super::fill::{Named, murmur_fill_with_gain, murmur_tensor, murmur_units, stored};

#[derive(Deserialize)]
struct Expected {
    lpips: Case,
}

#[derive(Deserialize)]
struct Case {
    out: Vec<f32>,
    vgg_keys: Vec<String>,
}

/// LPIPS with VGG16 by the rule of `formula.json`, under the names of its public files, and linear layers
/// made of absolute values.
pub fn formula_lpips(device: &Device) -> Lpips {
    let vgg = murmur_fill_with_gain(&vgg_named(), "vgg.", 2f64.sqrt());
    Lpips::from_tensors(vgg, Some(linears()), "formula", device).unwrap()
}

fn vgg_named() -> Vec<Named> {
    let slices = [
        (1, vec![(0, 3, 64), (2, 64, 64)]),
        (2, vec![(5, 64, 128), (7, 128, 128)]),
        (3, vec![(10, 128, 256), (12, 256, 256), (14, 256, 256)]),
        (4, vec![(17, 256, 512), (19, 512, 512), (21, 512, 512)]),
        (5, vec![(24, 512, 512), (26, 512, 512), (28, 512, 512)]),
    ];
    let convolutions = slices
        .into_iter()
        .flat_map(|(slice, layers)| layers.into_iter().map(move |layer| (slice, layer)));
    let named = convolutions.flat_map(|(slice, (place, from, to))| {
        let name = format!("slice{slice}.{place}");
        [
            (format!("{name}.weight"), vec![to, from, 3, 3]),
            (format!("{name}.bias"), vec![to]),
        ]
    });
    named.collect()
}

fn linears() -> Vec<StoredTensor> {
    let layer = |(k, channels): (usize, usize)| {
        let units = murmur_units(&format!("lpips.lin{k}"), channels);
        let values = units.into_iter().map(f32::abs).collect();
        stored(
            &format!("lin{k}.model.1.weight"),
            &[1, channels, 1, 1],
            values,
        )
    };
    [64, 128, 256, 512, 512]
        .into_iter()
        .enumerate()
        .map(layer)
        .collect()
}

#[cfg_attr(test, test)]
pub fn perceptual_distances_are_those_of_the_reference() {
    let path = Path::new("tests/golden/svg/expected.json");
    let text = std::fs::read_to_string(path).unwrap();
    let expected: Expected = serde_json::from_str(&text).unwrap();
    let names: Vec<_> = vgg_named().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, expected.lpips.vgg_keys);

    let device = Device::default();
    let lpips = formula_lpips(&device);
    let a = murmur_tensor("lp.a", [2, 3, 64, 64], 1.0, &device);
    let b = murmur_tensor("lp.b", [2, 3, 64, 64], 0.3, &device) + a.clone() * 0.7;
    let distance = lpips.forward(a.clone(), b.clone());
    assert_close("distance", distance, &expected.lpips.out, 2e-6);

    let a = Tensor::from_data(a.into_data(), &device.autodiff());
    let distance = lpips.forward(a.require_grad(), b);
    assert_close(
        "distance on a graph",
        distance.inner(),
        &expected.lpips.out,
        2e-6,
    );
}
