//! Copies of a module on several devices.

use std::thread;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::prelude::*;
use burn::tensor::kind::Basic;
use svg_roles::Condition;

use super::gradients::divided;
use super::{Reduction, Replicas, reduce};

/// A module on every device, for one step.
#[derive(Debug)]
pub struct Team<'a, M> {
    pub(super) replicas: &'a Replicas,
    /// One for each device.
    pub(super) copies: Vec<M>,
}

/// One device's part of a batch.
#[derive(Clone, Debug)]
pub struct Shard {
    /// The number of the device.
    pub index: usize,
    /// Its first sample.
    pub first: usize,
    /// How many there are.
    pub count: usize,
    /// Where it goes.
    pub device: Device,
}

impl Shard {
    /// This part of a tensor's first axis, on the shard's device.
    pub fn of<const D: usize, K: Basic>(&self, batch: &Tensor<D, K>) -> Tensor<D, K> {
        let part = batch.clone().narrow(0, self.first, self.count);
        part.to_device(&self.device)
    }

    /// This part of the conditions, on the shard's device.
    pub fn condition(&self, batch: &Condition) -> Condition {
        batch.narrow(self.first, self.count).to_device(&self.device)
    }
}

impl<M: Module + Sync> Team<'_, M> {
    /// The module on the first device.
    pub fn first(&self) -> &M {
        &self.copies[0]
    }

    /// Cuts a batch of so many samples into equal parts, one for each device, and calls `cut` for each.
    ///
    /// # Panics
    ///
    /// If the number of devices does not divide the batch. Unequal shards would weigh samples unequally.
    pub fn shards<S>(&self, samples: usize, cut: impl FnMut(Shard) -> S) -> Vec<S> {
        let count = self.copies.len();
        assert!(
            samples.is_multiple_of(count),
            "{samples} samples do not divide among {count} devices"
        );
        let size = samples / count;
        let devices = self.replicas.devices().iter().enumerate();
        let shards = devices.map(|(index, device)| Shard {
            index,
            first: index * size,
            count: size,
            device: device.clone(),
        });
        shards.map(cut).collect()
    }

    /// Calls `work` with the module and a shard on every device, one thread for each. What it returns comes
    /// in the order of the devices.
    ///
    /// Devices of one backend share a generator of random numbers, so `work` should draw none.
    ///
    /// # Panics
    ///
    /// If there is not one shard for each device, or if `work` panics.
    pub fn each<S: Send, T: Send>(
        &self,
        shards: Vec<S>,
        work: impl Fn(&M, S) -> T + Sync,
    ) -> Vec<T> {
        let (found, expected) = (shards.len(), self.copies.len());
        assert_eq!(found, expected, "{found} shards for {expected} devices");
        let mut pairs = self.copies.iter().zip(shards);
        let (module, shard) = pairs.next().expect("there is a device");
        let work = &work;
        thread::scope(|scope| {
            let others: Vec<_> = pairs
                .map(|(module, shard)| scope.spawn(move || work(module, shard)))
                .collect();
            let first = work(module, shard);
            let others = others.into_iter().map(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            std::iter::once(first).chain(others).collect()
        })
    }

    /// As [`each`](Self::each) with work that gives gradients, which stay on their devices; they must be of
    /// the same parameters everywhere.
    pub fn gradients<S: Send, T: Send>(
        &self,
        shards: Vec<S>,
        work: impl Fn(&M, S) -> (T, GradientsParams) + Sync,
    ) -> (Vec<T>, Vec<GradientsParams>) {
        self.each(shards, work).into_iter().unzip()
    }

    /// The mean of the gradients of all devices, on the first one.
    pub fn mean(&self, gradients: Vec<GradientsParams>) -> GradientsParams {
        let (sum, count) = self.sum(gradients);
        divided(sum, self.first(), count)
    }

    /// Gradients of all devices on the first one, and what they must be divided by to be their mean.
    pub(crate) fn sum(&self, mut gradients: Vec<GradientsParams>) -> (GradientsParams, f64) {
        let devices = self.replicas.devices();
        if devices.len() == 1 {
            return (gradients.remove(0), 1.0);
        }
        match self.replicas.reduction() {
            Reduction::AllReduce => {
                let mut means = self.each(gradients, |module, gradients| {
                    reduce::exchange(module, gradients, devices)
                });
                (means.swap_remove(0), 1.0)
            }
            Reduction::OnFirst => (
                reduce::sum_on(&devices[0], self.first(), gradients),
                devices.len() as f64,
            ),
        }
    }
}
