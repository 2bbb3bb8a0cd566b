//! Latent statistics and flows in a bundle, and whether they belong to its features.

use std::collections::BTreeMap;

use serde::Serialize;
use svg_nn::StoredTensor;
use svg_roles::{Geometry, VelocitySpec};

use super::Bundle;
use super::part::{FLOW, LATENTS, NewFile, NewPart, Part, Provenance};
use crate::{LatentStatistics, ModelError, StoredLatentStatistics, kinds};

/// A velocity network that is to become a part.
pub struct NewFlow<'a, C> {
    /// What opens it: a key of the [`Registry`](crate::Registry).
    pub kind: &'a str,
    /// Everything that its weights do not show, such as sizes.
    pub config: &'a C,
    /// Its sizes as a role.
    pub spec: VelocitySpec,
    /// Its weights, for use: averaged ones where there are such.
    pub tensors: Vec<StoredTensor>,
    /// The names of its classes, in the order of their labels; empty if they are not known.
    pub classes: Vec<String>,
    /// How it came about.
    pub provenance: Provenance,
}

impl Bundle {
    /// The statistics that features are normalised by, if there are any.
    ///
    /// # Errors
    ///
    /// As [`StoredLatentStatistics::load`], and [`ModelError::OtherFeatures`] if they belong to others than
    /// the bundle's, which another alignment makes of them.
    pub fn latent_statistics(&self) -> Result<Option<StoredLatentStatistics>, ModelError> {
        if self.file(LATENTS, LATENTS).is_none() {
            return Ok(None);
        }
        let stored = StoredLatentStatistics::of(&self.tensors(LATENTS, LATENTS)?)?;
        let advice = "Compute them again with `svg stats`";
        self.check_features("latent statistics", &stored.features, advice)?;
        Ok(Some(stored))
    }

    /// The statistics that features are normalised by.
    ///
    /// # Errors
    ///
    /// As [`latent_statistics`](Self::latent_statistics), and [`ModelError::NoLatentStatistics`] if there
    /// are none.
    pub fn required_latent_statistics(&self) -> Result<StoredLatentStatistics, ModelError> {
        let stored = self.latent_statistics()?;
        stored.ok_or_else(|| ModelError::NoLatentStatistics(self.folder().to_path_buf()))
    }

    /// Gives the bundle other latent statistics.
    ///
    /// # Errors
    ///
    /// As [`latents_part`](Self::latents_part) and [`exchange`](Self::exchange).
    pub fn set_latent_statistics(
        &mut self,
        statistics: &StoredLatentStatistics,
    ) -> Result<(), ModelError> {
        let part = self.latents_part(statistics)?;
        self.set_part(LATENTS, part)
    }

    /// The part that latent statistics become.
    ///
    /// # Errors
    ///
    /// [`ModelError::OtherFeatures`] if they belong to other features, [`ModelError::Misfit`] if they have
    /// another number of channels, [`ModelError::LatentStatistics`] if nothing can be divided by them.
    pub fn latents_part(&self, statistics: &StoredLatentStatistics) -> Result<NewPart, ModelError> {
        let advice = "Compute them with the features of this bundle";
        self.check_features("latent statistics", &statistics.features, advice)?;
        let channels = self.geometry()?.channels;
        statistics.statistics.check_channels(channels)?;
        let check = statistics.statistics.check();
        check.map_err(|reason| ModelError::LatentStatistics {
            path: self.folder().to_path_buf(),
            reason,
        })?;
        Ok(NewPart::new(kinds::CHANNELS, &()).with_file(statistics.file()))
    }

    /// Whether a flow fits the bundle's latents, and has a name for each class or none.
    ///
    /// # Errors
    ///
    /// [`ModelError::Misfit`] that says both sides.
    pub fn check_flow(&self, spec: &VelocitySpec, classes: &[String]) -> Result<(), ModelError> {
        let names = || {
            let (count, names) = (spec.classes, classes.len());
            (names > 0 && names != count).then(|| {
                format!(
                    "it has {count} classes and {names} names for them; give each its name, or none"
                )
            })
        };
        match misfit(spec, self.geometry()?).or_else(names) {
            Some(reason) => Err(ModelError::Misfit(reason)),
            None => Ok(()),
        }
    }

    /// The sizes of the flow, without opening it.
    ///
    /// # Errors
    ///
    /// [`ModelError::NoFlow`] if there is none, [`ModelError::Manifest`] if it does not say.
    pub fn flow_spec(&self) -> Result<VelocitySpec, ModelError> {
        let spec = self.part(FLOW)?.velocity;
        spec.ok_or_else(|| self.unusable(FLOW, "it says no sizes"))
    }

    /// The part that a flow becomes, which says to which features and statistics it belongs: those of the bundle.
    ///
    /// # Errors
    ///
    /// As [`check_flow`](Self::check_flow) and [`latent_statistics`](Self::latent_statistics).
    pub fn flow_part<C: Serialize>(&self, flow: NewFlow<C>) -> Result<NewPart, ModelError> {
        let stored = self.latent_statistics()?;
        self.flow_part_on(flow, stored.as_ref().map(|stored| &stored.statistics))
    }

    /// As [`flow_part`](Self::flow_part), with the statistics that the bundle will have, if any.
    ///
    /// # Errors
    ///
    /// As [`check_flow`](Self::check_flow).
    pub fn flow_part_on<C: Serialize>(
        &self,
        flow: NewFlow<C>,
        statistics: Option<&LatentStatistics>,
    ) -> Result<NewPart, ModelError> {
        self.check_flow(&flow.spec, &flow.classes)?;
        let statistics = statistics.map(LatentStatistics::fingerprint);
        let mut new = NewPart::new(flow.kind, flow.config);
        new.part.belongs_to = belongs_to(self.features_fingerprint(), statistics);
        new.part.velocity = Some(flow.spec);
        new.part.classes = flow.classes;
        new.part.provenance = flow.provenance;
        let metadata = [("format".to_string(), "pt".to_string())];
        Ok(new.with_file(NewFile::new(FLOW, flow.tensors, metadata.into())))
    }

    /// The flow, which belongs to the bundle's features and to their statistics.
    ///
    /// # Errors
    ///
    /// [`ModelError::NoFlow`] and [`ModelError::NoLatentStatistics`] if there is none,
    /// [`ModelError::OtherFeatures`] and [`ModelError::OtherStatistics`] if they belong to others.
    pub fn matching_flow(&self) -> Result<(&Part, StoredLatentStatistics), ModelError> {
        let part = self.part(FLOW)?;
        let stored = self.required_latent_statistics()?;
        if let Some(features) = part.belongs_to.get("features") {
            let advice = "Train or import the flow again";
            self.check_features("flow's latents", features, advice)?;
        }
        let bundle = stored.statistics.fingerprint();
        match part.belongs_to.get("statistics") {
            Some(flow) if *flow != bundle => Err(ModelError::OtherStatistics {
                path: self.folder().to_path_buf(),
                flow: flow.clone(),
                bundle,
            }),
            _ => Ok((part, stored)),
        }
    }

    fn check_features(
        &self,
        what: &'static str,
        belongs: &str,
        advice: &'static str,
    ) -> Result<(), ModelError> {
        let bundle = self.features_fingerprint();
        match belongs == bundle {
            true => Ok(()),
            false => Err(ModelError::OtherFeatures {
                path: self.folder().to_path_buf(),
                what,
                belongs: belongs.to_string(),
                bundle,
                advice,
            }),
        }
    }
}

/// What a flow belongs to, by fingerprints.
pub(super) fn belongs_to(features: String, statistics: Option<String>) -> BTreeMap<String, String> {
    let statistics = statistics.map(|hash| ("statistics".to_string(), hash));
    let features = ("features".to_string(), features);
    [features].into_iter().chain(statistics).collect()
}

/// What does not fit between a flow and the latents of a space, in words.
pub(crate) fn misfit(flow: &VelocitySpec, space: Geometry) -> Option<String> {
    let said = |[rows, columns]: [usize; 2]| format!("{rows} x {columns}");
    let fits = flow.grid == space.grid() && flow.channels == space.channels;
    (!fits).then(|| {
        format!(
            "it makes {} channels on {} tokens, the bundle's latents have {} on {}; use a flow that was trained \
             on this bundle's features",
            flow.channels,
            said(flow.grid),
            space.channels,
            said(space.grid())
        )
    })
}
