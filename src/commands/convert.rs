//! `svg convert`: one layout of weights to another.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use svg_dino::{Layout, RopePeriods};

use crate::encoder::{Hints, open_weights, say_notes};

/// Rewrite DINOv3 weights in another layout
///
/// Numbers keep their type and value, but for --half. To a name that ends in .safetensors one file is written; any
/// other name becomes a folder as the Hugging Face hub has it, with config.json for --to hf.
#[derive(Args)]
#[command(after_help = "Examples:
  svg convert dinov3_vits16plus_pretrain_lvd1689m-4057cbaa.pth vits16plus-hf/ --to hf
  svg convert dinov3-vits16plus/model.safetensors vits16plus.safetensors --to official
  svg convert runs/nano/encoder.safetensors nano.safetensors --to official --half")]
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
    /// Store numbers in 16 bits (f16), which halves the file and rounds each weight to 11 binary digits
    #[arg(long)]
    half: bool,
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

impl Convert {
    pub fn run(self) -> Result<()> {
        let extension = self.output.extension().and_then(|e| e.to_str());
        if let Some(extension @ ("pth" | "pt" | "ckpt" | "bin")) = extension {
            bail!(
                "files of torch.save (.{extension}) are read but not written; name a .safetensors \
                 file, which PyTorch reads with safetensors.torch.load_file"
            );
        }
        let hints = Hints {
            model: self.model.as_deref(),
            key: self.weights_key.as_deref(),
        };
        let mut file = open_weights(&self.input, hints)?;
        if self.half {
            file = file.in_f16();
        }
        let input = file.path().canonicalize().ok();
        let written = [self.output.clone(), self.output.join("model.safetensors")];
        let written = written.iter().filter_map(|path| path.canonicalize().ok());
        if written.map(Some).any(|output| output == input) {
            bail!("{} would overwrite its own input", self.output.display());
        }
        say_notes(&file);
        let layout = match self.to {
            Target::Official => Layout::Official,
            Target::Hf => Layout::HuggingFace,
            Target::Timm => Layout::Timm,
        };
        if file.layout() == Layout::Timm && layout != Layout::Timm {
            eprintln!("note: timm's files have no mask token; it becomes zero");
        }
        let stored = match layout {
            Layout::Official => RopePeriods::Bf16Rounded,
            _ => RopePeriods::Exact,
        };
        if file.config().rope_periods != stored {
            eprintln!(
                "note: position periods are {:?} in the input and {stored:?} in {} files; features \
                 differ by up to 1e-3",
                file.config().rope_periods,
                layout.name()
            );
        }
        let written = file.save(layout, &self.output)?;
        println!("{}: {} layout", written.display(), layout.name());
        Ok(())
    }
}
