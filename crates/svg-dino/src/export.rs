//! The names of the network to any public layout.

use std::collections::BTreeMap;

use burn::store::{bridge, burn_pack::Bytes};
use burn::tensor::{TensorData, bf16};
use svg_nn::StoredTensor;

use crate::layout::Layout;
use crate::{DinoConfig, FeedForwardKind, RopePeriods, rope_periods, rows};

/// The parameters as the public files of `layout` hold them, sorted by name, in their own types.
pub(crate) fn export(
    tensors: &BTreeMap<String, StoredTensor>,
    config: &DinoConfig,
    layout: Layout,
) -> Vec<StoredTensor> {
    let gated = config.feed_forward == FeedForwardKind::SwiGlu;
    let mut out = Vec::new();
    for (path, tensor) in tensors {
        // Keys have no bias in files that have thirds.
        let stored = (0..3).filter(|third| *third != 1 || !path.ends_with(".bias"));
        let names = stored.filter_map(|third| Some((third, layout.name_of_third(path, third)?)));
        let thirds: Vec<_> = names
            .map(|(third, name)| rows::third(tensor, name, third))
            .collect();
        match layout {
            _ if !thirds.is_empty() => out.extend(thirds),
            Layout::Timm if path == "mask_token" => {}
            Layout::Official if path == "mask_token" => {
                let width = config.d_model;
                out.push(rows::renamed(tensor.clone(), path.clone(), vec![1, width]));
            }
            _ => {
                let name = layout.name_of(path, gated).unwrap_or_else(|| path.clone());
                out.push(rows::renamed(tensor.clone(), name, tensor.shape.to_vec()));
            }
        }
    }
    match layout {
        Layout::Official => out.extend(official_buffers(config)),
        // transformers has the parameter in any case.
        Layout::HuggingFace if config.n_registers == 0 => out.extend(no_registers(tensors, config)),
        _ => {}
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    out
}

/// Registers of a network without any, in the number type of the class token.
fn no_registers(
    tensors: &BTreeMap<String, StoredTensor>,
    config: &DinoConfig,
) -> Option<StoredTensor> {
    let dtype = tensors.get("cls_token")?.dtype;
    let name = Layout::HuggingFace.name_of("register_tokens", false)?;
    let shape = vec![1, 0, config.d_model];
    let nothing = || Ok(Bytes::from_bytes_vec(Vec::new()));
    Some(StoredTensor::deferred(name, dtype, shape, None, 0, nothing))
}

/// What only official files store: periods in bfloat16, and a mask for every fused bias.
fn official_buffers(config: &DinoConfig) -> Vec<StoredTensor> {
    let periods = rope_periods(
        config.head_dim(),
        config.rope_base,
        RopePeriods::Bf16Rounded,
    );
    let periods: Vec<bf16> = periods.into_iter().map(bf16::from_f32).collect();
    let shape = [periods.len()];
    let mut out = vec![bridge::from_data(
        TensorData::new(periods, shape),
        "rope_embed.periods".to_string(),
        None,
    )];
    if config.qkv_bias {
        let width = config.d_model;
        let data = TensorData::new(rows::key_mask(width), [3 * width]);
        out.extend((0..config.n_layers).map(|block| {
            let name = format!("blocks.{block}.attn.qkv.bias_mask");
            bridge::from_data(data.clone(), name, None)
        }));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dino, DinoFile};
    use burn::prelude::*;
    use burn::tensor::Distribution;

    /// A network that was drawn says the same after it went through an official file.
    fn check(config: DinoConfig) {
        let config = config.with_rope_periods(RopePeriods::Bf16Rounded);
        let device = Device::default();
        let dino = config.clone().with_layer_scale(0.5).init(&device);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dino.safetensors");
        DinoFile::of(&dino).save(Layout::Official, &path).unwrap();
        let loaded = Dino::load(&path, &device).unwrap();
        assert_eq!(*loaded.config(), config);
        let images = Tensor::random([2, 3, 8, 12], Distribution::Uniform(-1.0, 1.0), &device);
        let (said, again) = (dino.forward(images.clone()), loaded.forward(images));
        said.cls.into_data().assert_eq(&again.cls.into_data(), true);
        said.patches
            .into_data()
            .assert_eq(&again.patches.into_data(), true);
    }

    #[cfg(unix)]
    #[test]
    fn every_file_of_a_saved_folder_has_the_permissions_of_an_ordinary_file() {
        use std::os::unix::fs::PermissionsExt;
        let dino = DinoConfig::new(16, 1, 2, 32).init(&Device::default());
        let place = tempfile::tempdir().unwrap();
        let (folder, ordinary) = (place.path().join("hub"), place.path().join("ordinary"));
        DinoFile::of(&dino)
            .save(Layout::HuggingFace, &folder)
            .unwrap();
        std::fs::write(&ordinary, "").unwrap();
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode();
        let files = std::fs::read_dir(folder).unwrap();
        let modes: Vec<_> = files.map(|file| mode(&file.unwrap().path())).collect();
        assert_eq!(modes, [mode(&ordinary); 3]);
    }

    #[test]
    fn an_official_file_keeps_what_the_network_says() {
        let tiny = DinoConfig::new(16, 2, 2, 32).with_patch_size(4);
        check(tiny.clone());
        check(tiny.clone().with_n_registers(0));
        check(tiny.clone().with_qkv_bias(false));
        check(tiny.with_feed_forward(FeedForwardKind::SwiGlu));
    }
}
