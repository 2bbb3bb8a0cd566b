//! Devices that share the batches of a training.

use std::fmt;
use std::sync::Arc;
use std::thread;

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::distributed::{ReduceOperation, all_reduce};
use svg_roles::Reduce;

use super::Team;

/// How the gradients of several devices become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Burn's `all_reduce`: the cards exchange gradients among themselves. CUDA with NCCL.
    AllReduce,
    /// Every gradient travels to the first device and is added there. Any devices.
    OnFirst,
}

impl fmt::Display for Reduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AllReduce => "all-reduce among the devices",
            Self::OnFirst => "sum on the first device",
        })
    }
}

/// The devices that share the batches of a training, and the processes that share its steps.
///
/// The networks, their optimisers and everything that is saved are on the first device. In each step the
/// others get a copy of the weights and a shard of every batch, and the gradients are averaged. The mean
/// over shards of equal size is the gradient of the whole batch up to the order of a sum, so the number of
/// devices is not part of a training's configuration. Random numbers are drawn for the whole batch and split
/// with it.
///
/// With one device there is no thread and no copy.
///
/// ```no_run
/// # use burn::optim::GradientsParams;
/// # use burn::prelude::*;
/// # use svg_train::run::Replicas;
/// # fn step(network: burn::nn::Linear, batch: Tensor<2>, devices: Vec<Device>) {
/// let replicas = Replicas::new(devices);
/// let team = replicas.team(network);
/// let shards = team.shards(batch.dims()[0], |shard| shard.of(&batch));
/// let (losses, gradients) = team.gradients(shards, |network, shard| {
///     let loss = network.forward(shard).powi_scalar(2).mean();
///     let value = loss.clone().detach().into_scalar::<f32>();
///     (value, GradientsParams::from_grads(loss.backward(), network))
/// });
/// let mean = team.mean(gradients);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Replicas {
    devices: Vec<Device>,
    reduction: Reduction,
    processes: Option<Arc<dyn Reduce>>,
}

impl Replicas {
    /// The devices, first the one that the networks are on.
    ///
    /// Burn's `all_reduce` is used if all are different CUDA cards and a trial with one number each
    /// succeeds, which it does not without NVIDIA's NCCL library.
    ///
    /// # Panics
    ///
    /// If there is no device.
    pub fn new(devices: Vec<Device>) -> Self {
        assert!(!devices.is_empty(), "a training needs a device");
        let devices: Vec<_> = devices.into_iter().map(Device::without_autodiff).collect();
        let reduction = match devices.len() > 1 && are_cuda(&devices) && reduces(&devices) {
            true => Reduction::AllReduce,
            false => Reduction::OnFirst,
        };
        Self {
            devices,
            reduction,
            processes: None,
        }
    }

    /// The same devices in a process that shares every step with others.
    ///
    /// Gradients and logged scalars are averaged over the processes once per step, after the average over
    /// the devices. Every process reads the data and fills the folder that it is given: nothing here cuts
    /// the data among processes or chooses the one that writes.
    pub fn with_processes(mut self, processes: Arc<dyn Reduce>) -> Self {
        self.processes = Some(processes);
        self
    }

    /// The devices, without autodiff.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// How gradients are averaged.
    pub fn reduction(&self) -> Reduction {
        self.reduction
    }

    /// The processes that share every step, if there are several.
    pub(crate) fn processes(&self) -> Option<&dyn Reduce> {
        let processes = self.processes.as_deref();
        processes.filter(|processes| processes.rank().count > 1)
    }

    /// Copies a module to every device. On the first device it is the module itself; the copies share
    /// nothing with it, running statistics included.
    pub fn team<M: Module + Sync>(&self, module: M) -> Team<'_, M> {
        let tracked = module.devices().iter().any(Device::is_autodiff);
        let copy = |device: &Device| {
            let copy = module.valid().to_device(device);
            match tracked {
                true => copy.train(),
                false => copy,
            }
        };
        let mut copies: Vec<M> = self.devices[1..].iter().map(copy).collect();
        copies.insert(0, module);
        Team {
            replicas: self,
            copies,
        }
    }
}

/// Whether Burn's `all_reduce` may exist for these devices. Libraries compile no backend, so devices are
/// recognised by their printed names; another name would cost speed and nothing else.
fn are_cuda(devices: &[Device]) -> bool {
    let distinct = |index: usize| !devices[..index].contains(&devices[index]);
    (0..devices.len()).all(|index| {
        distinct(index) && format!("{:?}", devices[index]).starts_with("Device<Cube(Cuda(")
    })
}

/// Whether `all_reduce` works: every device gives its number, and all must get the mean.
fn reduces(devices: &[Device]) -> bool {
    let expected = (devices.len() - 1) as f32 / 2.0;
    let mean = |index: usize| {
        let own = Tensor::<1>::full([1], index as f32, &devices[index]);
        let mean = all_reduce(own, ReduceOperation::Mean, devices.to_vec());
        mean.resolve().into_scalar::<f32>()
    };
    thread::scope(|scope| {
        let mean = &mean;
        let trials: Vec<_> = (0..devices.len())
            .map(|index| scope.spawn(move || mean(index)))
            .collect();
        // A count waits for every trial, also after one that panicked.
        let found = trials.into_iter().filter_map(|trial| trial.join().ok());
        found.filter(|mean| *mean == expected).count() == devices.len()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::GradientsParams;
    use burn::tensor::Distribution;

    #[derive(Module, Debug)]
    struct Net {
        first: Linear,
        second: Linear,
    }

    fn net() -> Net {
        let device = Device::default().autodiff();
        Net {
            first: LinearConfig::new(3, 4).init(&device),
            second: LinearConfig::new(4, 2).init(&device),
        }
    }

    fn work(net: &Net, shard: Tensor<2>) -> (usize, GradientsParams) {
        let samples = shard.dims()[0];
        let hidden = net.first.forward(shard).tanh();
        let loss = net.second.forward(hidden).powi_scalar(2).mean();
        (samples, GradientsParams::from_grads(loss.backward(), net))
    }

    fn batch(samples: usize) -> Tensor<2> {
        Tensor::random([samples, 3], Distribution::Default, &Device::default())
    }

    fn replicas(count: usize) -> Replicas {
        Replicas::new(vec![Device::default(); count])
    }

    #[test]
    fn the_mean_over_shards_is_the_gradient_of_the_whole_batch() {
        let (net, batch) = (net(), batch(12));
        let (_, whole) = work(&net, batch.clone());
        for count in [1, 2, 3] {
            let replicas = replicas(count);
            let team = replicas.team(net.clone());
            let shards = team.shards(12, |shard| shard.of(&batch));
            let (samples, gradients) = team.gradients(shards, work);
            let mean = team.mean(gradients);
            assert_eq!(samples, vec![12 / count; count]);
            assert_eq!(mean.len(), whole.len());
            for id in [net.first.weight.id, net.second.weight.id] {
                let (mean, whole) = (mean.get::<2>(id).unwrap(), whole.get::<2>(id).unwrap());
                let difference: f32 = (mean - whole).abs().max().into_scalar();
                assert!(difference < 1e-6, "{count} devices: {difference}");
            }
        }
    }

    #[test]
    fn the_network_still_learns_after_its_copies_are_dropped() {
        use burn::optim::SgdConfig;
        let (net, replicas) = (net(), replicas(2));
        let before = net.first.weight.val().into_data();
        let team = replicas.team(net.clone());
        let batch = batch(4);
        let shards = team.shards(4, |shard| shard.of(&batch));
        let mean = team.mean(team.gradients(shards, work).1);
        let net = SgdConfig::new().init().step(0.1, net, mean);
        assert!(net.first.weight.is_require_grad());
        assert_ne!(net.first.weight.val().into_data(), before);
    }

    #[test]
    fn running_statistics_of_copies_do_not_reach_the_original() {
        let device = Device::default().autodiff();
        let norm = burn::nn::BatchNormConfig::new(3).init(&device);
        let replicas = replicas(2);
        let team = replicas.team(norm.clone());
        let forward = |norm: &burn::nn::BatchNorm, value: f32| {
            let images = Tensor::<4>::full([2, 3, 2, 2], value, &Device::default().autodiff());
            norm.forward(images);
        };
        team.each(vec![1.0, 5.0], forward);
        let means = norm.running_mean.value_sync().into_data();
        let mean = means.iter::<f32>().next().unwrap();
        assert!((mean - 0.1).abs() < 1e-6, "{mean}");
    }

    #[test]
    fn integers_split_in_order() {
        let labels = Tensor::<1, Int>::arange(0..6, &Device::default());
        let replicas = replicas(3);
        let team = replicas.team(net());
        let shards = team.shards(6, |shard| shard.of(&labels));
        let second: Vec<i64> = shards[1].clone().into_data().iter().collect();
        assert_eq!(second, [2, 3]);
    }

    #[test]
    fn the_same_device_twice_uses_no_all_reduce() {
        assert_eq!(replicas(2).reduction(), Reduction::OnFirst);
    }

    #[test]
    #[should_panic(expected = "5 samples do not divide among 2 devices")]
    fn unequal_shards_are_refused() {
        replicas(2).team(net()).shards(5, |_| ());
    }

    #[test]
    #[should_panic(expected = "1 shards for 2 devices")]
    fn every_device_has_a_shard() {
        replicas(2).team(net()).each(vec![()], |_, ()| ());
    }
}
