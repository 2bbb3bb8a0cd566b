//! DINOv3 weights in any layout, with what tensors do not say.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::store::bridge;
use svg_nn::{LoadError, StoredTensor, save_tensors};
use svg_store::write_bytes;

use crate::beside::stands_beside;
use crate::export::export;
use crate::file::{CONFIG_KEY, ORIGIN, is_named_satellite};
use crate::infer::{infer, recognise_periods};
use crate::layout::Layout;
use crate::said::{differing, shown};
use crate::{
    DinoConfig, DinoError, DinoFile, PixelStatistics, RopePeriods, hub, rope_periods, rows, timm,
};

impl DinoFile {
    /// Writes the weights in another layout, in the number types that they have.
    ///
    /// To a name that ends in `.safetensors` the file alone; otherwise to a folder, as the hub keeps
    /// it: `model.safetensors`, `preprocessor_config.json` with the pixel statistics, and for
    /// [`Layout::HuggingFace`] and [`Layout::Timm`] their `config.json`. What the tensors would not be read as
    /// is in the metadata of the file, from where [`open`](Self::open) takes it: another epsilon, base, number
    /// of heads or pixel statistics than the usual. Only official files can say how periods are rounded,
    /// and those say bfloat16, as all published ones do.
    ///
    /// # Errors
    ///
    /// [`DinoError::Load`] if a tensor cannot be read or the file cannot be written,
    /// [`DinoError::Unwritable`] if keys have a bias.
    pub fn save(&self, layout: Layout, path: &Path) -> Result<PathBuf, DinoError> {
        // Loading checks shapes; writing must not make a broken file from a broken one either.
        self.check()?;
        self.check_keys(layout)?;
        let is_file = is_file(path);
        let file = match is_file {
            true => path.to_path_buf(),
            false => path.join("model.safetensors"),
        };
        let tensors = self.tensors_in(layout);
        let mut metadata = self.metadata(layout, &file);
        if is_file {
            // Those of another model would otherwise count for this one.
            if stands_beside(&file) {
                metadata.insert(CONFIG_KEY.to_string(), self.config_text(layout));
            }
            save_tensors(&file, &tensors, metadata)?;
            return Ok(file);
        }
        let failed = |path: &Path, source| LoadError::Write {
            path: path.to_path_buf(),
            source,
        };
        std::fs::create_dir_all(path).map_err(|source| failed(path, source))?;
        let index = path.join("model.safetensors.index.json");
        if index.exists() {
            let reason = "the folder holds a sharded model; choose another";
            return Err(failed(&index, std::io::Error::other(reason)).into());
        }
        let config = path.join("config.json");
        if layout == Layout::Official && config.exists() {
            let reason = "it would be read as that of the new weights; choose another folder";
            return Err(failed(&config, std::io::Error::other(reason)).into());
        }
        save_tensors(&file, &tensors, metadata)?;
        let json = match layout {
            Layout::HuggingFace => Some(hub::to_json(&self.config)),
            Layout::Timm => Some(timm::to_json(&self.config)),
            Layout::Official => None,
        };
        if let Some(json) = json {
            write_bytes(config, json).map_err(LoadError::from)?;
        }
        let statistics = hub::pixels_to_json(self.config.pixels);
        write_bytes(path.join("preprocessor_config.json"), statistics).map_err(LoadError::from)?;
        Ok(file)
    }

    /// The weights under the names of another layout, sorted by name, in the number types that they have.
    pub fn tensors_in(&self, layout: Layout) -> Vec<StoredTensor> {
        export(&self.contents.tensors, &self.config, layout)
    }

    /// The metadata of a file with [`tensors_in`](Self::tensors_in) that is written there: where the weights
    /// come from, and the configuration if the tensors alone would be read as another.
    pub fn metadata(&self, layout: Layout, file: &Path) -> HashMap<String, String> {
        let mut metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
        if let Some(origin) = self.origin() {
            metadata.insert(ORIGIN.to_string(), origin.to_string());
        }
        let said = self.said_by_tensors(layout, file);
        if !said.is_some_and(|said| differing(&said, &self.config).is_empty()) {
            metadata.insert(CONFIG_KEY.to_string(), self.config_text(layout));
        }
        metadata
    }

    /// The configuration as metadata, with the rounding of periods that files of the layout are read with.
    fn config_text(&self, layout: Layout) -> String {
        let config = self.config.clone().with_rope_periods(match layout {
            Layout::Official => RopePeriods::Bf16Rounded,
            _ => RopePeriods::Exact,
        });
        serde_json::to_string(&config).expect("plain fields always serialise")
    }

    /// What other programs cannot know of the network from what [`save`](Self::save) writes there: fields of
    /// the configuration and their values. This program reads them from the metadata of the file.
    pub fn untold(&self, layout: Layout, path: &Path) -> Vec<String> {
        let told: &[&str] = match (layout, is_file(path)) {
            // The stored periods show heads and base.
            (Layout::Official, _) => &["n_heads", "rope_base"],
            (_, true) => &[],
            (Layout::HuggingFace, false) => &["n_heads", "rope_base", "norm_eps", "pixels"],
            (Layout::Timm, false) => &["n_heads", "rope_base", "pixels"],
        };
        let usual = infer(&self.contents.tensors, None, None);
        let usual = usual.unwrap_or_else(|_| DinoConfig {
            // No number of heads is usual for these channels.
            n_heads: 0,
            ..self
                .config
                .clone()
                .with_rope_base(100.0)
                .with_norm_eps(1e-5)
        });
        let usual = usual.with_pixels(PixelStatistics::IMAGENET);
        let fields = differing(&usual, &self.config).into_iter();
        let fields = fields.filter(|field| !told.contains(&field.as_str()));
        fields
            .map(|field| format!("{field} {}", shown(&self.config, &field)))
            .collect()
    }

    /// Whether files in that layout have no place for the mask token, and it is not zero.
    ///
    /// # Errors
    ///
    /// [`DinoError::Device`] if it cannot be read.
    pub fn loses_mask_token(&self, layout: Layout) -> Result<bool, DinoError> {
        match self.contents.tensors.get("mask_token") {
            Some(token) if layout == Layout::Timm => Ok(largest(token)? > 0.0),
            _ => Ok(false),
        }
    }

    /// What [`open`](Self::open) would take the file for if it had no metadata and nothing beside it.
    fn said_by_tensors(&self, layout: Layout, file: &Path) -> Option<DinoConfig> {
        let config = &self.config;
        let rounding = RopePeriods::Bf16Rounded;
        let periods = (layout == Layout::Official)
            .then(|| rope_periods(config.head_dim(), config.rope_base, rounding));
        let said = infer(&self.contents.tensors, periods.as_deref(), None).ok()?;
        if let Some(periods) = periods {
            recognise_periods(&periods, &said).ok()?;
        }
        Some(said.with_pixels(match is_named_satellite(file) {
            true => PixelStatistics::SATELLITE,
            false => PixelStatistics::IMAGENET,
        }))
    }

    /// No layout has a bias of the keys that counts: official files mask it, the others have none.
    fn check_keys(&self, layout: Layout) -> Result<(), DinoError> {
        let biases = self.contents.tensors.iter();
        for (path, bias) in biases.filter(|(path, _)| path.ends_with(".attn.qkv.bias")) {
            let keys = largest(&rows::third(bias, path.clone(), 1))?;
            // Rounding in training is no bias.
            if keys > 1e-6 * largest(bias)? {
                return Err(DinoError::Unwritable {
                    layout: layout.name(),
                    reason: format!("{path} has a bias of the keys, up to {keys:e}"),
                });
            }
        }
        Ok(())
    }
}

/// The largest absolute value of a tensor.
fn largest(tensor: &StoredTensor) -> Result<f64, DinoError> {
    let data = bridge::to_data(tensor).map_err(|error| DinoError::Device {
        reason: format!("{}: {error}", tensor.name),
    })?;
    Ok(data
        .iter::<f64>()
        .fold(0.0, |largest, number| number.abs().max(largest)))
}

fn is_file(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "safetensors")
}
