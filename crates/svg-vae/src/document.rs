//! The `config.json` of diffusers.

use serde_json::{Value, json};
use svg_store::plain_json;

use crate::KlVaeConfig;

/// The autoencoder's name in diffusers.
const CLASS: &str = "AutoencoderKL";

/// What `config.json` says of an autoencoder, in which other programs may write more.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Document {
    pub norm_groups: Option<usize>,
    pub resolution: Option<usize>,
    pub shift: Option<Vec<f64>>,
    pub scale: Option<Vec<f64>>,
}

impl Document {
    /// Reads a document beside weights of these sizes; `None` if it is of something else than an autoencoder.
    ///
    /// # Errors
    ///
    /// In words, what cannot be used or contradicts the shapes.
    pub fn read(text: &str, found: &KlVaeConfig) -> Result<Option<Self>, String> {
        let document: Value = plain_json(text)?;
        let class = document.get("_class_name").and_then(Value::as_str);
        if class != Some(CLASS) {
            return Ok(None);
        }
        let count = |key: &str| match document.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let number = value
                    .as_u64()
                    .and_then(|number| usize::try_from(number).ok());
                let number = number.ok_or_else(|| format!("{key} is {value}, which is no count"));
                number.map(Some)
            }
        };
        let numbers = |key: &str| match document.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let list = match value {
                    Value::Array(list) => list.iter().map(Value::as_f64).collect(),
                    value => value.as_f64().map(|number| vec![number]),
                };
                let list = list.ok_or_else(|| format!("{key} is {value}, which is no number"));
                list.map(Some)
            }
        };
        let clash = |key: &str, said: String, found: String| {
            Err(format!(
                "{key} is {said}, and the shapes of the weights say {found}; is it the document of another file?"
            ))
        };
        if let Some(act) = document.get("act_fn").and_then(Value::as_str)
            && !["silu", "swish"].contains(&act)
        {
            return Err(format!(
                "act_fn is {act:?}; autoencoders with silu are read"
            ));
        }
        if document.get("mid_block_add_attention") == Some(&Value::Bool(false)) {
            return Err(
                "mid_block_add_attention is false; autoencoders with attention in the middle are read".into(),
            );
        }
        let sizes = [
            ("latent_channels", found.latent_channels),
            ("layers_per_block", found.n_res_blocks),
        ];
        for (key, found) in sizes {
            if let Some(said) = count(key)?.filter(|said| *said != found) {
                return clash(key, said.to_string(), found.to_string());
            }
        }
        let levels = 0..found.width_multipliers.len();
        let widths: Vec<f64> = levels.map(|level| found.channels(level) as f64).collect();
        if let Some(said) = numbers("block_out_channels")?.filter(|said| *said != widths) {
            return clash(
                "block_out_channels",
                format!("{said:?}"),
                format!("{widths:?}"),
            );
        }
        let (mean, deviation) = (numbers("latents_mean")?, numbers("latents_std")?);
        let (factor, shift) = (numbers("scaling_factor")?, numbers("shift_factor")?);
        let (shift, scale) = match (mean, deviation) {
            (Some(mean), Some(deviation)) => {
                let factor = factor.and_then(|factor| factor.first().copied());
                let factor = factor.unwrap_or(1.0);
                let scale = deviation.iter().map(|deviation| factor / deviation);
                (Some(mean), Some(scale.collect()))
            }
            (None, None) => (shift, factor),
            _ => return Err("one of latents_mean and latents_std is missing".to_string()),
        };
        Ok(Some(Self {
            norm_groups: count("norm_num_groups")?,
            resolution: count("sample_size")?,
            shift,
            scale,
        }))
    }
}

/// The `config.json` with which diffusers reads an autoencoder.
pub fn document(config: &KlVaeConfig) -> Value {
    let levels = 0..config.width_multipliers.len();
    let widths: Vec<usize> = levels.clone().map(|level| config.channels(level)).collect();
    let blocks = |attention: &[usize], with: &str, without: &str| -> Vec<String> {
        let levels = levels.clone();
        levels
            .map(|level| match attention.contains(&level) {
                true => with.to_string(),
                false => without.to_string(),
            })
            .collect()
    };
    let down = blocks(
        &config.encoder_attention,
        "AttnDownEncoderBlock2D",
        "DownEncoderBlock2D",
    );
    // In the order of execution.
    let mut up = blocks(
        &config.decoder_attention,
        "AttnUpDecoderBlock2D",
        "UpDecoderBlock2D",
    );
    up.reverse();
    let mut document = json!({
        "_class_name": CLASS,
        "act_fn": "silu",
        "block_out_channels": widths,
        "down_block_types": down,
        "in_channels": 3,
        "latent_channels": config.latent_channels,
        "layers_per_block": config.n_res_blocks,
        "norm_num_groups": config.norm_groups,
        "out_channels": 3,
        "sample_size": config.resolution,
        "up_block_types": up,
        "use_post_quant_conv": config.post_quant_conv,
        "use_quant_conv": config.quant_conv,
    });
    let said = match (&config.shift[..], &config.scale[..]) {
        ([shift], [scale]) => [
            ("shift_factor", (*shift != 0.0).then(|| json!(shift))),
            ("scaling_factor", Some(json!(scale))),
            ("latents_mean", None),
        ],
        (shift, scale) => {
            let channels = config.latent_channels;
            let each = |numbers: &[f64]| match numbers {
                [number] => vec![*number; channels],
                numbers => numbers.to_vec(),
            };
            let deviation = each(scale).into_iter().map(|scale| 1.0 / scale);
            [
                ("scaling_factor", Some(json!(1.0))),
                ("latents_mean", Some(json!(each(shift)))),
                ("latents_std", Some(json!(deviation.collect::<Vec<_>>()))),
            ]
        }
    };
    for (key, value) in said {
        if let Some(value) = value {
            document[key] = value;
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    const SD: &str = r#"{"_class_name": "AutoencoderKL", "_diffusers_version": "0.4.2", "act_fn": "silu",
        "block_out_channels": [128, 256, 512, 512], "in_channels": 3, "latent_channels": 4, "layers_per_block": 2,
        "norm_num_groups": 32, "out_channels": 3, "sample_size": 256, "scaling_factor": 0.18215}"#;

    #[test]
    fn the_scaling_factor_and_what_shapes_do_not_show_are_read() {
        let document = Document::read(SD, &KlVaeConfig::sd()).unwrap().unwrap();
        let want = Document {
            norm_groups: Some(32),
            resolution: Some(256),
            shift: None,
            scale: Some(vec![0.18215]),
        };
        assert_eq!(document, want);
        let channels = SD.replace(
            r#""scaling_factor": 0.18215"#,
            r#""latents_mean": [0.5, 1, 0, 0], "latents_std": [2.0, 4, 1, 1], "scaling_factor": 0.5"#,
        );
        let document = Document::read(&channels, &KlVaeConfig::sd())
            .unwrap()
            .unwrap();
        assert_eq!(document.shift, Some(vec![0.5, 1.0, 0.0, 0.0]));
        assert_eq!(document.scale, Some(vec![0.25, 0.125, 0.5, 0.5]));
    }

    #[test]
    fn what_is_written_is_read() {
        let statistics = KlVaeConfig::va_vae().with_statistics(&[0.5; 32], &[2.0; 32]);
        for config in [KlVaeConfig::sd(), KlVaeConfig::mar(), statistics] {
            let text = document(&config).to_string();
            let read = Document::read(&text, &config).unwrap().unwrap();
            assert_eq!(read.norm_groups, Some(32));
            assert_eq!(read.resolution, Some(256));
            assert_eq!(read.scale.as_ref(), Some(&config.scale));
            assert_eq!(read.shift.unwrap_or(vec![0.0]), config.shift);
        }
        let types = &document(&KlVaeConfig::va_vae())["up_block_types"];
        assert_eq!(types[0], "AttnUpDecoderBlock2D");
        assert_eq!(types[4], "UpDecoderBlock2D");
    }

    #[test]
    fn a_document_of_another_file_is_an_error_that_says_both() {
        let of = |text: &str| Document::read(text, &KlVaeConfig::sd());
        for (from, to, said) in [
            (
                r#""latent_channels": 4"#,
                r#""latent_channels": 16"#,
                "latent_channels is 16, and the shapes of the weights say 4",
            ),
            (
                "[128, 256, 512, 512]",
                "[128, 256]",
                "say [128.0, 256.0, 512.0, 512.0]",
            ),
            (r#""silu""#, r#""gelu""#, "act_fn is \"gelu\""),
            (
                "0.18215",
                "\"a\"",
                "scaling_factor is \"a\", which is no number",
            ),
        ] {
            let error = of(&SD.replace(from, to)).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        let unet = SD.replace("AutoencoderKL", "UNet2DConditionModel");
        assert_eq!(of(&unet).unwrap(), None);
    }
}
