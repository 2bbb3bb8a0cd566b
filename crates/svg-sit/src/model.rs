//! The network: samples, times and labels in, velocities out.

use burn::nn::Linear;
use burn::prelude::*;
use burn::tensor::activation::silu;
use burn::tensor::{DType, TensorData};
use svg_nn::{Checked, checkpointed, linear};

use crate::{Block, FinalLayer, LabelEmbedder, SitConfig, TimeEmbedder, init, sincos_2d};

/// SiT on tokens (arXiv 2510.15301, section 3.2).
///
/// `final(blocks(ln1(x) + positions, c), c)` with the condition `c = silu(time(t) + label(y))`, which
/// scales and shifts every norm.
#[derive(Module, Debug)]
pub struct Sit {
    /// From the channels of a latent to `d_model`. A linear layer, in spite of its name in the checkpoint.
    pub ln1: Linear,
    /// Of the time.
    pub t_embedder: TimeEmbedder,
    /// Of the class.
    pub y_embedder: LabelEmbedder,
    /// From the first to the last.
    pub blocks: Vec<Block>,
    /// To velocities.
    pub final_layer: FinalLayer,
    /// `[1, tokens, d_model]`: [`sincos_2d`] of the grid, which nothing trains.
    pos_embed: Tensor<3>,
    checkpointing: bool,
    #[module(skip)]
    config: SitConfig,
}

impl Sit {
    pub(crate) fn new(config: &SitConfig, device: &Device) -> Self {
        if let Some(problem) = config.problem() {
            panic!("{problem}");
        }
        let SitConfig { d_model, .. } = *config;
        let blocks = (0..config.n_layers).map(|_| Block::new(config, device));
        Self {
            ln1: init::linear(config.in_channels, d_model, init::xavier(), device),
            t_embedder: TimeEmbedder::new(d_model, device),
            y_embedder: LabelEmbedder::new(config.n_classes, d_model, device),
            blocks: blocks.collect(),
            final_layer: FinalLayer::new(config, device),
            pos_embed: Tensor::from_data(positions(config), device),
            checkpointing: false,
            config: config.clone(),
        }
    }

    /// The same network, of which a graph keeps the input of each block alone, if `checkpointing`, and computes
    /// the block again for its gradient: a third more work, and memory for one block instead of all. It changes
    /// nothing outside a graph. Off in a new network.
    pub fn with_gradient_checkpointing(self, checkpointing: bool) -> Self {
        Self {
            checkpointing,
            ..self
        }
    }

    /// The configuration that the network was made from.
    pub fn config(&self) -> &SitConfig {
        &self.config
    }

    /// The label of no class: the number of classes.
    pub fn null_class(&self) -> usize {
        self.config.n_classes
    }

    /// The same weights for tokens on another grid, whose positions are computed for it.
    pub fn at_grid(&self, [rows, columns]: [usize; 2]) -> Self {
        let config = SitConfig {
            rows,
            columns,
            ..self.config.clone()
        };
        Self {
            pos_embed: Tensor::from_data(positions(&config), &self.pos_embed.device()),
            config,
            ..self.clone()
        }
    }

    /// The velocity of each sample at its time, given its class.
    ///
    /// On Burn's CPU backend in f32 a sample's velocity is the same to the bit whatever the
    /// batch that it is in.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, rows * columns, in_channels]`, row by row
    /// - t: `[batch]`, 0 at the noise and 1 at the data
    /// - labels: `[batch]`, from 0 to [`null_class`](Self::null_class)
    ///
    /// # Panics
    ///
    /// If a shape is another. On CPUs also if a label is out of range; GPUs do not look, so check labels
    /// where they come in.
    pub fn forward(&self, x: Tensor<3>, t: Tensor<1>, labels: Tensor<1, Int>) -> Tensor<3> {
        let channels = self.config.in_channels;
        self.forward_all(x, t, labels).narrow(2, 0, channels)
    }

    /// As [`forward`](Self::forward), with the outputs for a variance after the velocity, if the network
    /// has them.
    ///
    /// # Shapes
    ///
    /// - output: `[batch, rows * columns, out_channels]`, otherwise as for [`forward`](Self::forward)
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_all(&self, x: Tensor<3>, t: Tensor<1>, labels: Tensor<1, Int>) -> Tensor<3> {
        self.through(x, t, labels, self.blocks.len()).0
    }

    /// As [`forward`](Self::forward), and the tokens after the first `depth` blocks.
    ///
    /// # Shapes
    ///
    /// - second output: `[batch, rows * columns, d_model]`, otherwise as for [`forward`](Self::forward)
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward), or if there are fewer blocks.
    pub fn forward_with(
        &self,
        x: Tensor<3>,
        t: Tensor<1>,
        labels: Tensor<1, Int>,
        depth: usize,
    ) -> (Tensor<3>, Tensor<3>) {
        let (all, tokens) = self.through(x, t, labels, depth);
        (all.narrow(2, 0, self.config.in_channels), tokens)
    }

    /// All outputs, and the tokens after so many blocks.
    fn through(
        &self,
        x: Tensor<3>,
        t: Tensor<1>,
        labels: Tensor<1, Int>,
        depth: usize,
    ) -> (Tensor<3>, Tensor<3>) {
        let [batch, _, _] = x.dims();
        assert_shape!(x, [_, self.config.tokens(), self.config.in_channels]);
        assert_shape!(t, [batch]);
        assert_shape!(labels, [batch]);
        let condition = silu(self.t_embedder.forward(t) + self.y_embedder.forward(labels));
        let along = |x: Tensor<3>, block: &Block| {
            let condition = condition.clone();
            match self.checkpointing {
                true => checkpointed(block, x, condition, Block::forward),
                false => block.forward(x, condition),
            }
        };
        let (first, last) = self.blocks.split_at(depth);
        let tokens = first.iter().fold(self.embed(x), along);
        let x = last.iter().fold(tokens.clone(), along);
        (self.final_layer.forward(x, condition.clone()), tokens)
    }

    /// Samples to tokens with their positions, f32.
    fn embed(&self, x: Tensor<3>) -> Tensor<3> {
        linear(&self.ln1, x).cast(DType::F32) + self.pos_embed.clone()
    }
}

/// `[1, tokens, d_model]`
pub(crate) fn positions(config: &SitConfig) -> TensorData {
    let table = sincos_2d(config.d_model, [config.rows, config.columns]);
    TensorData::new(table, [1, config.tokens(), config.d_model])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::tests::tiny;
    use crate::{checkpoint_tensors, load};
    use burn::module::{ModuleMapper, ModuleVisitor, Param};
    use burn::optim::GradientsParams;
    use burn::tensor::{Distribution, Tolerance};
    use svg_nn::Precision;

    /// Adds noise to every parameter, so that what begins as zero is not.
    struct Wake;

    impl ModuleMapper for Wake {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|tensor| {
                let noise = tensor.random_like(Distribution::Normal(0.0, 0.1));
                tensor + noise
            })
        }
    }

    pub(crate) fn woken(config: &SitConfig, device: &Device) -> Sit {
        woken_module(config.init(device))
    }

    pub(crate) fn woken_module<M: Module>(module: M) -> M {
        module.map(&mut Wake)
    }

    pub(crate) fn samples(
        config: &SitConfig,
        batch: usize,
        device: &Device,
    ) -> (Tensor<3>, Tensor<1>) {
        let shape = [batch, config.tokens(), config.in_channels];
        let x = Tensor::random(shape, Distribution::Normal(0.0, 1.0), device);
        (
            x,
            Tensor::random([batch], Distribution::Uniform(0.0, 1.0), device),
        )
    }

    fn labels(batch: usize, device: &Device) -> Tensor<1, Int> {
        Tensor::arange(0..batch as i64, device) % 5
    }

    #[test]
    fn a_new_network_has_the_velocity_zero_exactly() {
        let device = Device::default();
        let config = tiny().with_learn_sigma(true);
        let (x, t) = samples(&config, 2, &device);
        let out = config.init(&device).forward_all(x, t, labels(2, &device));
        assert_eq!(out.dims(), [2, 6, 12]);
        assert_eq!(out.abs().max().into_scalar::<f32>(), 0.0);
    }

    #[test]
    fn the_velocity_is_the_first_half_of_all_outputs() {
        let device = Device::default();
        let config = tiny().with_learn_sigma(true);
        let sit = woken(&config, &device);
        let (x, t) = samples(&config, 2, &device);
        let all = sit.forward_all(x.clone(), t.clone(), labels(2, &device));
        let velocity = sit.forward(x, t, labels(2, &device)).into_data();
        all.narrow(2, 0, 6).into_data().assert_eq(&velocity, true);
    }

    #[test]
    fn time_label_and_place_matter() {
        let device = Device::default();
        let sit = woken(&tiny(), &device);
        let (x, _) = samples(&tiny(), 1, &device);
        let ask = |x: &Tensor<3>, t: f32, label: i64| {
            let (t, label) = (
                Tensor::from_data([t], &device),
                Tensor::from_data([label], &device),
            );
            sit.forward(x.clone(), t, label)
        };
        let far = |a: Tensor<3>, b: Tensor<3>| (a - b).abs().max().into_scalar::<f32>() > 1e-3;
        let here = ask(&x, 0.2, 1);
        assert!(far(here.clone(), ask(&x, 0.9, 1)));
        assert!(far(here.clone(), ask(&x, 0.2, 2)));
        let turned = ask(&x.clone().flip([1]), 0.2, 1);
        assert!(far(here, turned.flip([1])));
    }

    /// The channels are more than a product sums at once, as in the larger of the published sizes.
    #[test]
    fn a_sample_is_the_same_alone_and_in_a_batch() {
        let device = Device::default();
        let config = SitConfig::new(392, 8, 8, 1152, 1, 16, 1536);
        let sit = woken(&config, &device);
        let (x, t) = samples(&config, 14, &device);
        let labels = labels(14, &device);
        let of = |first: usize, batch: usize| {
            let x = x.clone().narrow(0, first, batch);
            let t = t.clone().narrow(0, first, batch);
            sit.forward(x, t, labels.clone().narrow(0, first, batch))
        };
        let together = of(0, 14);
        // GPUs choose a routine by the size of the whole batch.
        let exact = format!("{device:?}").contains("Flex");
        for batch in [1, 4, 7] {
            for first in [0, 14 - batch] {
                let got = of(first, batch).into_data();
                let want = together.clone().narrow(0, first, batch).into_data();
                match exact {
                    true => got.assert_eq(&want, true),
                    false => got.assert_approx_eq::<f32>(&want, Tolerance::absolute(1e-3)),
                }
            }
        }
    }

    #[test]
    fn another_grid_has_its_own_positions_and_the_same_weights() {
        let device = Device::default();
        let sit = woken(&tiny(), &device);
        let wide = sit.at_grid([3, 4]);
        assert_eq!((wide.config().rows, wide.config().columns), (3, 4));
        let (x, t) = samples(wide.config(), 2, &device);
        assert_eq!(wide.forward(x, t, labels(2, &device)).dims(), [2, 12, 6]);
        let (x, t) = samples(&tiny(), 2, &device);
        let expected = sit.forward(x.clone(), t.clone(), labels(2, &device));
        let back = wide.at_grid([2, 3]).forward(x, t, labels(2, &device));
        back.into_data().assert_eq(&expected.into_data(), true);
    }

    #[test]
    fn linear_layers_in_bfloat16_give_about_the_same_in_f32() {
        let device = Device::default();
        let sit = woken(&tiny(), &device);
        let (x, t) = samples(&tiny(), 2, &device);
        let expected = sit
            .forward(x.clone(), t.clone(), labels(2, &device))
            .into_data();
        let half = Precision::Bf16.apply(sit);
        let out = half.forward(x, t, labels(2, &device));
        assert_eq!(out.dtype(), DType::F32);
        out.into_data()
            .assert_approx_eq::<f32>(&expected, Tolerance::absolute(0.1));
    }

    #[test]
    fn gradients_reach_every_parameter_but_those_of_the_variance() {
        let config = tiny().with_learn_sigma(true);
        let weights = checkpoint_tensors(&woken(&config, &Device::default()));
        let count = weights.len();
        let device = Device::default().autodiff();
        let sit = load(&config, weights, "memory", &device).unwrap();
        let (x, t) = samples(&config, 2, &device);
        let loss = sit.forward(x, t, labels(2, &device)).square().mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &sit);
        // The positions are no parameter.
        assert_eq!(gradients.len(), count - 1);
        let last = gradients
            .get::<2>(sit.final_layer.linear.weight.id)
            .unwrap();
        let largest = |part: Tensor<2>| part.abs().max().into_scalar::<f32>();
        assert!(largest(last.clone().narrow(1, 0, 6)) > 0.0);
        assert_eq!(largest(last.narrow(1, 6, 6)), 0.0);
    }

    #[test]
    fn checkpointing_changes_no_value_and_no_gradient() {
        let device = Device::default().autodiff();
        let sit = woken(&tiny(), &Device::default()).train();
        let (x, t) = samples(&tiny(), 3, &device);
        let all = [false, true].map(|checkpointing| {
            let sit = sit.clone().with_gradient_checkpointing(checkpointing);
            let velocity = sit.forward(x.clone(), t.clone(), labels(3, &device));
            let value = velocity.clone().inner().into_data();
            let found = velocity.square().mean().backward();
            let mut gradients = OfParameters {
                found: GradientsParams::from_grads(found, &sit),
                numbers: Vec::new(),
            };
            sit.visit(&mut gradients);
            (value, gradients.numbers)
        });
        let [(value, plain), (again, checkpointed)] = all;
        again.assert_eq(&value, true);
        assert_eq!(plain.len(), checkpointed.len());
        for (got, want) in checkpointed.into_iter().zip(plain) {
            got.assert_approx_eq::<f32>(&want, Tolerance::relative(1e-5).set_absolute(1e-7));
        }
    }

    struct OfParameters {
        found: GradientsParams,
        numbers: Vec<TensorData>,
    }

    impl ModuleVisitor for OfParameters {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = self.found.remove::<D>(param.id).expect("it learns");
            self.numbers.push(gradient.into_data());
        }
    }

    fn ask(x: [usize; 3], t: usize, count: usize) {
        let device = Device::default();
        let (x, t) = (Tensor::zeros(x, &device), Tensor::zeros([t], &device));
        tiny().init(&device).forward(x, t, labels(count, &device));
    }

    #[test]
    #[should_panic(expected = "axis 1 expected 6, got 5")]
    fn another_number_of_tokens_panics() {
        ask([2, 5, 6], 2, 2);
    }

    #[test]
    #[should_panic(expected = "axis 2 expected 6, got 7")]
    fn another_number_of_channels_panics() {
        ask([2, 6, 7], 2, 2);
    }

    #[test]
    #[should_panic(expected = "axis 0 expected 2, got 3")]
    fn there_is_one_time_for_each_sample() {
        ask([2, 6, 6], 3, 2);
    }

    #[test]
    #[should_panic(expected = "axis 0 expected 2, got 1")]
    fn there_is_one_label_for_each_sample() {
        ask([2, 6, 6], 2, 1);
    }
}
