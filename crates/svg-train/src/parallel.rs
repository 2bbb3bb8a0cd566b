//! One step on several devices: a batch in shards, and the mean of their gradients.

use std::collections::VecDeque;
use std::fmt;
use std::thread;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::prelude::*;
use burn::tensor::distributed::{CollectiveTensor, ReduceOperation, all_reduce};
use burn::tensor::kind::Basic;

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

/// The devices that share the batches of a training.
///
/// The network, its optimizer and everything that is saved live on the first. In each step the others
/// get a copy of the weights and a shard of the batch, and the gradients are averaged. The mean over
/// shards of equal size is the gradient of the whole batch up to the order of a sum, so the number of
/// devices is no part of a training's configuration. Noise and times are drawn for the whole batch and
/// split with it.
///
/// One device is the plain path: no thread, no copy.
///
/// ```no_run
/// # use burn::optim::GradientsParams;
/// # use burn::prelude::*;
/// # use svg_train::Replicas;
/// # fn step(network: burn::nn::Linear, batch: Tensor<2>, devices: Vec<Device>) {
/// let replicas = Replicas::new(devices);
/// let shards = replicas.split(batch);
/// let (losses, gradients) = replicas.gradients(&network, shards, |network, shard| {
///     let loss = network.forward(shard).powi_scalar(2).mean();
///     let value = loss.clone().detach().into_scalar::<f32>();
///     (value, GradientsParams::from_grads(loss.backward(), network))
/// });
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Replicas {
    devices: Vec<Device>,
    reduction: Reduction,
}

impl Replicas {
    /// The devices, first the one that the network lives on.
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
        Self { devices, reduction }
    }

    /// The devices, without autodiff.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// How gradients are averaged.
    pub fn reduction(&self) -> Reduction {
        self.reduction
    }

    /// Cuts the first axis into equal parts and sends one to each device.
    ///
    /// # Panics
    ///
    /// If the number of devices does not divide the batch. Unequal shards would weigh samples
    /// unequally.
    pub fn split<const D: usize, K: Basic>(&self, batch: Tensor<D, K>) -> Vec<Tensor<D, K>> {
        let (samples, count) = (batch.dims()[0], self.devices.len());
        assert!(
            samples.is_multiple_of(count),
            "{samples} samples do not divide among {count} devices"
        );
        let size = samples / count;
        let shards = self.devices.iter().enumerate();
        shards
            .map(|(index, device)| {
                batch
                    .clone()
                    .narrow(0, index * size, size)
                    .to_device(device)
            })
            .collect()
    }

    /// Calls `work` with the module and a shard on every device, one thread for each, and averages the
    /// gradients. The mean lies on the first device; what else `work` returns comes in the order of
    /// the devices.
    ///
    /// `work` must give gradients for the same parameters everywhere, since the devices exchange them
    /// in that order. Whatever it draws on a device's own generator differs between devices.
    ///
    /// # Panics
    ///
    /// If there is not one shard for each device, or if `work` panics.
    pub fn gradients<M, S, T, F>(
        &self,
        module: &M,
        shards: Vec<S>,
        work: F,
    ) -> (Vec<T>, GradientsParams)
    where
        M: Module,
        S: Send,
        T: Send,
        F: Fn(&M, S) -> (T, GradientsParams) + Sync,
    {
        assert_eq!(
            shards.len(),
            self.devices.len(),
            "{} shards for {} devices",
            shards.len(),
            self.devices.len()
        );
        let mut shards = shards.into_iter();
        let first = shards.next().expect("there is a device");
        if shards.len() == 0 {
            let (value, gradients) = work(module, first);
            return (vec![value], gradients);
        }
        let run = |module: &M, shard: S| {
            let (value, gradients) = work(module, shard);
            let gradients = match self.reduction {
                Reduction::AllReduce => self.exchange(module, gradients),
                Reduction::OnFirst => gradients,
            };
            (value, gradients)
        };
        let copies: Vec<M> = self.devices[1..]
            .iter()
            .map(|device| module.clone().fork(device))
            .collect();
        let results: Vec<_> = thread::scope(|scope| {
            let others: Vec<_> = copies
                .into_iter()
                .zip(shards)
                .map(|(copy, shard)| scope.spawn(|| run(&{ copy }, shard)))
                .collect();
            let first = run(module, first);
            let others = others.into_iter().map(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            std::iter::once(first).chain(others).collect()
        });
        let (values, gradients): (Vec<T>, Vec<_>) = results.into_iter().unzip();
        let mean = match self.reduction {
            Reduction::AllReduce => gradients.into_iter().next().expect("there is a device"),
            Reduction::OnFirst => self.mean_on_first(module, gradients),
        };
        (values, mean)
    }

    /// The mean of this thread's gradients and those of the other threads.
    fn exchange<M: Module>(&self, module: &M, gradients: GradientsParams) -> GradientsParams {
        let mut submit = Submit {
            gradients,
            devices: &self.devices,
            pending: VecDeque::new(),
        };
        module.visit(&mut submit);
        let mut resolve = Resolve {
            pending: submit.pending,
            mean: GradientsParams::new(),
        };
        module.visit(&mut resolve);
        resolve.mean
    }

    fn mean_on_first<M: Module>(
        &self,
        module: &M,
        gradients: Vec<GradientsParams>,
    ) -> GradientsParams {
        let mut sum = SumOnFirst {
            gradients,
            device: &self.devices[0],
            mean: GradientsParams::new(),
        };
        module.visit(&mut sum);
        sum.mean
    }
}

/// Sends every gradient on its way before waiting for the first.
struct Submit<'a> {
    gradients: GradientsParams,
    devices: &'a [Device],
    pending: VecDeque<Option<CollectiveTensor<1>>>,
}

impl ModuleVisitor for Submit<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = self.gradients.remove::<D>(param.id);
        self.pending.push_back(gradient.map(|gradient| {
            let count = gradient.shape().num_elements();
            let devices = self.devices.to_vec();
            all_reduce(gradient.reshape([count]), ReduceOperation::Mean, devices)
        }));
    }
}

/// The same order, waiting.
struct Resolve {
    pending: VecDeque<Option<CollectiveTensor<1>>>,
    mean: GradientsParams,
}

impl ModuleVisitor for Resolve {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let pending = self
            .pending
            .pop_front()
            .expect("both visits are of one module");
        if let Some(pending) = pending {
            let gradient = pending.resolve().reshape(param.val().shape());
            self.mean.register::<D>(param.id, gradient);
        }
    }
}

struct SumOnFirst<'a> {
    gradients: Vec<GradientsParams>,
    device: &'a Device,
    mean: GradientsParams,
}

impl ModuleVisitor for SumOnFirst<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let count = self.gradients.len();
        let parts: Vec<Tensor<D>> = self
            .gradients
            .iter_mut()
            .filter_map(|gradients| gradients.remove::<D>(param.id))
            .map(|gradient| gradient.to_device(self.device))
            .collect();
        assert!(
            parts.is_empty() || parts.len() == count,
            "{} of {count} devices gave a gradient for one parameter",
            parts.len()
        );
        if let Some(sum) = parts.into_iter().reduce(|sum, part| sum + part) {
            self.mean.register::<D>(param.id, sum / count as f64);
        }
    }
}

/// Whether Burn's `all_reduce` may exist for these devices. Libraries compile no backend, so the devices
/// are told by their printed names; a name that changes costs speed and nothing else.
fn are_cuda(devices: &[Device]) -> bool {
    let distinct = |index: usize| !devices[..index].contains(&devices[index]);
    (0..devices.len()).all(|index| {
        distinct(index) && format!("{:?}", devices[index]).starts_with("Device<Cube(Cuda(")
    })
}

/// Whether it does: every device brings its number, and all must see the mean.
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
        let results: Vec<_> = trials.into_iter().map(|trial| trial.join()).collect();
        results
            .into_iter()
            .all(|result| result.is_ok_and(|mean| mean == expected))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
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
    fn shards_give_the_gradient_of_the_whole_batch() {
        let (net, batch) = (net(), batch(12));
        let (_, whole) = work(&net, batch.clone());
        for count in [1, 2, 3] {
            let replicas = replicas(count);
            let shards = replicas.split(batch.clone());
            let (samples, mean) = replicas.gradients(&net, shards, work);
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
    fn the_network_still_learns_after_its_copies_have_gone() {
        use burn::optim::SgdConfig;
        let (net, replicas) = (net(), replicas(2));
        let before = net.first.weight.val().into_data();
        let (_, mean) = replicas.gradients(&net, replicas.split(batch(4)), work);
        let net = SgdConfig::new().init().step(0.1, net, mean);
        assert!(net.first.weight.is_require_grad());
        assert_ne!(net.first.weight.val().into_data(), before);
    }

    #[test]
    fn integers_split_in_order() {
        let labels = Tensor::<1, Int>::arange(0..6, &Device::default());
        let shards = replicas(3).split(labels);
        let second: Vec<i32> = shards[1]
            .clone()
            .into_data()
            .convert::<i32>()
            .try_to_vec()
            .unwrap();
        assert_eq!(second, [2, 3]);
    }

    #[test]
    fn one_device_twice_is_no_group() {
        assert_eq!(replicas(2).reduction(), Reduction::OnFirst);
    }

    #[test]
    #[should_panic(expected = "5 samples do not divide among 2 devices")]
    fn unequal_shards_are_refused() {
        replicas(2).split(batch(5));
    }

    #[test]
    #[should_panic(expected = "1 shards for 2 devices")]
    fn every_device_has_a_shard() {
        replicas(2).gradients(&net(), vec![batch(2)], work);
    }
}
