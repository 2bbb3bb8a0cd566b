//! Learned perceptual distance.

use std::path::Path;

use burn::module::{Initializer, Param};
use burn::prelude::*;
use svg_nn::{LoadError, StoredTensor, TensorFile, load_exact};

use crate::psnr::assert_same_shape;
use crate::vgg::CHANNELS;
use crate::{Vgg16, import};

/// Mean and deviation that LPIPS subtracts and divides by, of images in `[-1, 1]`.
const SHIFT: [f32; 3] = [-0.030, -0.088, -0.188];
const SCALE: [f32; 3] = [0.458, 0.448, 0.450];

/// Four pools leave one pixel of sixteen.
const SMALLEST: usize = 16;

/// Error of loading a metric.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// The file cannot be read, or its tensors are not those of VGG16 and LPIPS.
    #[error(
        "{0}\nLPIPS needs the convolutions of VGG16 without batch norm: torchvision's ImageNet weights \
         (vgg16-397923af.pth), or a file of LPIPS that contains them"
    )]
    Load(#[from] LoadError),
}

/// LPIPS v0.1 on VGG16 (Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual
/// Metric", 2018): how different two images look, 0 for equal ones.
///
/// ```text
/// sum over layers of mean over positions of  w . (unit(f(x)) - unit(f(y)))^2
/// unit(f) = f / (|f| + 1e-10)
/// ```
///
/// The dropout that the published training code has in front of each `w` does not exist here: nothing
/// that a trainer calls can turn it on. Weights are constants on the plain device, also in a training
/// program, where Burn treats them as such beside images that carry a graph.
#[derive(Module, Debug)]
pub struct Lpips {
    /// The features.
    pub vgg: Vgg16,
    /// The linear layers, `w`, each `[1, channels, 1, 1]`.
    pub lin: Vec<Param<Tensor<4>>>,
}

impl Lpips {
    /// Opens a file with the convolutions of VGG16: torchvision's whole network, or a file of LPIPS.
    ///
    /// The linear layers are those of the file if it has them, and otherwise the published ones, which
    /// this crate brings. The network may lie inside a larger file, under any name.
    ///
    /// # Errors
    ///
    /// [`EvalError::Load`] if the file cannot be read or holds other tensors than these.
    pub fn open(path: impl AsRef<Path>, device: &Device) -> Result<Self, EvalError> {
        let (lpips, _) = Self::open_network(path, None, device)?;
        Ok(lpips)
    }

    /// As [`open`](Self::open), for the network under `key` where the file holds several, with what was taken
    /// and left, for people; see [`svg_nn::Networks::choose`].
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and if there is no network under the key.
    pub fn open_network(
        path: impl AsRef<Path>,
        key: Option<&str>,
        device: &Device,
    ) -> Result<(Self, Vec<String>), EvalError> {
        let file = TensorFile::open(path)?;
        let source = file.path().display().to_string();
        let mut network = file.into_network(&import::LANDMARKS, key)?;
        let notes = std::mem::take(&mut network.notes);
        let lpips = Self::from_tensors(network.into_tensors(), None, &source, device)?;
        Ok((lpips, notes))
    }

    /// The same from tensors that are already there. `linears`, named `lin0.model.1.weight` to
    /// `lin4.model.1.weight`, take the place of all other linear layers. `source` is named in errors.
    ///
    /// # Errors
    ///
    /// [`EvalError::Load`] if a tensor is missing, left over or of another shape.
    pub fn from_tensors(
        vgg: Vec<StoredTensor>,
        linears: Option<Vec<StoredTensor>>,
        source: &str,
        device: &Device,
    ) -> Result<Self, EvalError> {
        let (own, mut tensors): (Vec<_>, Vec<_>) =
            import::rename(vgg).into_iter().partition(import::is_linear);
        tensors.extend(match linears {
            Some(linears) => import::rename(linears),
            None if own.is_empty() => import::rename(import::linears()),
            None => own,
        });
        let device = device.clone().without_autodiff();
        let lpips = load_exact(Self::new(&device), tensors, source);
        Ok(lpips
            .map_err(|error| error.with_names(in_the_file))?
            .no_grad())
    }

    fn new(device: &Device) -> Self {
        let linear = |channels: &usize| Initializer::Zeros.init([1, *channels, 1, 1], device);
        Self {
            vgg: Vgg16::init(device),
            lin: CHANNELS.iter().map(linear).collect(),
        }
    }

    /// The distance of each image from its reference, `[batch]`.
    ///
    /// Gradients flow into `images`, if they carry a graph, and never into `reference`, whose features
    /// are computed outside any graph.
    ///
    /// # Shapes
    ///
    /// - images, reference: `[batch, 3, height, width]` in `[-1, 1]`
    /// - output: `[batch]`
    ///
    /// # Panics
    ///
    /// If the two differ in shape, there are not three channels, or a side is below 16 pixels.
    pub fn forward(&self, images: Tensor<4>, reference: Tensor<4>) -> Tensor<1> {
        assert_same_shape(&images, &reference);
        let [batch, channels, height, width] = images.dims();
        assert!(
            channels == 3 && height >= SMALLEST && width >= SMALLEST,
            "LPIPS needs 3 channels and sides of at least {SMALLEST} pixels, got {channels} channels \
             and {height} by {width} pixels"
        );
        let features = |x: Tensor<4>| self.vgg.forward(normalize(x));
        let constant = features(reference.without_autodiff());
        let pairs = features(images).into_iter().zip(constant);
        let layers = pairs.zip(&self.lin).map(|((x, y), linear)| {
            let difference = unit(x) - unit(y);
            let weighed = difference.square() * linear.val(); // [batch, channels, rows, columns]
            weighed.sum_dim(1).mean_dims(&[2, 3]).reshape([batch])
        });
        layers
            .reduce(|sum, layer| sum + layer)
            .expect("five layers")
    }
}

/// Files do not have the name of our field in front of torchvision's.
fn in_the_file(name: &str) -> String {
    name.strip_prefix("vgg.").unwrap_or(name).to_string()
}

fn normalize(images: Tensor<4>) -> Tensor<4> {
    let device = images.device();
    let per_channel = |values| Tensor::<1>::from_floats(values, &device).reshape([1, 3, 1, 1]);
    let [shift, scale]: [Tensor<4>; 2] = [SHIFT, SCALE].map(per_channel);
    (images - shift) / scale
}

/// `f / (|f| + 1e-10)` along the channels.
///
/// The root of zero has no derivative, and after a ReLU whole positions are zero. Below 1e-20 the root
/// is therefore held constant, which changes no value that f32 could show and makes the gradient there
/// a finite number, which the ReLU then stops.
fn unit(features: Tensor<4>) -> Tensor<4> {
    let squares = features.clone().square().sum_dim(1); // [batch, 1, rows, columns]
    features / (squares.clamp_min(1e-20).sqrt() + 1e-10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;
    use svg_nn::{module_tensors, save_tensors};

    /// VGG16 with random convolutions under torchvision's names.
    fn vgg() -> Vec<StoredTensor> {
        module_tensors(&Vgg16::init(&Device::default()))
    }

    fn lpips() -> Lpips {
        Lpips::from_tensors(vgg(), None, "test", &Device::default()).unwrap()
    }

    fn noise(device: &Device) -> Tensor<4> {
        Tensor::random([2, 3, 16, 16], Distribution::Uniform(-1.0, 1.0), device)
    }

    fn first(distance: Tensor<1>) -> f32 {
        distance.narrow(0, 0, 1).into_scalar()
    }

    #[test]
    fn an_image_is_at_no_distance_from_itself_and_at_some_from_others() {
        let (lpips, x, y) = (
            lpips(),
            noise(&Device::default()),
            noise(&Device::default()),
        );
        assert_eq!(first(lpips.forward(x.clone(), x.clone())), 0.0);
        let there = lpips.forward(x.clone(), y.clone());
        assert_eq!(there.dims(), [2]);
        let (there, back) = (first(there), first(lpips.forward(y, x)));
        assert!(there > 0.0);
        assert!((there - back).abs() < 1e-6 * there, "{there} and {back}");
    }

    #[test]
    fn training_changes_nothing_because_there_is_no_dropout() {
        let (lpips, x, y) = (
            lpips(),
            noise(&Device::default()),
            noise(&Device::default()),
        );
        let calm = lpips.forward(x.clone(), y.clone());
        let trained = lpips.train().forward(x.autodiff(), y.autodiff());
        let difference: f32 = (trained.inner() - calm).abs().max().into_scalar();
        assert!(difference < 1e-7, "{difference}");
    }

    #[test]
    fn gradients_reach_the_images_and_neither_the_reference_nor_the_weights() {
        let device = Device::default().autodiff();
        let lpips = Lpips::from_tensors(vgg(), None, "test", &device).unwrap();
        let lpips = lpips.freeze().valid();
        let (x, y) = (noise(&device).require_grad(), noise(&device).require_grad());
        let grads = lpips.forward(x.clone(), y.clone()).sum().backward();
        let steepest: f32 = x.grad(&grads).unwrap().abs().max().into_scalar();
        assert!(steepest > 0.0 && steepest.is_finite(), "{steepest}");
        assert!(y.grad(&grads).is_none());
        assert!(!lpips.lin[0].is_require_grad());
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_distance() {
        let (lpips, device) = (lpips(), Device::default().autodiff());
        let (x, y) = (noise(&Device::default()), noise(&Device::default()));
        let direction = y.clone() - x.clone();
        let leaf = Tensor::from_data(x.to_data(), &device).require_grad();
        let grads = lpips.forward(leaf.clone(), y.clone()).sum().backward();
        let slope: f32 = (leaf.grad(&grads).unwrap() * direction.clone())
            .sum()
            .into_scalar();
        let at = |step: f64| {
            let x = x.clone() + direction.clone() * step;
            lpips.forward(x, y.clone()).sum().into_scalar::<f32>()
        };
        let secant = (at(1e-2) - at(-1e-2)) / 2e-2;
        assert!(
            (slope - secant).abs() < 0.05 * secant.abs(),
            "{slope}, {secant}"
        );
    }

    #[test]
    fn gradients_are_finite_where_all_features_vanish() {
        let mut tensors = vgg();
        // Biases far below zero leave nothing after the first ReLU.
        for tensor in &mut tensors {
            if tensor.name == "features.2.bias" {
                let data = burn::tensor::TensorData::new(vec![-1e3f32; 64], [64]);
                *tensor = burn::store::bridge::from_data(data, tensor.name.clone(), None);
            }
        }
        let lpips = Lpips::from_tensors(tensors, None, "test", &Device::default()).unwrap();
        let device = Device::default().autodiff();
        let x = noise(&device).require_grad();
        let grads = lpips.forward(x.clone(), noise(&device)).sum().backward();
        let sum: f32 = x.grad(&grads).unwrap().sum().into_scalar();
        assert!(sum.is_finite(), "{sum}");
    }

    #[test]
    fn the_gradient_of_a_unit_vector_is_finite_at_zero() {
        let device = Device::default().autodiff();
        let zero = Tensor::<4>::zeros([1, 3, 2, 2], &device).require_grad();
        let grads = (unit(zero.clone()) - 0.5).square().sum().backward();
        let steepest: f32 = zero.grad(&grads).unwrap().abs().max().into_scalar();
        assert!(steepest.is_finite(), "{steepest}");
    }

    #[test]
    fn a_file_of_torchvision_opens_with_its_classifier() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vgg16.safetensors");
        let mut tensors = vgg();
        let mut classifier = tensors[0].clone();
        classifier.name = "classifier.6.bias".to_string();
        tensors.push(classifier);
        save_tensors(&path, &tensors, Default::default()).unwrap();
        let (opened, device) = (
            Lpips::open(&path, &Device::default()).unwrap(),
            Device::default(),
        );
        let kept = Lpips::from_tensors(vgg(), None, "test", &device).unwrap();
        assert_eq!(opened.num_params(), 14_714_688 + 1472);
        assert_eq!(kept.lin.len(), 5);
    }

    #[test]
    fn a_missing_convolution_is_named_as_in_the_users_file() {
        let tensors = vgg()
            .into_iter()
            .filter(|t| t.name != "features.7.weight")
            .collect();
        let error = Lpips::from_tensors(tensors, None, "half.pth", &Device::default()).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("half.pth") && text.contains("    features.7.weight"),
            "{text}"
        );
        assert!(text.contains("vgg16-397923af.pth"), "{text}");
    }

    #[test]
    #[should_panic(expected = "at least 16 pixels, got 3 channels and 15 by 16 pixels")]
    fn an_image_too_small_for_the_pools_panics() {
        let x = Tensor::zeros([1, 3, 15, 16], &Device::default());
        lpips().forward(x.clone(), x);
    }
}
