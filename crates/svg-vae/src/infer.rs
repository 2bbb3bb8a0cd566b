//! Sizes from the shapes of tensors.

use svg_nn::StoredTensor;

use crate::KlVaeConfig;
use crate::config::LEVELS;

/// The sizes of the network of these tensors, which have the network's own names. Shapes do not show the number of
/// groups, the size of images or how latents are scaled: those are the defaults.
pub(crate) fn infer(tensors: &[StoredTensor]) -> Result<KlVaeConfig, String> {
    let shape = |name: &str| {
        let tensor = tensors.iter().find(|tensor| tensor.name == name);
        tensor.map(|tensor| tensor.shape.to_vec())
    };
    let expected = |name: &str| format!("there is no {name} of the expected shape");
    // Filters by outputs and inputs.
    let filters = |name: &str| match shape(name).as_deref() {
        Some([outputs, inputs, ..]) => Ok((*outputs, *inputs)),
        _ => Err(expected(name)),
    };
    let rows = |name: &str| shape(name).and_then(|shape| shape.first().copied());
    let (width, colours) = filters("encoder.conv_in.weight")?;
    if colours != 3 {
        return Err(format!(
            "its images have {colours} channels; images of 3 channels are encoded here"
        ));
    }
    let (moments, _) = filters("encoder.conv_out.weight")?;
    let (_, latents) = filters("decoder.conv_in.weight")?;
    if moments != 2 * latents {
        return Err(format!(
            "its encoder returns {moments} channels and its decoder takes {latents}; an encoder of a KL autoencoder \
             returns a mean and a variance for each channel of the decoder"
        ));
    }
    let mut widths = Vec::new();
    while let Some(width) = rows(&format!(
        "encoder.down.{}.block.0.conv1.weight",
        widths.len()
    )) {
        widths.push(width);
        if widths.len() > LEVELS {
            return Err(format!("its encoder has more than {LEVELS} levels"));
        }
    }
    if widths.is_empty() {
        return Err(expected("encoder.down.0.block.0.conv1.weight"));
    }
    if width == 0 || widths.iter().any(|level| level % width != 0) {
        return Err(format!(
            "the widths {widths:?} of its levels are no multiples of the {width} channels of its first convolution"
        ));
    }
    let blocks = (0usize..65)
        .take_while(|index| rows(&format!("encoder.down.0.block.{index}.conv1.weight")).is_some());
    let attends = |way: &str| -> Vec<usize> {
        let levels = 0..widths.len();
        levels
            .filter(|level| rows(&format!("{way}.{level}.attn.0.q.weight")).is_some())
            .collect()
    };
    Ok(KlVaeConfig::new(latents)
        .with_width(width)
        .with_width_multipliers(widths.iter().map(|level| level / width).collect())
        .with_n_res_blocks(blocks.count())
        .with_encoder_attention(attends("encoder.down"))
        .with_decoder_attention(attends("decoder.up"))
        .with_quant_conv(rows("quant_conv.weight").is_some())
        .with_post_quant_conv(rows("post_quant_conv.weight").is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use svg_nn::module_tensors;

    #[test]
    fn sizes_are_known_by_shapes() {
        let device = Default::default();
        let bare = KlVaeConfig::small_f8()
            .with_quant_conv(false)
            .with_post_quant_conv(false)
            .with_n_res_blocks(1)
            .with_decoder_attention(vec![3]);
        for config in [
            KlVaeConfig::sd(),
            KlVaeConfig::va_vae(),
            KlVaeConfig::mar(),
            bare,
        ] {
            // Parameters are drawn at first use, and nothing uses them here.
            let found = infer(&module_tensors(&config.init(&device))).unwrap();
            assert!(found.same_networks(&config), "{found}");
        }
        assert!(infer(&[]).unwrap_err().contains("encoder.conv_in.weight"));
    }
}
