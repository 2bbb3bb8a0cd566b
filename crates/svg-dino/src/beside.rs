//! What stands beside the weights: `config.json` of transformers or timm, `preprocessor_config.json`.

use std::path::Path;

use serde_json::Value;
use svg_store::read_if_there;

use crate::said::Said;
use crate::statistics::of_preprocessor;
use crate::{DinoError, PixelStatistics, hub, timm};

const CONFIG: &str = "config.json";
const PREPROCESSOR: &str = "preprocessor_config.json";

/// What the documents in the folder of a weight file say.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// The architecture.
    pub said: Option<Said>,
    /// Pixel statistics, each with the name of its document.
    pub pixels: Vec<(String, PixelStatistics)>,
}

impl Beside {
    /// Reads both documents where they are and are about a model; other programs have a `config.json`, too.
    pub fn read(weights: &Path) -> Result<Self, DinoError> {
        let mut beside = Self::default();
        let path = weights.with_file_name(CONFIG);
        if let Some(document) = read_json(&path)? {
            let said = match timm::is_timm(&document) {
                true => {
                    let pixels = timm::pixels(&document).map_err(|reason| wrong(&path, reason))?;
                    let pixels = pixels.map(|pixels| (CONFIG.to_string(), pixels));
                    beside.pixels.extend(pixels);
                    timm::said(&document).map(Some)
                }
                false => hub::said(&document),
            };
            beside.said = said.map_err(|reason| wrong(&path, reason))?;
        }
        let path = weights.with_file_name(PREPROCESSOR);
        if let Some(document) = read_json(&path)? {
            let pixels = of_preprocessor(&document).map_err(|reason| wrong(&path, reason))?;
            let pixels = pixels.map(|pixels| (PREPROCESSOR.to_string(), pixels));
            beside.pixels.extend(pixels);
        }
        Ok(beside)
    }
}

/// Whether documents there say anything of a model, or would if they could be read.
pub(crate) fn stands_beside(weights: &Path) -> bool {
    let beside = Beside::read(weights);
    beside.map_or(true, |beside| {
        beside.said.is_some() || !beside.pixels.is_empty()
    })
}

/// The statistics that all documents agree on.
///
/// # Errors
///
/// In words, two that differ.
pub(crate) fn agreed(
    said: &[(String, PixelStatistics)],
) -> Result<Option<PixelStatistics>, String> {
    let Some((source, first)) = said.first() else {
        return Ok(None);
    };
    let numbers = |pixels: &PixelStatistics| [pixels.mean, pixels.std].concat();
    let same = |other: &PixelStatistics| {
        let mut pairs = numbers(first).into_iter().zip(numbers(other));
        pairs.all(|(a, b)| (a - b).abs() < 1e-6)
    };
    match said.iter().find(|(_, other)| !same(other)) {
        None => Ok(Some(*first)),
        Some((other, pixels)) => Err(format!(
            "{source} and {other} beside it differ in the pixel statistics: mean {:?} and {:?}, std {:?} and \
             {:?}; remove or correct one",
            first.mean, pixels.mean, first.std, pixels.std
        )),
    }
}

fn wrong(path: &Path, reason: String) -> DinoError {
    DinoError::Config {
        path: path.to_path_buf(),
        reason,
    }
}

fn read_json(path: &Path) -> Result<Option<Value>, DinoError> {
    let text = read_if_there(path);
    let text = text.map_err(|cause| wrong(path, format!("cannot be read: {cause}")))?;
    let Some(text) = text else {
        return Ok(None);
    };
    let value = serde_json::from_str(text.trim_start_matches('\u{feff}'));
    let value = value.map_err(|cause| wrong(path, format!("is not JSON: {cause}")))?;
    Ok(Some(value))
}
