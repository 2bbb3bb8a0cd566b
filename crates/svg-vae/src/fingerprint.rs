//! A hash of everything that latents depend on.

use burn::store::bridge;
use svg_nn::StoredTensor;
use svg_store::Sha256;

use crate::KlVaeConfig;

/// The SHA-256, in hexadecimal, of the encoder's weights, the groups of its norms and how latents are scaled. The decoder
/// is no part of it. `tensors` have the network's names.
///
/// # Errors
///
/// In words, which tensor cannot be read.
pub fn fingerprint(config: &KlVaeConfig, tensors: &[StoredTensor]) -> Result<String, String> {
    let mut hash = Sha256::new();
    // Shapes tell every other size.
    hash.update(format!("kl_vae, {} groups\n", config.norm_groups));
    let mut encoder: Vec<_> = tensors
        .iter()
        .filter(|tensor| {
            let part = tensor.name.split('.').next();
            matches!(part, Some("encoder" | "quant_conv"))
        })
        .collect();
    encoder.sort_by(|a, b| a.name.cmp(&b.name));
    for tensor in encoder {
        let shape = tensor.shape.to_vec();
        hash.update(format!("{} {shape:?}\n", tensor.name));
        let data = bridge::to_data(tensor).map_err(|error| format!("{}: {error}", tensor.name))?;
        for value in data.iter::<f32>() {
            hash.update(value.to_le_bytes());
        }
    }
    for (name, numbers) in [("shift", &config.shift), ("scale", &config.scale)] {
        hash.update(name);
        for number in numbers {
            hash.update(number.to_le_bytes());
        }
    }
    Ok(hash.finish())
}
