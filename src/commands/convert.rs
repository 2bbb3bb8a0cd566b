//! `svg convert`: one layout of weights to another.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use clap::{Args, ValueEnum};
use svg_dino::{DinoError, Half, Layout, RopePeriods};
use svg_nn::unusable;
use svg_store::printable;

use crate::any_weights::AnyWeights;
use crate::commands::outputs::{Outputs, hold_folder};
use crate::commands::print;
use crate::encoder::{Hints, say, say_notes};
use crate::progress::status;

/// Rewrite weights of an encoder in another layout
///
/// Numbers keep their type and value, but for --half. To a name that ends in .safetensors one file is written; any
/// other name becomes a folder as the Hugging Face hub has it, with the config.json of transformers for --to hf and that of
/// timm for --to timm. What the layout cannot say of the network is kept in the metadata of the file and printed.
#[derive(Args)]
#[command(after_help = "Examples:
  svg convert dinov3_vits16plus_pretrain_lvd1689m-4057cbaa.pth vits16plus-hf/ --to hf
  svg convert dinov3-vits16plus/model.safetensors vits16plus.safetensors --to official
  svg convert runs/nano/encoder.safetensors nano.safetensors --to official --half
  svg convert dinov3_vitl16.pth vitl16-timm/ --to timm --half=bf16")]
pub struct Convert {
    /// Weights in any layout
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// What to write: a .safetensors file or a folder
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// The layout to write
    #[arg(long, value_enum)]
    to: Target,
    /// Store numbers in 16 bits, which halves the file: f16 rounds each weight to 11 binary digits and ends at 65504,
    /// bf16 rounds to 8 and has the range of f32. --half alone means f16
    #[arg(long, value_enum, value_name = "TYPE", num_args = 0..=1, require_equals = true,
          default_missing_value = "f16")]
    half: Option<HalfType>,
    /// Architecture, where the file does not say it: vits16, vits16plus, vitb16, ...
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Which network of the weight file, where it holds several: the names before its tensors, such as ema or
    /// student.backbone [default: averaged weights, where there are any]
    #[arg(long, value_name = "KEY")]
    weights_key: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Target {
    Official,
    Hf,
    Timm,
}

#[derive(Clone, Copy, ValueEnum)]
enum HalfType {
    F16,
    Bf16,
}

impl Convert {
    pub fn run(self) -> Result<()> {
        let extension = self.output.extension().and_then(|e| e.to_str());
        if let Some(extension @ ("pth" | "pt" | "ckpt" | "bin")) = extension {
            bail!(
                "files of torch.save (.{extension}) are read but not written; name a .safetensors \
                 file, which PyTorch reads with safetensors.torch.load_file"
            );
        }
        let outputs = Outputs::default().reads("IN", [&self.input]);
        let outputs = match extension {
            Some("safetensors") => outputs.file("OUT", [&self.output]),
            _ => {
                let names = [
                    "model.safetensors",
                    "config.json",
                    "preprocessor_config.json",
                ];
                let written = names.map(|name| self.output.join(name));
                outputs.folder("OUT", [&self.output]).file("OUT", written)
            }
        };
        outputs.check()?;
        let hints = Hints {
            model: self.model.as_deref(),
            key: self.weights_key.as_deref(),
        };
        let mut file = match AnyWeights::open(&self.input, hints)?.into_dino() {
            Ok(file) => file,
            Err(other) => return self.convert_other(&other, extension == Some("safetensors")),
        };
        if let Some(half) = self.half {
            let half = match half {
                HalfType::F16 => Half::F16,
                HalfType::Bf16 => Half::Bf16,
            };
            file = file.in_half(half).map_err(|error| match error {
                DinoError::Range { .. } => {
                    anyhow!("{error}: --half=bf16, or leave out --half. Nothing was written")
                }
                other => other.into(),
            })?;
        }
        // Others would go unseen into the next file.
        if let Some(reason) = file.tensors().find_map(unusable) {
            bail!("{reason}; nothing was written. `svg info` looks through the whole file");
        }
        say_notes(&file);
        let layout = match self.to {
            Target::Official => Layout::Official,
            Target::Hf => Layout::HuggingFace,
            Target::Timm => Layout::Timm,
        };
        say_left_out(file.dropped());
        if file.layout() == Layout::Timm && layout != Layout::Timm {
            status!("note: timm's files have no mask token; it becomes zero");
        } else if file.loses_mask_token(layout)? {
            status!("note: timm's files have no mask token; it is left out");
        }
        let stored = match layout {
            Layout::Official => RopePeriods::Bf16Rounded,
            _ => RopePeriods::Exact,
        };
        if file.config().rope_periods != stored {
            status!(
                "note: position periods are {:?} in the input and {stored:?} in {} files; features \
                 differ by up to 1e-3",
                file.config().rope_periods,
                layout.name()
            );
        }
        let is_file = extension == Some("safetensors");
        let held = (!is_file).then(|| hold_folder(&self.output, "OUT"));
        let _lock = held.transpose()?;
        let written = file.save(layout, &self.output)?;
        let untold = file.untold(layout, &self.output);
        if !untold.is_empty() {
            status!(
                "note: other programs have to be told {}; this one reads it from the metadata of the file",
                untold.join(", ")
            );
        }
        print(&format!(
            "{}: {} layout\n",
            written.display(),
            layout.name()
        ))
    }
}

impl Convert {
    /// Weights of another family than DINOv3.
    fn convert_other(&self, weights: &AnyWeights, is_file: bool) -> Result<()> {
        if self.half.is_some() {
            bail!("--half is for DINOv3; these weights are written in the types that they have");
        }
        if let Some(reason) = weights.tensors().find_map(unusable) {
            bail!("{reason}; nothing was written. `svg info` looks through the whole file");
        }
        say(weights.path(), weights.notes());
        say_left_out(weights.dropped());
        let layout = match self.to {
            Target::Official => "official",
            Target::Hf => "hf",
            Target::Timm => "timm",
        };
        let held = (!is_file).then(|| hold_folder(&self.output, "OUT"));
        let _lock = held.transpose()?;
        let written = weights.save(layout, &self.output)?;
        print(&format!("{}: {layout} layout\n", written.display()))
    }
}

/// Prints which tensors of the input are not written, each with its reason.
fn say_left_out(dropped: &[(String, String)]) {
    let mut by_reason: BTreeMap<&str, Vec<Cow<str>>> = BTreeMap::new();
    for (name, reason) in dropped {
        let names = by_reason.entry(reason).or_default();
        names.push(printable(name));
    }
    for (reason, names) in by_reason {
        let first = names[..names.len().min(3)].join(", ");
        let more = match names.len().saturating_sub(3) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        status!("note: left out: {first}{more} ({reason})");
    }
}
