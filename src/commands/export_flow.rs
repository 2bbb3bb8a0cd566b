//! `svg export flow`: a velocity network in the published layout.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use svg_model::{Bundle, FLOW, FLOW_KEY, FlowCheckpoint};
use svg_nn::save_tensors;

use crate::commands::checks::check_export;
use crate::commands::print;

/// Write a bundle's velocity network as a checkpoint of the published layout
///
/// One safetensors file with the names of the state_dict, positions included. PyTorch reads it with
/// safetensors.torch.load_file.
#[derive(Args)]
#[command(after_help = "\
Examples:
  svg export flow --bundle svg/ --out flow.safetensors")]
pub struct ExportFlow {
    /// The model: a folder that `svg train` or `svg import` has written
    #[arg(long, value_name = "FOLDER")]
    bundle: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
}

impl ExportFlow {
    pub fn run(self) -> Result<()> {
        check_export(&self.out)?;
        let bundle = Bundle::open(&self.bundle)?;
        let description = FlowCheckpoint::description(&bundle)?;
        let tensors = bundle.tensors(FLOW, FLOW)?.into_tensors();
        let metadata = HashMap::from([
            ("format".to_string(), "pt".to_string()),
            (FLOW_KEY.to_string(), description),
        ]);
        save_tensors(&self.out, &tensors, metadata)?;
        print(&format!(
            "{}: {} tensors\n",
            self.out.display(),
            tensors.len()
        ))
    }
}
