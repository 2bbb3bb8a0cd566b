//! How far a run is.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use svg_store::{Checked, first, outside};

use crate::data::Fingerprint;

/// Steps and pictures are counted to here, so that neither overflows.
const COUNTED: u64 = 1 << 53;
/// Halvings after which a learning rate is nothing.
const HALVINGS: u32 = 1024;

/// What a run was begun with and must go on with.
pub trait Identity: Clone + Serialize + DeserializeOwned + Send + 'static {
    /// How the present run, the argument, differs from the stored one, `self`, and what to do; `None` if it
    /// is the same, which is the default. The data are compared elsewhere.
    fn differs(&self, _now: &Self) -> Option<String> {
        None
    }
}

/// How far a run is, beside its weights. Random numbers follow from the seed and the step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing<I> {
    /// Steps taken, dropped ones included.
    pub step: u64,
    /// Pictures taken from the order.
    pub cursor: u64,
    /// How often the learning rate has been halved.
    pub halvings: u32,
    /// Steps dropped because a loss was not finite.
    pub dropped: u64,
    /// The last so many steps were dropped.
    pub dropped_in_a_row: u64,
    /// Which pictures are trained on.
    pub data: Fingerprint,
    /// What else may not change.
    #[serde(flatten)]
    pub identity: I,
}

impl<I> Standing<I> {
    /// Before the first step.
    pub fn new(data: Fingerprint, identity: I) -> Self {
        Self {
            step: 0,
            cursor: 0,
            halvings: 0,
            dropped: 0,
            dropped_in_a_row: 0,
            data,
            identity,
        }
    }
}

/// The numbers of a document, which the run goes on from.
impl<I> Checked for Standing<I> {
    fn problem(&self) -> Option<String> {
        first([
            outside("step", self.step, 0..=COUNTED),
            outside("cursor", self.cursor, 0..=COUNTED),
            outside("halvings", self.halvings, 0..=HALVINGS),
            outside("dropped", self.dropped, 0..=COUNTED),
            outside("dropped_in_a_row", self.dropped_in_a_row, 0..=self.dropped),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use svg_store::extremes;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Named {
        encoder: String,
    }

    fn standing() -> Standing<Named> {
        let data = Fingerprint {
            count: 3,
            sha256: "ab".to_string(),
            orientation: Default::default(),
            classes: None,
        };
        let encoder = "x".to_string();
        Standing::new(data, Named { encoder })
    }

    #[test]
    fn a_standing_is_one_flat_object_and_is_read_back() {
        let standing = standing();
        let json = serde_json::to_string(&standing).unwrap();
        let expected = "{\"step\":0,\"cursor\":0,\"halvings\":0,\"dropped\":0,\"dropped_in_a_row\":0,\
                        \"data\":{\"count\":3,\"sha256\":\"ab\"},\"encoder\":\"x\"}";
        assert_eq!(json, expected);
        assert_eq!(
            serde_json::from_str::<Standing<Named>>(&json).unwrap(),
            standing
        );
        assert!(
            serde_json::from_str::<Standing<Named>>(&json.replace("encoder", "other")).is_err()
        );
    }

    #[test]
    fn every_number_of_a_standing_can_be_counted_on_from_or_is_refused() {
        let standing = standing();
        let document = serde_json::to_value(&standing).unwrap();
        let (mut refused, mut taken) = (0, 0);
        for (what, changed) in extremes(&document) {
            match serde_json::from_value::<Standing<Named>>(changed) {
                Ok(read) if read.problem().is_none() => {
                    taken += 1;
                    assert!(read.halvings.checked_add(1).is_some(), "{what}");
                    assert!(read.halvings as i32 >= 0, "{what}");
                    assert!(read.cursor.checked_add(1 << 60).is_some(), "{what}");
                }
                _ => refused += 1,
            }
        }
        assert!(refused > 60 && taken > 20, "{refused} and {taken}");
    }
}
