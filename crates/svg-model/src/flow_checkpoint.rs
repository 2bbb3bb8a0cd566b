//! The published checkpoint of a velocity network.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use serde::{Deserialize, Serialize};
use svg_nn::{StoredTensor, TensorFile};
use svg_roles::VelocitySpec;
use svg_sit::SitConfig;
use svg_store::strict_json;

use crate::bundle::FLOW;
use crate::{Bundle, ModelError, renamed};

/// Where our own exports keep sizes and classes as JSON, in the file's metadata: shapes do not show
/// everything. Other programs do not look there.
pub const FLOW_KEY: &str = "svg_flow";

/// What the names may stand under: averaged weights before those of the last step.
const PREFIXES: [&str; 7] = [
    "ema.module.",
    "ema.",
    "model.module.",
    "model.",
    "state_dict.",
    "module.",
    "",
];

/// A tensor that every velocity network has.
const LANDMARK: &str = "ln1.weight";

/// A checkpoint of the published layout, opened and not read: `{"ema": state_dict}` of `torch.save`, or the
/// same names in safetensors.
#[derive(Debug)]
pub struct FlowCheckpoint {
    /// The file.
    pub path: PathBuf,
    /// What the file says of itself under [`FLOW_KEY`], else the sizes that its shapes show.
    pub config: SitConfig,
    /// The names of the classes, if the file says them.
    pub classes: Vec<String>,
    /// The weights, under the names of the state dictionary.
    pub tensors: Vec<StoredTensor>,
}

#[derive(Serialize, Deserialize)]
struct Said {
    config: SitConfig,
    classes: Vec<String>,
}

impl FlowCheckpoint {
    /// Opens a `.pt` or `.safetensors` file and works out the sizes. What stands beside the weights, such
    /// as an optimiser's state, is left out.
    ///
    /// # Errors
    ///
    /// [`ModelError::Load`] if the file cannot be read, [`ModelError::NotACheckpoint`] if there is no velocity
    /// network in it or its sizes contradict each other.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let file = TensorFile::open(path)?;
        let path = file.path().to_path_buf();
        let said = file.metadata().get(FLOW_KEY).cloned();
        let refuse = |reason: String| ModelError::NotACheckpoint {
            path: path.clone(),
            network: "velocity network of SVG",
            reason,
        };
        let there = |prefix: &&str| {
            let name = format!("{prefix}{LANDMARK}");
            file.tensors().iter().any(|tensor| tensor.name == name)
        };
        let prefix = PREFIXES.into_iter().find(there);
        let prefix = prefix.ok_or_else(|| {
            refuse(format!(
                "there is no {LANDMARK}, also not under ema. or model.; give the file with the network's \
                 averaged weights"
            ))
        })?;
        let tensors = file.into_tensors().into_iter().filter_map(|tensor| {
            let name = tensor.name.strip_prefix(prefix)?.to_string();
            Some(renamed(tensor, name))
        });
        let tensors: Vec<_> = tensors.collect();
        let Said { config, classes } = match said {
            Some(json) => strict_json(&json).map_err(|reason| format!("{FLOW_KEY}: {reason}")),
            None => SitConfig::infer(&tensors).map(|config| Said {
                config,
                classes: vec![],
            }),
        }
        .map_err(refuse)?;
        Ok(Self {
            path,
            config,
            classes,
            tensors,
        })
    }

    /// The sizes as a role.
    pub fn spec(&self) -> VelocitySpec {
        VelocitySpec {
            grid: [self.config.rows, self.config.columns],
            channels: self.config.in_channels,
            classes: self.config.n_classes,
        }
    }

    /// Whether names and shapes are those of the network; nothing is kept.
    ///
    /// # Errors
    ///
    /// [`ModelError::Load`] with everything that does not fit.
    pub fn check(&self, device: &Device) -> Result<(), ModelError> {
        let source = self.path.display().to_string();
        svg_sit::load(&self.config, self.tensors.clone(), &source, device)?;
        Ok(())
    }

    /// What an export of a bundle's flow says of itself under [`FLOW_KEY`].
    ///
    /// # Errors
    ///
    /// [`ModelError::NoFlow`] if there is none, [`ModelError::Manifest`] if it is of another kind.
    pub fn description(bundle: &Bundle) -> Result<String, ModelError> {
        let said = Said {
            config: bundle.config(FLOW)?,
            classes: bundle.part(FLOW)?.classes.clone(),
        };
        Ok(serde_json::to_string(&said).expect("plain fields always serialise"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use svg_nn::save_tensors;
    use svg_sit::checkpoint_tensors;

    fn tiny() -> SitConfig {
        SitConfig::new(6, 2, 2, 16, 1, 2, 32).with_n_classes(3)
    }

    fn open(
        tensors: &[StoredTensor],
        metadata: HashMap<String, String>,
    ) -> Result<FlowCheckpoint, ModelError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flow.safetensors");
        save_tensors(&path, tensors, metadata).unwrap();
        FlowCheckpoint::open(&path)
    }

    fn under(prefix: &str) -> Vec<StoredTensor> {
        let tensors = checkpoint_tensors(&tiny().init(&Device::default())).into_iter();
        let named = |tensor: StoredTensor| {
            let name = format!("{prefix}{}", tensor.name);
            renamed(tensor, name)
        };
        tensors.map(named).collect()
    }

    #[test]
    fn the_averaged_weights_are_found_whatever_stands_beside_them() {
        for prefix in PREFIXES {
            let mut tensors = under(prefix);
            if prefix == "ema." {
                tensors.extend(under("model."));
                tensors.push(renamed(tensors[0].clone(), "opt.state".to_string()));
            }
            let found = open(&tensors, HashMap::new()).unwrap();
            assert_eq!(found.config, tiny(), "{prefix}");
            found.check(&Device::default()).unwrap();
        }
    }

    #[test]
    fn what_shapes_do_not_show_is_said() {
        let config = SitConfig {
            n_heads: 4,
            ..tiny()
        };
        let classes: Vec<_> = ["a", "b", "c"].map(String::from).into();
        let said = Said {
            config: config.clone(),
            classes: classes.clone(),
        };
        let said = serde_json::to_string(&said).unwrap();
        let metadata = HashMap::from([(FLOW_KEY.to_string(), said)]);
        let found = open(&under(""), metadata).unwrap();
        assert_eq!(found.config, config);
        assert_eq!(found.classes, classes);
    }

    #[test]
    fn another_network_is_refused_in_words() {
        let tensors = vec![under("").remove(0)];
        let error = open(&tensors, HashMap::new()).unwrap_err().to_string();
        assert!(
            error.contains("no velocity network of SVG: there is no ln1.weight"),
            "{error}"
        );
    }
}
