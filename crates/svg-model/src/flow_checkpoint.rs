//! The published checkpoint of a velocity network.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use serde::{Deserialize, Serialize};
use svg_nn::{ChoiceError, LoadError, StoredTensor, TensorFile};
use svg_roles::VelocitySpec;
use svg_sit::SitConfig;
use svg_store::{Checked, strict_json};

use crate::bundle::FLOW;
use crate::{Bundle, Manifest, ModelError, Part, kinds};

/// Where our own exports keep sizes and classes as JSON, in the file's metadata: shapes do not show
/// everything. Other programs do not look there.
pub const FLOW_KEY: &str = "svg_flow";

/// A tensor that every velocity network has.
const LANDMARK: &str = "ln1.weight";

/// Numbers of classes of well-known sets. A label table of so many rows has more probably a row for each class and
/// none for no class than one class fewer.
const USUAL_CLASSES: [usize; 8] = [10, 100, 101, 200, 345, 365, 1000, 21_841];

/// A checkpoint of the published layout, opened and not read: `{"ema": state_dict}` of `torch.save`, or the
/// same names in safetensors, with any other names before them; see [`svg_nn::Networks`].
#[derive(Debug)]
pub struct FlowCheckpoint {
    /// The file.
    pub path: PathBuf,
    /// Which of the file's networks was taken, what was left, and what was guessed, for people.
    pub notes: Vec<String>,
    /// What the file says of itself under [`FLOW_KEY`], or the manifest of the bundle that it belongs to; else the
    /// sizes that its shapes show.
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
    /// Opens a `.pt` or `.safetensors` file and works out the sizes. Of several networks the one under `key` is
    /// taken, or else that of averaged weights; see [`svg_nn::Networks::choose`]. What stands beside the weights, such as
    /// an optimiser's state, is left out.
    ///
    /// `classes` is the number of classes, where it is known: the file may not tell whether its label table has a
    /// row for no class.
    ///
    /// # Errors
    ///
    /// [`ModelError::Load`] if the file cannot be read or holds several such networks,
    /// [`ModelError::NotACheckpoint`] if there is none in it, its sizes contradict each other, or its label
    /// table has no row for no class or may have none.
    pub fn open(
        path: &Path,
        key: Option<&str>,
        classes: Option<usize>,
    ) -> Result<Self, ModelError> {
        let file = TensorFile::open(path)?;
        let path = file.path().to_path_buf();
        let said = file.metadata().get(FLOW_KEY).cloned();
        let refuse = |reason: String| ModelError::NotACheckpoint {
            path: path.clone(),
            network: "velocity network of SVG",
            reason,
        };
        let network = file.into_network(&[LANDMARK], key);
        let mut network = network.map_err(|error| match error {
            LoadError::Choice {
                reason: reason @ ChoiceError::Nothing { .. },
                ..
            } => refuse(reason.to_string()),
            error => error.into(),
        })?;
        let mut notes = std::mem::take(&mut network.notes);
        let tensors = network.into_tensors();
        let owner = Manifest::owner(&path).filter(|part| part.kind == kinds::SIT);
        let found = match (said, owner) {
            (Some(json), _) => said_sizes(&json).and_then(|said| said.agrees(classes)),
            (None, Some(part)) => Said::of(&part).and_then(|said| said.agrees(classes)),
            (None, None) => SitConfig::infer(&tensors).and_then(|config| {
                notes.extend(check_label_table(config.n_classes + 1, classes)?);
                let names = vec![];
                Ok(Said {
                    config,
                    classes: names,
                })
            }),
        };
        let found = found.and_then(|said| match said.config.problem() {
            None => Ok(said),
            Some(problem) => Err(problem),
        });
        let Said { config, classes } = found.map_err(refuse)?;
        Ok(Self {
            path,
            notes,
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

    /// Whether names and shapes are those of the network, and a file of a bundle is the one that was written;
    /// nothing is kept.
    ///
    /// # Errors
    ///
    /// [`ModelError::Load`] with everything that does not fit, [`ModelError::Changed`].
    pub fn check(&self, device: &Device) -> Result<(), ModelError> {
        Manifest::check_owned(&self.path)?;
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

/// Sizes that a file says.
fn said_sizes(json: &str) -> Result<Said, String> {
    strict_json(json).map_err(|reason| format!("{FLOW_KEY}: {reason}"))
}

impl Said {
    /// What the manifest of a bundle says.
    fn of(part: &Part) -> Result<Self, String> {
        let config = part.read_config();
        Ok(Self {
            config: config.map_err(|reason| format!("the manifest beside it: {reason}"))?,
            classes: part.classes.clone(),
        })
    }

    fn agrees(self, classes: Option<usize>) -> Result<Self, String> {
        let found = self.config.n_classes;
        match classes {
            Some(classes) if classes != found => Err(format!(
                "it says that it has {found} classes, and --classes {classes}"
            )),
            _ => Ok(self),
        }
    }
}

/// Whether a label table has a row for each class and one for no class, or a note if nothing tells.
fn check_label_table(rows: usize, classes: Option<usize>) -> Result<Option<String>, String> {
    let (fewer, table) = (rows - 1, "y_embedder.embedding_table.weight");
    match classes {
        Some(classes) if classes == fewer => Ok(None),
        Some(classes) if classes == rows => Err(format!(
            "its label table has {rows} rows, one for each class and none for no class, which guidance and this \
             program need: it was trained without label dropout. Append a row to {table} in PyTorch, such as the \
             mean of the others, and sample with --guidance 1"
        )),
        Some(classes) => Err(format!(
            "--classes {classes}: its label table has {rows} rows, for {fewer} classes and no class"
        )),
        None if USUAL_CLASSES.contains(&rows) => Err(format!(
            "its label table has {rows} rows, and nothing tells whether the last of them is for no class, as in \
             networks that were trained with label dropout. Say --classes {fewer} if it is, or --classes {rows}"
        )),
        None if USUAL_CLASSES.contains(&fewer) => Ok(None),
        None => Ok(Some(format!(
            "its label table has {rows} rows, read as {fewer} classes and no class; if it was trained without label \
             dropout, these are {rows} classes: say --classes {rows} then"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::renamed;
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
        FlowCheckpoint::open(&path, None, None)
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
        for prefix in [
            "",
            "ema.",
            "state_dict.model.",
            "module.",
            "ema.module._orig_mod.",
        ] {
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
    fn averages_without_dots_or_without_positions_are_whole_networks() {
        let plain = under("state_dict.model.");
        let other = || under("").into_iter();
        let litema = other().map(|tensor| {
            let name = format!("state_dict.model_ema.{}", tensor.name.replace('.', ""));
            renamed(tensor, name)
        });
        let shadow = other().filter(|tensor| tensor.name != "pos_embed");
        let shadow = shadow.map(|tensor| {
            let name = format!("ema.shadow.{}", tensor.name);
            renamed(tensor, name)
        });
        let averages: [(Vec<_>, &str); 2] = [
            (litema.collect(), "state_dict.model_ema"),
            (shadow.collect(), "ema.shadow"),
        ];
        for (average, key) in averages {
            let numbers = |tensor: &StoredTensor| tensor.to_bytes().unwrap().to_vec();
            let all: Vec<_> = plain.iter().chain(&average).cloned().collect();
            let found = open(&all, HashMap::new()).unwrap();
            found.check(&Device::default()).unwrap();
            assert!(found.notes[0].contains(key), "{:?}", found.notes);
            let of = |tensor: &StoredTensor| {
                let ends = |other: &&StoredTensor| {
                    let bare = tensor.name.replace('.', "");
                    other.name.replace('.', "").ends_with(&bare)
                };
                average.iter().find(ends).map(numbers)
            };
            for tensor in &found.tensors {
                assert!(of(tensor).is_none_or(|average| average == numbers(tensor)));
            }
        }
    }

    #[test]
    fn a_label_table_is_not_read_as_one_class_fewer_without_a_word() {
        let notes = |rows, classes| check_label_table(rows, classes);
        for (rows, classes) in [(1001, None), (11, None), (1001, Some(1000)), (6, Some(5))] {
            assert_eq!(notes(rows, classes), Ok(None), "{rows} {classes:?}");
        }
        let said = notes(5, None).unwrap().unwrap();
        assert!(
            said.contains("4 classes") && said.contains("--classes 5"),
            "{said}"
        );
        for (rows, classes, reason) in [
            (1000, None, "--classes 999 if it is, or --classes 1000"),
            (10, None, "--classes 9 if it is"),
            (1000, Some(1000), "trained without label dropout"),
            (5, Some(5), "none for no class"),
            (5, Some(7), "for 4 classes and no class"),
        ] {
            let said = notes(rows, classes).unwrap_err();
            assert!(said.contains(reason), "{said}");
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
            error.contains("no velocity network of SVG: there is no ln1.weight")
                && error.contains("It holds blocks.0"),
            "{error}"
        );
    }
}
