//! Trait for what is trained: networks, and their gradients on a micro-batch.

use std::path::Path;

use burn::module::{Module, ParamId};
use burn::optim::GradientsParams;
use burn::prelude::*;
use svg_roles::Reduce;

use super::course::UnreadReport;
use super::gradients::{Group, Norms, Sums, divided, factors, logged, scaled};
use super::{Files, Replicas, StepReport, Team, Unread};
use crate::TrainError;
use crate::log::Scalars;

/// A micro-batch's place in a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The step, from 0.
    pub step: u64,
    /// The micro-batch within the step, from 0.
    pub batch: u64,
}

/// What was found on a micro-batch.
#[derive(Debug)]
pub struct Found<O> {
    /// Losses and other numbers of each shard or of the whole; their means are logged, and a step in which
    /// one is not finite is dropped.
    pub scalars: Vec<Unread>,
    /// Numbers that are logged after the norms of the gradients and decide nothing.
    pub remarks: Unread,
    /// The gradients on each device.
    pub gradients: Vec<GradientsParams>,
    /// What else was observed, for [`Stage::learn`].
    pub observed: O,
    /// Whether that is finite; otherwise the step is dropped.
    pub finite: bool,
}

/// Networks in training.
///
/// A stage says which networks learn, finds the gradients of a micro-batch, and takes a step along the
/// gradients of all. [`step`](Self::step) does what all trainings share: copies of the networks on every
/// device, accumulation over micro-batches, reduction, norms, clipping, and leaving out steps that are not
/// finite. A step must be a function of its number, its batches and the weights.
pub trait Stage: Sized {
    /// All networks that learn, as one module.
    type Networks: Module + Sync;
    /// The data of a micro-batch, on the first device.
    type Batch: Send + 'static;
    /// What is observed beside gradients.
    type Observed;

    /// The devices that share every batch.
    fn replicas(&self) -> &Replicas;

    /// The networks as gradients are computed with them: on an autodiff device or not, cast to the number
    /// type of the computation.
    fn networks(&self) -> Self::Networks;

    /// Which gradients are measured and clipped together, and under which names norms are logged.
    fn groups(&self, step: u64) -> Vec<Group>;

    /// The losses and gradients of a micro-batch.
    fn gradients(
        &self,
        team: &Team<'_, Self::Networks>,
        place: Place,
        batch: Self::Batch,
    ) -> Found<Self::Observed>;

    /// Takes step `number` along the mean of all gradients, clipped.
    fn learn(
        &mut self,
        number: u64,
        rate: f64,
        gradients: GradientsParams,
        observed: Vec<Self::Observed>,
    );

    /// Removes what a step that was dropped has left in the networks.
    fn recover(&mut self) {}

    /// Saves everything that learning goes on from.
    ///
    /// # Errors
    ///
    /// [`TrainError::Load`] or [`TrainError::System`] if a file cannot be written.
    fn save(&self, files: &mut Files<'_>) -> Result<(), TrainError>;

    /// Takes up what [`save`](Self::save) has written.
    ///
    /// # Errors
    ///
    /// [`TrainError::Load`] or [`TrainError::System`] if a file cannot be read or does not fit. The stage
    /// must not be used then.
    fn restore(&mut self, folder: &Path) -> Result<(), TrainError>;

    /// Learns from the micro-batches of step `number`, counted from 0. Their gradients are averaged.
    ///
    /// A step whose losses or gradients are not all finite changes nothing.
    ///
    /// # Panics
    ///
    /// If the number of devices does not divide a batch.
    fn step(&mut self, number: u64, rate: f64, batches: Vec<Self::Batch>) -> StepReport {
        let (groups, replicas) = (self.groups(number), self.replicas().clone());
        let found = Whole::of(self, &replicas, number, batches);
        let norms = Norms::of(&found.gradients, found.team.first(), &groups, found.count);
        let unread = vec![found.scalars, norms.unread(), found.remarks];
        let [mut scalars, norms, remarks] = Unread::read_all(unread)
            .try_into()
            .expect("as many as were read");
        let norms: Vec<f64> = norms.iter().map(|(_, norm)| norm).collect();
        scalars.append(logged(&norms, &groups));
        let finite = found.finite && scalars.are_finite();
        let factors = factors(&groups, &norms, found.count);
        let (gradients, team, count) = (found.gradients, found.team, found.count);
        let gradients = finite.then(|| scaled(gradients, team.first(), &groups, &factors, count));
        // Weights that nothing else holds are changed in place.
        drop(team);
        match gradients {
            Some(gradients) => self.learn(number, rate, gradients, found.observed),
            None => self.recover(),
        }
        scalars.append(remarks);
        StepReport {
            scalars,
            dropped: !finite,
        }
    }

    /// As [`step`](Self::step), but learns without knowing whether all is finite, so that nobody waits for the
    /// device. If the report says that it was not, the stage must be [restored](Self::restore).
    fn step_unread(&mut self, number: u64, rate: f64, batches: Vec<Self::Batch>) -> UnreadReport {
        let (groups, replicas) = (self.groups(number), self.replicas().clone());
        let found = Whole::of(self, &replicas, number, batches);
        let norms = Norms::of(&found.gradients, found.team.first(), &groups, found.count);
        let (factors, norms) = (norms.factors(), norms.unread());
        let (gradients, team, count) = (found.gradients, found.team, found.count);
        let gradients = scaled(gradients, team.first(), &groups, &factors, count);
        drop(team);
        self.learn(number, rate, gradients, found.observed);
        let scalars = found.scalars.joined(norms, move |mut scalars, norms| {
            let norms: Vec<f64> = norms.iter().map(|(_, norm)| norm).collect();
            scalars.append(logged(&norms, &groups));
            scalars
        });
        UnreadReport {
            scalars,
            remarks: found.remarks,
            finite: found.finite,
        }
    }
}

/// What was found on all micro-batches of a step.
struct Whole<'a, S: Stage> {
    team: Team<'a, S::Networks>,
    /// The sum of the gradients, on the first device.
    gradients: GradientsParams,
    /// What they must be divided by.
    count: f64,
    scalars: Unread,
    remarks: Unread,
    observed: Vec<S::Observed>,
    finite: bool,
}

impl<'a, S: Stage> Whole<'a, S> {
    fn of(stage: &S, replicas: &'a Replicas, number: u64, batches: Vec<S::Batch>) -> Self {
        let team = replicas.team(stage.networks());
        let mut sums = Sums::new();
        let (mut scalars, mut remarks) = (Vec::new(), Vec::new());
        let (mut observed, mut finite) = (Vec::new(), true);
        for (batch, data) in (0..).zip(batches) {
            let place = Place {
                step: number,
                batch,
            };
            let found = stage.gradients(&team, place, data);
            sums.add(team.first(), found.gradients);
            scalars.extend(found.scalars);
            remarks.push(found.remarks);
            observed.push(found.observed);
            finite &= found.finite;
        }
        let mut scalars = Unread::mean(scalars);
        let (mut gradients, mut count) = sums.finish(&team);
        if let Some(processes) = replicas.processes() {
            let (device, own) = (&replicas.devices()[0], scalars.read());
            gradients = divided(gradients, team.first(), count);
            count = 1.0;
            let mean;
            (gradients, mean, finite) = reduced(processes, gradients, own, finite, device);
            scalars = Unread::known(mean);
        }
        Self {
            team,
            gradients,
            count,
            scalars,
            remarks: Unread::mean(remarks),
            observed,
            finite,
        }
    }
}

/// Gradients and scalars averaged over processes. All processes see the same numbers, so that all drop a
/// step or none.
fn reduced(
    processes: &dyn Reduce,
    mut gradients: GradientsParams,
    scalars: Scalars,
    finite: bool,
    device: &Device,
) -> (GradientsParams, Scalars, bool) {
    let id = ParamId::from(super::identity::fnv1a64("scalars"));
    let mut values: Vec<f32> = scalars.iter().map(|(_, value)| value as f32).collect();
    values.push(if finite { 0.0 } else { f32::NAN });
    gradients.register(id, Tensor::<1>::from_data(values.as_slice(), device));
    let mut gradients = processes.mean(gradients);
    let means = gradients.remove::<1>(id);
    let means = means.expect("the mean is of the same parameters");
    let means: Vec<f64> = means.into_data().convert::<f64>().iter().collect();
    let named = scalars.iter().zip(&means);
    let mean = named.fold(Scalars::new(), |mean, ((name, _), value)| {
        mean.with(name, *value)
    });
    let finite = means.last().is_some_and(|value| value.is_finite());
    (gradients, mean, finite)
}

#[cfg(test)]
mod tests {
    use super::*;
    use svg_roles::Rank;

    /// Another process that found three times the same.
    #[derive(Debug)]
    struct Other;

    impl Reduce for Other {
        fn rank(&self) -> Rank {
            Rank { index: 0, count: 2 }
        }

        fn mean(&self, mut gradients: GradientsParams) -> GradientsParams {
            for id in [
                ParamId::from(7),
                ParamId::from(super::super::identity::fnv1a64("scalars")),
            ] {
                if let Some(own) = gradients.remove::<1>(id) {
                    gradients.register(id, own * 2.0);
                }
            }
            gradients
        }
    }

    #[test]
    fn processes_share_gradients_scalars_and_whether_a_step_is_dropped() {
        let device = Device::default();
        let gradient = || {
            let mut gradients = GradientsParams::new();
            let tensor = Tensor::<1>::from_floats([1.0, 2.0], &device);
            gradients.register(ParamId::from(7), tensor);
            gradients
        };
        let scalars = || Scalars::new().with("loss", 0.5).with("l1", 3.0);
        let (gradients, mean, finite) = reduced(&Other, gradient(), scalars(), true, &device);
        let got = gradients.get::<1>(ParamId::from(7)).unwrap().into_data();
        assert_eq!(got.iter::<f32>().collect::<Vec<_>>(), [2.0, 4.0]);
        assert_eq!(gradients.len(), 1);
        assert_eq!(
            mean.iter().collect::<Vec<_>>(),
            [("loss", 1.0), ("l1", 6.0)]
        );
        assert!(finite);
        let (_, _, finite) = reduced(&Other, gradient(), scalars(), false, &device);
        assert!(!finite);
    }
}
