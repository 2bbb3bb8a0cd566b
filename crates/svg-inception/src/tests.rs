//! Files, and what holds for any weights.

use burn::prelude::*;
use burn::store::bridge;
use burn::tensor::{DType, Distribution, TensorData};
use svg_nn::{StoredTensor, save_tensors};
use svg_roles::Embedding;

use crate::{Inception, InceptionError, InceptionV3, Kind, Resize, import};

/// Filters that keep the size of what goes through them, and norms that are no identity.
fn drawn(kind: Kind) -> Vec<StoredTensor> {
    let device = Device::default();
    let draw = |tensor: StoredTensor| {
        let dims = tensor.shape.to_vec();
        let fan_in: usize = dims[1..].iter().product();
        let (low, high) = match dims.len() {
            2.. => (-(6.0 / fan_in as f64).sqrt(), (6.0 / fan_in as f64).sqrt()),
            _ if tensor.name.ends_with("running_var") => (0.3, 0.9),
            _ if tensor.name.ends_with("bn.weight") => (0.5, 1.1),
            _ => (-0.1, 0.1),
        };
        let count = [dims.iter().product::<usize>()];
        let values = Tensor::<1>::random(count, Distribution::Uniform(low, high), &device);
        let values: Vec<f32> = values.into_data().iter::<f32>().collect();
        stored(&tensor.name, values, dims)
    };
    let tensors = InceptionV3::init(kind, &device).tensors();
    tensors.into_iter().map(draw).collect()
}

fn stored(name: &str, values: Vec<f32>, dims: Vec<usize>) -> StoredTensor {
    bridge::from_data(TensorData::new(values, dims), name.to_string(), None)
}

fn opened(tensors: Vec<StoredTensor>, resize: Resize) -> Result<Inception, InceptionError> {
    Inception::from_tensors(tensors, resize, "some.pth", &Device::default())
}

/// Whether the change makes it an error that says these things.
#[track_caller]
fn fails(change: impl FnOnce(&mut Vec<StoredTensor>), said: &[&str]) {
    let mut tensors = InceptionV3::init(Kind::Fid, &Device::default()).tensors();
    change(&mut tensors);
    let error = opened(tensors, Resize::Tensorflow).unwrap_err().to_string();
    for said in said
        .iter()
        .chain(&["some.pth", "pt_inception-2015-12-05-6726825d.pth"])
    {
        assert!(error.contains(said), "{error}");
    }
}

#[track_caller]
fn assert_close<const D: usize>(got: Tensor<D>, want: Tensor<D>, tolerance: f32) {
    let scale: f32 = want.clone().abs().max().into_scalar();
    let off: f32 = (got - want).abs().max().into_scalar();
    assert!(
        scale > 0.0 && off <= tolerance * scale,
        "off by {off} of {scale}"
    );
}

#[test]
fn names_and_numbers_of_parameters_are_those_of_the_published_file() {
    let network = InceptionV3::init(Kind::Fid, &Device::default());
    let tensors = network.tensors();
    assert_eq!(tensors.len(), 94 * 5 + 2);
    let trained = |name: &str| !name.contains("running_");
    let parameters = tensors.iter().filter(|tensor| trained(&tensor.name));
    let count = parameters
        .map(|tensor| tensor.shape.num_elements())
        .sum::<usize>();
    assert_eq!(count, 23_850_960);
    for name in [
        "Conv2d_1a_3x3.conv.weight",
        "Mixed_5b.branch3x3dbl_3.bn.running_var",
        "Mixed_6a.branch3x3.bn.bias",
        "Mixed_6e.branch7x7dbl_5.conv.weight",
        "Mixed_7a.branch7x7x3_4.bn.weight",
        "Mixed_7c.branch3x3_2b.bn.running_mean",
        "fc.bias",
    ] {
        assert!(tensors.iter().any(|tensor| tensor.name == name), "{name}");
    }
}

#[test]
fn folded_norms_compute_what_they_were() {
    let device = Device::default();
    for kind in [Kind::Fid, Kind::Torchvision] {
        let (network, loaded) = import::load(drawn(kind), "test", &device).unwrap();
        assert_eq!(loaded, kind);
        let folded = import::folded(network.clone(), "test").unwrap();
        let x = Tensor::random([1, 3, 299, 299], Distribution::Uniform(-1.0, 1.0), &device);
        let (want, got) = (network.forward(x.clone()), folded.forward(x));
        assert_close(got.pool3, want.pool3, 2e-5);
        assert_close(got.spatial, want.spatial, 2e-5);
        assert_close(got.logits_without_bias, want.logits_without_bias, 2e-5);
        assert_close(got.logits, want.logits, 2e-5);
    }
}

#[test]
fn an_image_has_the_same_outputs_alone_and_among_seven_others() {
    let inception = opened(drawn(Kind::Fid), Resize::Tensorflow).unwrap();
    let images = Tensor::random(
        [8, 3, 40, 50],
        Distribution::Uniform(-1.0, 1.0),
        &Device::default(),
    );
    let all = inception.outputs(images.clone());
    for image in [0, 5] {
        let one = inception.outputs(images.clone().narrow(0, image, 1));
        assert_close(one.pool3, all.pool3.clone().narrow(0, image, 1), 1e-6);
        assert_close(one.spatial, all.spatial.clone().narrow(0, image, 1), 1e-6);
        assert_close(one.logits, all.logits.clone().narrow(0, image, 1), 1e-6);
    }
    let embedded = inception.embed(images);
    embedded.into_data().assert_eq(&all.pool3.into_data(), true);
}

#[test]
fn a_missing_and_an_unknown_tensor_are_errors_that_name_them() {
    let renamed = |tensors: &mut Vec<StoredTensor>| {
        let name = "Mixed_6c.branch7x7_2.conv.weight";
        let tensor = tensors.iter_mut().find(|tensor| tensor.name == name);
        tensor.unwrap().name = "Mixed_6c.branch7x7_2.conv.weigth".to_string();
    };
    fails(
        renamed,
        &[
            "missing (1):\n    Mixed_6c.branch7x7_2.conv.weight",
            "unexpected (1):\n    Mixed_6c.branch7x7_2.conv.weigth",
        ],
    );
    // The auxiliary classifier is torchvision's alone.
    let auxiliary = |tensors: &mut Vec<StoredTensor>| {
        tensors.push(stored("AuxLogits.fc.bias", vec![0.0; 1008], vec![1008]));
    };
    fails(auxiliary, &["unexpected (1):\n    AuxLogits.fc.bias"]);
}

#[test]
fn a_tensor_of_another_shape_is_an_error() {
    let narrower = |tensors: &mut Vec<StoredTensor>| {
        let name = "Mixed_5b.branch_pool.conv.weight";
        tensors.retain(|tensor| tensor.name != name);
        tensors.push(stored(name, vec![0.0; 64 * 192], vec![64, 192, 1, 1]));
    };
    fails(
        narrower,
        &["Mixed_5b.branch_pool.conv.weight: expected shape"],
    );
    let classes = |tensors: &mut Vec<StoredTensor>| {
        tensors.retain(|tensor| tensor.name != "fc.bias");
        tensors.push(stored("fc.bias", vec![0.0; 1001], vec![1001]));
    };
    fails(classes, &["fc.bias: expected shape"]);
}

#[test]
fn a_negative_variance_is_an_error() {
    let negative = |tensors: &mut Vec<StoredTensor>| {
        let name = "Mixed_7b.branch1x1.bn.running_var";
        tensors.retain(|tensor| tensor.name != name);
        tensors.push(stored(name, vec![-0.5; 320], vec![320]));
    };
    fails(
        negative,
        &["Mixed_7b.branch1x1.bn.running_var: a variance of -5e-1"],
    );
}

#[test]
fn a_file_opens_with_counters_and_says_whether_it_is_the_published_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inception.safetensors");
    let mut tensors = drawn(Kind::Fid);
    let counter = TensorData::new(vec![3i64], [1]);
    let name = "Mixed_5b.branch1x1.bn.num_batches_tracked".to_string();
    tensors.push(bridge::from_data(counter, name, None));
    save_tensors(&path, &tensors, Default::default()).unwrap();
    let inception = Inception::open(&path, Resize::Clean, &Device::default()).unwrap();
    assert_eq!(
        (inception.kind(), inception.resize()),
        (Kind::Fid, Resize::Clean)
    );
    assert_eq!(inception.hash(), svg_store::sha256_file(&path).unwrap());
    assert!(!inception.is_published());
    let warning = inception.warning().unwrap();
    assert!(
        warning.contains(&inception.hash()[..8]) && warning.contains("6726825d"),
        "{warning}"
    );
    let name = inception.name();
    assert!(
        name.contains("Inception v3 of 2015-12-05") && name.ends_with("clean resize"),
        "{name}"
    );
}

#[test]
fn torchvisions_file_is_another_network_and_says_so() {
    let mut tensors = drawn(Kind::Torchvision);
    tensors.push(stored("AuxLogits.fc.bias", vec![0.0; 1000], vec![1000]));
    tensors.push(stored(
        "AuxLogits.conv0.conv.weight",
        vec![0.0; 128 * 768],
        vec![128, 768, 1, 1],
    ));
    let inception = opened(tensors, Resize::Tensorflow).unwrap();
    assert_eq!(inception.kind(), Kind::Torchvision);
    assert!(
        inception
            .warning()
            .unwrap()
            .contains("its distances are not FID")
    );
    assert!(inception.name().contains("not that of FID"));
    let output = inception.outputs(Tensor::zeros([1, 3, 8, 8], &Device::default()));
    assert_eq!(output.logits.dims(), [1, 1000]);
}

#[test]
fn numbers_of_half_precision_are_computed_with_in_f32() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("half.safetensors");
    let tensors = drawn(Kind::Fid);
    let halved = |to: DType| -> Vec<StoredTensor> {
        let halves = tensors.iter().map(|tensor| {
            let data = bridge::to_data(tensor).unwrap().convert_dtype(DType::F16);
            bridge::from_data(data.convert_dtype(to), tensor.name.clone(), None)
        });
        halves.collect()
    };
    save_tensors(&path, &halved(DType::F16), Default::default()).unwrap();
    let device = Device::default();
    let half = Inception::open(&path, Resize::Tensorflow, &device).unwrap();
    let same = opened(halved(DType::F32), Resize::Tensorflow).unwrap();
    let image = Tensor::random([1, 3, 32, 32], Distribution::Uniform(-1.0, 1.0), &device);
    let (got, want) = (half.outputs(image.clone()), same.outputs(image));
    assert_eq!(got.pool3.dtype(), DType::F32);
    got.logits
        .into_data()
        .assert_eq(&want.logits.into_data(), true);
}
