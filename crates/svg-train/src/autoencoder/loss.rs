//! The losses of the first stage.

use burn::nn::conv::Conv2d;
use burn::prelude::*;
use burn::tensor::Gradients;
use burn::tensor::activation::relu;
use burn::tensor::module::conv2d_weight_backward;
use burn::tensor::ops::ConvOptions;
use svg_store::{Checked, first, outside};

use super::{Critic, Perceptual};
use crate::log::Scalars;
use crate::run::Unread;

/// The adaptive weight is clamped to this before it is scaled.
const LARGEST_WEIGHT: f64 = 1e4;

/// The objective of the first stage (Esser et al., "Taming Transformers", 2021, with the weights of SVG,
/// arXiv 2510.15301, section 3).
///
/// ```text
/// rec  = mean |x - y| + perceptual_weight * mean p(y, x)
/// nll  = rec * elements of an image
/// g    = -mean D(y)
/// w    = disc_weight * clamp(|d nll / d W| / (|d g / d W| + 1e-4), 0, 1e4)
/// L    = nll + w g                                          autoencoder, w a constant
/// L_D  = (mean relu(1 - D(x)) + mean relu(1 + D(y))) / 2    critic, y a constant
/// ```
///
/// for photographs x and reconstructions y, with W the weight of the decoder's last convolution. The
/// reference sums the error over pixels and averages over the batch, and adds the perceptual distance to
/// *every* pixel; `nll` is that. Terms with D count from a certain step on, which the
/// caller decides: `active`.
#[derive(Config, Debug, PartialEq)]
pub struct Objective {
    /// Weight of the perceptual distance beside the mean absolute error. Default: 1
    #[config(default = 1.0)]
    pub perceptual_weight: f64,
    /// Factor of the adaptive weight. Default: 0.5
    #[config(default = 0.5)]
    pub disc_weight: f64,
    /// Whether the autoencoder's step evaluates the critic also before it counts. The reference does, for
    /// its log; it costs a pass through the critic and two gradients. Default: false
    #[config(default = false)]
    pub monitor_inactive: bool,
}

/// The decoder's output for a batch. Graphs behind the tensors are not used.
pub struct Reconstruction<'a> {
    /// The images, `[batch, 3, height, width]`.
    pub images: Tensor<4>,
    /// The input of the last convolution, `[batch, channels, height, width]`.
    pub trunk: Tensor<4>,
    /// The last convolution.
    pub conv_out: &'a Conv2d,
}

/// The autoencoder's half of a training step, above the image.
pub struct GeneratorStep {
    /// Of the loss at the reconstructions, on the plain device, `[batch, 3, height, width]`.
    pub gradient: Tensor<4>,
    /// The parts of the objective under their names in the log: `loss`, what was minimised;
    /// `reconstruction`, which is `l1 + perceptual_weight * perceptual`; `l1`, the mean absolute error;
    /// `perceptual`, the mean distance; and, if the critic was evaluated, `adversarial`, `-mean D(y)`, and
    /// `adversarial_weight`, the adaptive weight with its factor.
    pub terms: Unread,
}

/// The critic's half of a training step.
pub struct CriticStep {
    /// Of the critic's parameters; zeros while it does not count.
    pub gradients: Gradients,
    /// The parts of the objective under their names in the log: `critic/loss`, what was minimised, zero while
    /// the critic does not count; `critic/logits_real` and `critic/logits_fake`, the mean logits of
    /// photographs and of reconstructions.
    pub terms: Unread,
}

impl Checked for Objective {
    fn problem(&self) -> Option<String> {
        first([
            outside("perceptual_weight", self.perceptual_weight, 0.0..=1e6),
            outside("disc_weight", self.disc_weight, 0.0..=1e6),
        ])
    }
}

impl Objective {
    /// The autoencoder's loss and its gradient at the reconstructions.
    ///
    /// The graph is cut at the image: each loss is differentiated there, once, the two gradients also
    /// give the norms at the last weight, and their weighted sum goes back through the decoder.
    /// This equals the gradient of the whole, and nothing is differentiated twice.
    ///
    /// # Shapes
    ///
    /// - target: `[batch, 3, height, width]` in `[-1, 1]`
    ///
    /// # Panics
    ///
    /// If the last convolution changes the size, or shapes do not fit.
    pub fn generator(
        &self,
        made: Reconstruction,
        target: Tensor<4>,
        perceptual: &dyn Perceptual,
        critic: Option<&Critic>,
        active: bool,
    ) -> GeneratorStep {
        let target = target.without_autodiff();
        let Reconstruction {
            images,
            trunk,
            conv_out,
        } = made;
        let image = images.without_autodiff();
        assert_eq!(
            image.dims(),
            target.dims(),
            "a reconstruction of another shape than its target"
        );
        let [batch, channels, height, width] = image.dims();
        let elements = (channels * height * width) as f64;

        // nll = (sum |x - y| + perceptual_weight elements sum p) / batch
        let difference = image.clone() - target.clone();
        let (distance, at_image) = perceptual.differentiate(image.clone(), target);
        let weight = self.perceptual_weight * elements;
        let mut pull = (difference.clone().sign() + at_image * weight) / batch as f64;
        let mut terms = vec![difference.abs().mean(), distance.mean()];

        if let Some(critic) = critic.filter(|_| active || self.monitor_inactive) {
            let leaf = Tensor::from_inner(image).require_grad();
            let g = critic.constant().forward(leaf.clone()).mean().neg();
            let push = leaf.grad(&g.backward());
            let push = push.expect("the loss depends on the image");
            let trunk = trunk.without_autodiff();
            let norm = |at_image| weight_norm(&trunk, conv_out, at_image);
            let ratio = norm(pull.clone()) / (norm(push.clone()) + 1e-4);
            let weight = ratio.clamp(0.0, LARGEST_WEIGHT) * self.disc_weight; // [1]
            terms.extend([g, weight.clone()]);
            if active {
                pull = pull + push * weight.reshape([1, 1, 1, 1]);
            }
        }
        GeneratorStep {
            gradient: pull,
            terms: self.terms(terms, elements, active),
        }
    }

    fn terms(&self, numbers: Vec<Tensor<1>>, elements: f64, active: bool) -> Unread {
        let perceptual_weight = self.perceptual_weight;
        Unread::new(numbers, move |numbers| {
            terms(numbers, perceptual_weight, elements, active)
        })
    }

    /// The critic's loss and its gradients.
    ///
    /// Photographs are evaluated first and separately, since each batch has its own statistics. Before
    /// the critic counts its loss is multiplied by zero, as in the reference: an optimiser that is given
    /// these gradients changes no weight, but counts its steps.
    ///
    /// # Shapes
    ///
    /// - real, fake: `[batch, 3, height, width]` in `[-1, 1]`; no gradient flows into them
    ///
    /// # Panics
    ///
    /// If the critic is not on an autodiff device.
    pub fn critic(
        &self,
        critic: &Critic,
        real: Tensor<4>,
        fake: Tensor<4>,
        active: bool,
    ) -> CriticStep {
        let real = critic.forward(real.without_autodiff());
        let fake = critic.forward(fake.without_autodiff());
        let hinge = |signed: Tensor<4>| relu(signed + 1.0).mean();
        let loss = (hinge(-real.clone()) + hinge(fake.clone())) * 0.5;
        let loss = loss * if active { 1.0 } else { 0.0 };
        let gradients = loss.backward();
        let terms = Unread::named(
            ["critic/loss", "critic/logits_real", "critic/logits_fake"],
            [loss, real.mean(), fake.mean()],
        );
        CriticStep { gradients, terms }
    }
}

/// The norm of the gradient at the last weight, given the gradient at the image, `[1]`.
fn weight_norm(trunk: &Tensor<4>, conv: &Conv2d, at_image: Tensor<4>) -> Tensor<1> {
    let [_, _, height, width] = trunk.dims();
    let [_, _, rows, columns] = at_image.dims();
    assert!(
        [height, width] == [rows, columns] && conv.stride == [1, 1],
        "the last convolution changes the size from {height} by {width} to {rows} by {columns}"
    );
    // Same size and no stride: this is its padding, however it is configured.
    let padding = [0, 1].map(|axis| conv.dilation[axis] * (conv.kernel_size[axis] - 1) / 2);
    let options = ConvOptions::new(conv.stride, padding, conv.dilation, conv.groups);
    let weight = conv.weight.val().without_autodiff();
    let gradient = conv2d_weight_backward(trunk.clone(), weight, at_image, options);
    gradient.square().sum().sqrt()
}

/// The generator's numbers under their names in the log.
fn terms(numbers: &[f64], perceptual_weight: f64, elements: f64, active: bool) -> Scalars {
    let rec = numbers[0] + perceptual_weight * numbers[1];
    let counted = match numbers {
        [_, _, g, weight] if active => weight * g,
        _ => 0.0,
    };
    let total = rec * elements + counted;
    let terms = Scalars::new()
        .with("loss", total)
        .with("reconstruction", rec);
    let names = ["l1", "perceptual", "adversarial", "adversarial_weight"];
    let named = names.into_iter().zip(numbers);
    named.fold(terms, |terms, (name, value)| terms.with(name, *value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autoencoder::CriticConfig;
    use burn::nn::PaddingConfig2d;
    use burn::nn::conv::Conv2dConfig;
    use burn::tensor::Distribution;

    /// A mean over pixels, in place of a network.
    struct Squares;

    impl Perceptual for Squares {
        fn distance(&self, images: Tensor<4>, reference: Tensor<4>) -> Tensor<1> {
            (images - reference)
                .square()
                .mean_dims(&[1, 2, 3])
                .flatten(0, 3)
        }

        fn to_device(&self, _device: &Device) -> Box<dyn Perceptual> {
            Box::new(Self)
        }
    }

    #[derive(Module, Debug)]
    struct Decoder {
        conv_in: Conv2d,
        conv_out: Conv2d,
    }

    impl Decoder {
        fn new(device: &Device) -> Self {
            let conv = |channels| {
                let config = Conv2dConfig::new(channels, [3, 3]);
                let config = config.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
                config.init(device)
            };
            Self {
                conv_in: conv([4, 6]),
                conv_out: conv([6, 3]),
            }
        }

        fn trunk(&self, features: Tensor<4>) -> Tensor<4> {
            self.conv_in.forward(features).tanh()
        }
    }

    /// A step with the gradients of the graph below the image.
    struct Learnt {
        gradients: Gradients,
        image: Tensor<4>,
        terms: Scalars,
    }

    struct Scene {
        decoder: Decoder,
        critic: Critic,
        features: Tensor<4>,
        target: Tensor<4>,
    }

    impl Scene {
        fn new() -> Self {
            let plain = Device::default();
            let device = plain.clone().autodiff();
            let noise = |shape| Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &plain);
            Self {
                decoder: Decoder::new(&device),
                critic: CriticConfig::new()
                    .with_width(4)
                    .with_n_layers(2)
                    .init(&device),
                features: noise([2, 4, 32, 32]),
                target: noise([2, 3, 32, 32]),
            }
        }

        fn generator(&self, objective: &Objective, active: bool) -> Learnt {
            let trunk = self.decoder.trunk(self.features.clone());
            let images = self.decoder.conv_out.forward(trunk.clone());
            let made = Reconstruction {
                images: images.clone(),
                trunk,
                conv_out: &self.decoder.conv_out,
            };
            let step = objective.generator(
                made,
                self.target.clone(),
                &Squares,
                Some(&self.critic),
                active,
            );
            let image = images.clone().inner();
            Learnt {
                gradients: (images * Tensor::from_inner(step.gradient))
                    .sum()
                    .backward(),
                image,
                terms: step.terms.read(),
            }
        }

        fn at_both_ends(&self, gradients: &Gradients) -> [Tensor<4>; 2] {
            [&self.decoder.conv_in, &self.decoder.conv_out]
                .map(|conv| conv.weight.grad(gradients).unwrap())
        }
    }

    fn norm(tensor: Tensor<4>) -> f64 {
        tensor.square().sum().sqrt().into_scalar::<f64>()
    }

    #[test]
    fn cutting_the_graph_at_the_image_changes_no_gradient() {
        let scene = Scene::new();
        for active in [false, true] {
            let step = scene.generator(&Objective::new(), active);
            let trunk = scene.decoder.trunk(scene.features.clone());
            let image = scene.decoder.conv_out.forward(trunk);
            let l1 = (image.clone() - scene.target.clone()).abs().mean();
            let p = Squares.distance(image.clone(), scene.target.clone()).mean();
            let mut whole = (l1 + p) * (3.0 * 32.0 * 32.0);
            if let Some(weight) = step.terms.get("adversarial_weight") {
                let g = scene.critic.constant().forward(image).mean().neg();
                whole = whole + g * weight;
            }
            let total: f64 = whole.clone().inner().into_scalar::<f64>();
            let found = step.terms.get("loss").unwrap();
            assert!((found - total).abs() < 1e-5 * total, "{:?}", step.terms);
            let want = scene.at_both_ends(&whole.backward());
            for (got, want) in scene.at_both_ends(&step.gradients).into_iter().zip(want) {
                let scale = norm(want.clone());
                let off = norm(got - want) / scale;
                assert!(scale > 0.0 && off < 1e-5, "active {active}: off by {off:e}");
            }
        }
    }

    #[test]
    fn the_adaptive_weight_is_a_ratio_of_gradients_at_the_last_convolution() {
        let scene = Scene::new();
        let gradient = |loss: &dyn Fn(Tensor<4>) -> Tensor<1>| {
            let trunk = scene.decoder.trunk(scene.features.clone());
            let gradients = loss(scene.decoder.conv_out.forward(trunk)).backward();
            norm(scene.decoder.conv_out.weight.grad(&gradients).unwrap())
        };
        let nll = gradient(&|image| {
            let difference = image - scene.target.clone();
            (difference.clone().abs().mean() + difference.square().mean()) * 3072.0
        });
        let g = gradient(&|image| scene.critic.constant().forward(image).mean().neg());
        let want = 0.5 * (nll / (g + 1e-4)).clamp(0.0, 1e4);
        let step = scene.generator(&Objective::new(), true);
        let got = step.terms.get("adversarial_weight").unwrap();
        assert!((got - want).abs() < 1e-4 * want, "{got} for {want}");
    }

    #[test]
    fn each_player_has_gradients_from_its_own_step_alone() {
        let scene = Scene::new();
        let step = scene.generator(&Objective::new(), true);
        assert!(scene.critic.conv_in.weight.grad(&step.gradients).is_none());
        let norm = &scene.critic.blocks[0].norm;
        assert!(norm.gamma.grad(&step.gradients).is_none());

        let trunk = scene.decoder.trunk(scene.features.clone());
        let fake = scene.decoder.conv_out.forward(trunk);
        let objective = Objective::new();
        let step = objective.critic(&scene.critic, scene.target.clone(), fake, true);
        assert!(scene.critic.conv_in.weight.grad(&step.gradients).is_some());
        let conv = &scene.decoder.conv_out;
        assert!(conv.weight.grad(&step.gradients).is_none());
    }

    #[test]
    fn an_inactive_critic_changes_no_gradient() {
        let scene = Scene::new();
        let silent = scene.generator(&Objective::new(), false);
        let number = |terms: &Scalars, name| terms.get(name).unwrap();
        assert_eq!(silent.terms.get("adversarial"), None);
        let reconstruction = number(&silent.terms, "reconstruction");
        assert_eq!(number(&silent.terms, "loss"), reconstruction * 3072.0);

        let objective = Objective::new().with_monitor_inactive(true);
        let watched = scene.generator(&objective, false);
        assert!(watched.terms.get("adversarial").is_some());
        assert_eq!(watched.terms.get("loss"), silent.terms.get("loss"));
        let pairs = scene.at_both_ends(&watched.gradients).into_iter();
        for (a, b) in pairs.zip(scene.at_both_ends(&silent.gradients)) {
            a.into_data().assert_eq(&b.into_data(), true);
        }

        let step = objective.critic(&scene.critic, scene.target.clone(), silent.image, false);
        assert_eq!(number(&step.terms.read(), "critic/loss"), 0.0);
        let gradient = scene.critic.conv_in.weight.grad(&step.gradients).unwrap();
        assert_eq!(norm(gradient), 0.0);
    }

    #[test]
    fn the_perceptual_distance_counts_for_every_pixel() {
        let terms = |objective: &Objective| {
            let terms = Scene::new().generator(objective, false).terms;
            ["loss", "reconstruction", "l1", "perceptual"].map(|name| terms.get(name).unwrap())
        };
        let [loss, rec, l1, perceptual] = terms(&Objective::new());
        assert!((rec - l1 - perceptual).abs() < 1e-12);
        assert!((loss - rec * 3072.0).abs() < 1e-9);
        let [_, rec, l1, _] = terms(&Objective::new().with_perceptual_weight(0.0));
        assert_eq!(rec, l1);
    }
}
