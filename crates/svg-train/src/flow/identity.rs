//! What a run of a flow must go on with.

use serde::{Deserialize, Serialize};

use crate::run::Identity;

/// What a flow learns from, beside pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FlowIdentity {
    /// The fingerprint of the features.
    pub features: String,
    /// The fingerprint of the statistics that make latents of them.
    pub statistics: String,
    /// What kind of [`LatentSource`](crate::flow::LatentSource).
    pub latents: String,
}

impl Identity for FlowIdentity {
    fn differs(&self, now: &Self) -> Option<String> {
        if self.features != now.features {
            return Some(format!(
                "it began with a bundle whose features are {}, those of this one are {}; name that one \
                 with --bundle, or its copy in the folder `base` of the run",
                short(&self.features),
                short(&now.features)
            ));
        }
        if self.statistics != now.statistics {
            return Some(format!(
                "it began with the latent statistics {}, the bundle now has {}; name a bundle with those, \
                 such as its copy in the folder `base` of the run, or begin another run",
                short(&self.statistics),
                short(&now.statistics)
            ));
        }
        let (began, given) = (&self.latents, &now.latents);
        (began != given).then(|| {
            format!(
                "it began with latents of {began}, now there are {given}; give the same --data or --cache"
            )
        })
    }
}

fn short(fingerprint: &str) -> &str {
    fingerprint.get(..12).unwrap_or(fingerprint)
}
