//! The networks of one kind in a weight file, whatever stands before their names.

use std::collections::{BTreeMap, BTreeSet};

use crate::averages::{self, prefixes};
use crate::wrappers::{Standing, bare_key, bare_names, is_state};
use crate::{StoredTensor, contents};

/// Why no network of a file could be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// There is none.
    #[error("there is no {wanted}, also not with other names before it. It holds {contents}")]
    Nothing {
        /// The tensors that a network is known by.
        wanted: String,
        /// What the file holds instead, in one line.
        contents: String,
    },
    /// There are several, and the rule does not decide.
    #[error(
        "it holds several networks of this kind: {keys}. Choose one by its key, such as {example}, with --weights-key \
         (where that is for another file, with --vgg-key or --encoder-key)"
    )]
    Several {
        /// Those that are as good as each other.
        keys: String,
        /// One of them.
        example: String,
    },
    /// There is none under the key that was asked for.
    #[error("it holds no network of this kind under the key {key:?}; its keys are {keys}")]
    Unknown {
        /// What was asked for.
        key: String,
        /// The keys of all.
        keys: String,
    },
}

/// The networks of one kind in a weight file.
///
/// A kind is known by landmarks, tensors that all its networks have. A network lies wherever a landmark does:
/// under `ema.`, `model.module.`, `state_dict.model.`, `teacher.backbone.` or any other name. What frameworks put
/// around modules (`module.`, `_orig_mod.` and their like) is taken off everywhere.
///
/// ```
/// use burn::store::bridge;
/// use burn::tensor::TensorData;
/// use svg_nn::Networks;
///
/// let tensor = |name: &str| bridge::from_data(TensorData::from([0.0f32]), name.to_string(), None);
/// let names = ["model.module.a.weight", "ema.a.weight", "epoch"];
/// let networks = Networks::of(names.map(tensor).to_vec(), &["a.weight"]);
/// let averaged = networks.choose(None).unwrap();
/// assert_eq!(averaged.key, "ema");
/// assert_eq!(networks.choose(Some("model")).unwrap().key, "model");
/// ```
#[derive(Debug)]
pub struct Networks {
    tensors: Vec<StoredTensor>,
    /// Without what frameworks put around modules.
    names: Vec<String>,
    landmarks: Vec<String>,
    found: Vec<Candidate>,
}

/// One network of a file.
#[derive(Clone, Debug)]
pub struct Network {
    /// What stands before its names, without the last dot; empty if nothing does.
    pub key: String,
    /// The landmark that it is known by.
    pub landmark: String,
    /// Its tensors as they are in the file, with the names that they have in the network.
    pub tensors: Vec<(String, StoredTensor)>,
    /// The tensors of the file that are not part of it.
    pub left: Vec<StoredTensor>,
    /// What was taken and what was left, for people; empty if the network is all that the file holds.
    pub notes: Vec<String>,
    chosen: Candidate,
}

impl Network {
    /// The tensors under the names that they have in the network.
    pub fn into_tensors(self) -> Vec<StoredTensor> {
        let named = self.tensors.into_iter().map(|(name, mut tensor)| {
            tensor.name = name;
            tensor
        });
        named.collect()
    }

    /// The key of a network inside this one, such as that of the part `encoder`.
    pub fn key_of(&self, part: &str) -> String {
        let Candidate {
            key,
            borrowed,
            lender,
            is_joined,
            ..
        } = &self.chosen;
        let inside = format!("{part}.");
        let mut inside = self
            .tensors
            .iter()
            .filter(|(name, _)| name.starts_with(&inside));
        match (*is_joined, inside.all(|(name, _)| borrowed.contains(name))) {
            (true, true) => path(lender, part),
            (true, false) => key.clone(),
            (false, _) => path(key, part),
        }
    }
}

/// The part of a network under that key.
fn path(key: &str, part: &str) -> String {
    match key {
        "" => part.to_string(),
        key => format!("{key}.{part}"),
    }
}

/// A network by the places of its tensors.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// What stands before its names, with the last dot.
    pub root: String,
    pub key: String,
    pub standing: Standing,
    pub landmark: usize,
    /// By the names in the network.
    pub tensors: BTreeMap<String, usize>,
    /// Those of its tensors that are another network's, since averages have no such.
    pub borrowed: BTreeSet<String>,
    /// The key of that one.
    pub lender: String,
    /// Whether its names are those of that one and not its own.
    pub is_joined: bool,
}

impl Networks {
    /// Looks for networks that have one of `landmarks`, the names of tensors; where a place has several, the
    /// first decides.
    pub fn of(tensors: Vec<StoredTensor>, landmarks: &[&str]) -> Self {
        let names = bare_names(&tensors);
        let roots = roots(&names, landmarks);
        let mut found: Vec<_> = roots
            .iter()
            .map(|(root, landmark)| Candidate::under(root, *landmark, &names, &roots))
            .collect();
        averages::add(&mut found, &tensors, &names);
        // A stable order, the best first.
        found.sort_by(|a, b| (a.standing, &a.root).cmp(&(b.standing, &b.root)));
        Self {
            tensors,
            names,
            landmarks: landmarks.iter().map(ToString::to_string).collect(),
            found,
        }
    }

    /// The keys of all networks, the best first: averaged ones, those of which nothing is said, those of the
    /// last step beside an average, those of losses.
    pub fn keys(&self) -> Vec<String> {
        self.found.iter().map(|one| one.key.clone()).collect()
    }

    /// The network under `key`; without one the averaged network, or else the only one. Networks of the same
    /// numbers count as one.
    ///
    /// A key may be the beginning or a part of what stands before the names; `.` is nothing before them.
    ///
    /// # Errors
    ///
    /// If there is none, or several.
    pub fn choose(&self, key: Option<&str>) -> Result<Network, ChoiceError> {
        if self.found.is_empty() {
            return Err(ChoiceError::Nothing {
                wanted: self.landmarks.join(" or "),
                contents: contents(self.names.iter().map(String::as_str)),
            });
        }
        let among: Vec<_> = match key {
            None => self.found.iter().collect(),
            Some(key) => self.under_key(key)?,
        };
        let best = among.iter().map(|one| one.standing).min();
        let mut among = among.into_iter().filter(|one| Some(one.standing) == best);
        let first = among.next().expect("at least one was found");
        let others: Vec<_> = among.filter(|other| !self.same(first, other)).collect();
        if others.is_empty() {
            return Ok(self.network(first));
        }
        let keys = [first].into_iter().chain(others);
        let keys = keys.map(|one| format!("{} ({} tensors)", shown(&one.key), one.tensors.len()));
        Err(ChoiceError::Several {
            keys: keys.collect::<Vec<_>>().join(", "),
            example: shown(&first.key).to_string(),
        })
    }

    /// Those whose key is this, or begins so, or has it as a part.
    fn under_key(&self, key: &str) -> Result<Vec<&Candidate>, ChoiceError> {
        let bare = bare_key(key);
        let (begin, inside) = (format!("{bare}."), format!(".{bare}."));
        let tiers: [&dyn Fn(&str) -> bool; 3] = [
            &|found: &str| found == bare,
            &|found: &str| !bare.is_empty() && found.starts_with(&begin),
            &|found: &str| !bare.is_empty() && format!(".{found}.").contains(&inside),
        ];
        let under = |tier: &&dyn Fn(&str) -> bool| -> Vec<_> {
            self.found.iter().filter(|one| tier(&one.key)).collect()
        };
        let found = tiers.iter().map(under).find(|found| !found.is_empty());
        found.ok_or_else(|| ChoiceError::Unknown {
            key: key.to_string(),
            keys: self.others(None),
        })
    }

    /// Whether two have the same names and numbers.
    fn same(&self, one: &Candidate, other: &Candidate) -> bool {
        let equal = |(a, b): (&usize, &usize)| {
            let [a, b] = [&self.tensors[*a], &self.tensors[*b]];
            let bytes = |tensor: &StoredTensor| tensor.to_bytes().map(|bytes| bytes.to_vec());
            a.dtype == b.dtype
                && a.shape == b.shape
                && matches!((bytes(a), bytes(b)), (Ok(a), Ok(b)) if a == b)
        };
        one.tensors.keys().eq(other.tensors.keys())
            && one.tensors.values().zip(other.tensors.values()).all(equal)
    }

    fn network(&self, chosen: &Candidate) -> Network {
        let taken: BTreeSet<_> = chosen.tensors.values().copied().collect();
        let left: Vec<_> = (0..self.tensors.len())
            .filter(|i| !taken.contains(i))
            .collect();
        let tensors = chosen.tensors.iter();
        let tensors = tensors.map(|(name, i)| (name.clone(), self.tensors[*i].clone()));
        Network {
            key: chosen.key.clone(),
            landmark: self.landmarks[chosen.landmark].clone(),
            tensors: tensors.collect(),
            notes: self.note(chosen, &left).into_iter().collect(),
            left: left.iter().map(|i| self.tensors[*i].clone()).collect(),
            chosen: chosen.clone(),
        }
    }

    /// What was taken and what was left.
    fn note(&self, chosen: &Candidate, left: &[usize]) -> Option<String> {
        if chosen.key.is_empty() && left.is_empty() {
            return None;
        }
        let averaged = match chosen.standing {
            Standing::Averaged => "averaged ",
            _ => "",
        };
        let place = match chosen.key.as_str() {
            "" => "with nothing before their names".to_string(),
            key => format!("under {key}"),
        };
        let count = chosen.tensors.len();
        let mut parts = vec![format!(
            "took the {averaged}weights {place} ({count} tensors)"
        )];
        if !chosen.borrowed.is_empty() {
            let (count, from) = (chosen.borrowed.len(), shown(&chosen.lender));
            let names = contents(chosen.borrowed.iter().map(String::as_str));
            parts.push(format!(
                "{count} of them, of which there is no average, are those of {from}: {names}"
            ));
        }
        let names = || left.iter().map(|i| self.names[*i].as_str());
        if !left.is_empty() {
            parts.push(format!("left {}", contents(names())));
        }
        if chosen.standing != Standing::Averaged && names().any(is_unnamed_average) {
            parts.push(
                "the averaged weights in it are a list without names, which cannot be used".into(),
            );
        }
        if self.found.len() > 1 {
            let others = self.others(Some(&chosen.key));
            parts.push(format!(
                "networks under other keys (--weights-key): {others}"
            ));
        }
        Some(parts.join("; "))
    }

    fn others(&self, but: Option<&str>) -> String {
        let keys = self
            .found
            .iter()
            .filter(|one| Some(one.key.as_str()) != but);
        keys.map(|one| shown(&one.key))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

impl Candidate {
    /// All names there but those of networks further inside and those of a training's state.
    fn under(
        root: &str,
        landmark: usize,
        names: &[String],
        roots: &BTreeMap<String, usize>,
    ) -> Self {
        let inner: Vec<_> = roots
            .keys()
            .filter(|other| other.len() > root.len() && other.starts_with(root))
            .collect();
        let mine = |(i, name): (usize, &String)| {
            let rest = name.strip_prefix(root)?;
            let others = inner.iter().any(|other| name.starts_with(other.as_str()));
            let state = is_state(rest.split('.').next().unwrap_or(rest));
            (!others && !state).then(|| (rest.to_string(), i))
        };
        let key = root.trim_end_matches('.').to_string();
        Self {
            root: root.to_string(),
            standing: Standing::of(&key),
            key,
            landmark,
            tensors: names.iter().enumerate().filter_map(mine).collect(),
            borrowed: BTreeSet::new(),
            lender: String::new(),
            is_joined: false,
        }
    }
}

/// What stands before landmarks, and the first landmark there. Of two landmarks at the end of one name the longer
/// counts.
fn roots(names: &[String], landmarks: &[&str]) -> BTreeMap<String, usize> {
    let mut roots = BTreeMap::new();
    for name in names {
        let ends = landmarks.iter().enumerate().filter_map(|(i, landmark)| {
            let root = name.strip_suffix(*landmark)?;
            (root.is_empty() || root.ends_with('.')).then_some((root, i))
        });
        if let Some((root, i)) = ends.min_by_key(|(root, _)| root.len()) {
            let first = roots.entry(root.to_string()).or_insert(i);
            *first = i.min(*first);
        }
    }
    roots
}

/// `shadow_params.3`, as diffusers and torch_ema store averages.
fn is_unnamed_average(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let numbered = !last.is_empty() && last.chars().all(|letter| letter.is_ascii_digit());
    numbered
        && prefixes(name)
            .last()
            .is_some_and(|before| Standing::of(before.trim_end_matches('.')) == Standing::Averaged)
}

/// A key as it is given on the command line.
fn shown(key: &str) -> &str {
    match key {
        "" => ".",
        key => key,
    }
}

#[cfg(test)]
#[path = "networks_tests.rs"]
mod tests;
