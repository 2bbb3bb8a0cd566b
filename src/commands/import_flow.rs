//! `svg import flow`: a published velocity network into a bundle.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use svg_model::{
    Bundle, FLOW, FlowCheckpoint, LatentStatistics, NewFlow, Provenance, StoredLatentStatistics,
    kinds,
};

use crate::commands::print;
use crate::device::DeviceOptions;

/// Put a velocity network of the published layout into a bundle
///
/// Reads {"ema": ...} of torch.save, or the same names in safetensors, and compares every tensor with the
/// network and its sizes with the bundle's features. Statistics of the published layout come with --stats.
/// Without them the bundle's own are taken to be the flow's.
#[derive(Args)]
#[command(after_help = "\
Examples:
  svg import flow 7000000.pt --bundle svg/ --stats dinov3_sp_stats.pt
  svg import flow flow.safetensors --bundle svg/")]
pub struct ImportFlow {
    /// A .pt or .safetensors file
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// The model: a folder that `svg train` or `svg import` has written
    #[arg(long, value_name = "FOLDER")]
    bundle: PathBuf,
    /// The mean and deviation of each channel that the flow was trained with
    #[arg(long, value_name = "FILE")]
    stats: Option<PathBuf>,
}

impl ImportFlow {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let mut bundle = Bundle::open(&self.bundle)?;
        let checkpoint = FlowCheckpoint::open(&self.checkpoint)?;
        bundle.check_flow(&checkpoint.spec(), &checkpoint.classes)?;
        let statistics = self
            .stats
            .as_deref()
            .map(LatentStatistics::open)
            .transpose()?;
        checkpoint.check(&device.open_f32()?)?;
        let imported = |path: &PathBuf| format!("imported from {}", path.display());
        if let (Some(statistics), Some(path)) = (statistics, &self.stats) {
            bundle.set_latent_statistics(&StoredLatentStatistics {
                statistics,
                features: bundle.features_fingerprint(),
                tokens: 0,
                source: imported(path),
            })?;
        }
        let (config, spec) = (&checkpoint.config, checkpoint.spec());
        let flow = bundle.flow_part(NewFlow {
            kind: kinds::SIT,
            config,
            spec,
            tensors: checkpoint.tensors,
            classes: checkpoint.classes,
            provenance: Provenance {
                made_by: concat!("svg ", env!("CARGO_PKG_VERSION")).to_string(),
                source: imported(&self.checkpoint),
                ..Provenance::default()
            },
        })?;
        bundle.set_part(FLOW, flow)?;
        let folder = self.bundle.display();
        let mut text = format!(
            "{folder}: a flow of {} layers and {} channels, {} parameters, {} classes\n",
            config.n_layers,
            config.d_model,
            config.n_params(),
            config.n_classes
        );
        if bundle.latent_statistics()?.is_none() {
            text += &format!(
                "It has no latent statistics yet: give those of its training with --stats, or compute them with \
                 `svg stats --bundle {folder} --images PATH`.\n"
            );
        }
        print(&text)
    }
}
