//! How far a run is.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::data::Fingerprint;

/// What a run was begun with and must go on with.
pub trait Identity: Clone + Serialize + DeserializeOwned {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Named {
        encoder: String,
    }

    #[test]
    fn a_standing_is_one_flat_object_and_is_read_back() {
        let data = Fingerprint {
            count: 3,
            sha256: "ab".to_string(),
            orientation: Default::default(),
            classes: None,
        };
        let encoder = "x".to_string();
        let standing = Standing::new(data, Named { encoder });
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
}
