//! Several devices, where this machine has them.

use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::prelude::*;
use burn::tensor::Distribution;
use svg_train::run::{Reduction, Replicas};

/// All devices of the first compiled backend that has more than one, best first.
fn group() -> Result<Vec<Device>, String> {
    #[allow(unused_mut)]
    let kinds: Vec<(&str, burn::tensor::DeviceType)> = vec![
        #[cfg(feature = "cuda")]
        ("cuda", burn::tensor::DeviceType::Cuda),
        #[cfg(feature = "vulkan")]
        ("vulkan", burn::tensor::DeviceType::Vulkan),
        #[cfg(feature = "wgpu")]
        ("wgpu", burn::tensor::DeviceType::Wgpu),
        #[cfg(feature = "flex")]
        ("cpu", burn::tensor::DeviceType::Flex),
    ];
    let mut counts = String::new();
    for (name, kind) in kinds {
        let found = std::panic::catch_unwind(|| Device::enumerate(kind).into_vec());
        let devices = found.unwrap_or_default();
        if devices.len() > 1 {
            return Ok(devices);
        }
        counts += &format!(" {name} {};", devices.len());
    }
    Err(format!(
        "no backend of this build has two devices here (found:{counts} Burn's CPU backend has one by \
         construction, and all_reduce exists for CUDA alone)"
    ))
}

fn work(linear: &Linear, shard: Tensor<2>) -> (f32, GradientsParams) {
    let loss = linear.forward(shard).powi_scalar(2).mean();
    let value = loss.clone().detach().into_scalar();
    (value, GradientsParams::from_grads(loss.backward(), linear))
}

#[test]
fn two_devices_give_the_gradient_of_one() {
    let devices = match group() {
        Ok(devices) => devices[..2].to_vec(),
        Err(reason) => return eprintln!("not run: {reason}"),
    };
    let first = devices[0].clone();
    let replicas = Replicas::new(devices);
    eprintln!("{:?}: {}", replicas.devices(), replicas.reduction());
    if format!("{first:?}").contains("Cuda") {
        assert_eq!(
            replicas.reduction(),
            Reduction::AllReduce,
            "is NCCL installed?"
        );
    }
    let linear = LinearConfig::new(16, 8).init(&first.clone().autodiff());
    let batch = Tensor::random([32, 16], Distribution::Default, &first);
    let (_, whole) = work(&linear, batch.clone());
    let team = replicas.team(linear.clone());
    let shards = team.shards(32, |shard| shard.of(&batch));
    let (losses, gradients) = team.gradients(shards, work);
    let mean = team.mean(gradients);
    assert_eq!(losses.len(), 2);
    let id = linear.weight.id;
    let difference = mean.get::<2>(id).unwrap() - whole.get::<2>(id).unwrap();
    let difference: f32 = difference.abs().max().into_scalar();
    assert!(difference < 1e-5, "{difference}");
}
