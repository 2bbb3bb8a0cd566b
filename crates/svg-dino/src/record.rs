//! The network's own way back.
//!
//! An autodiff graph keeps every intermediate tensor of every operation and takes the gradient of each
//! apart. Here a pass keeps what the layers ask for and goes back by formulas that know the whole layer. The
//! result is the gradient of the graph, as a test says, but for the bias of the keys.

use burn::prelude::*;
use svg_nn::{AttentionTape, Mlp, MlpTape, ParameterGradients, Rotation, layer_norm_backward};

use crate::{Block, Dino, DinoOutput, FeedForward, rope};

/// A pass through a network that can be gone back once. Everything in it is outside any graph.
pub struct Recording<'a> {
    /// What the network says, as [`Dino::forward_masked`] does.
    pub output: DinoOutput,
    network: &'a Dino,
    pixels: Tensor<4>,
    mask: Option<Tensor<2, Bool>>,
    blocks: Vec<BlockTape>,
    /// The input of the final norm.
    last: Tensor<3>,
}

struct BlockTape {
    x: Tensor<3>,
    attn: AttentionTape,
    attended: Tensor<3>,
    between: Tensor<3>,
    mlp: MlpTape,
    fed: Tensor<3>,
}

impl Dino {
    /// As [`forward_normalized`](Self::forward_normalized), or with a mask as
    /// [`forward_masked`](Self::forward_masked), and remembers the way. The network must be outside any
    /// graph, such as `network.valid()`.
    ///
    /// # Shapes
    ///
    /// - pixels: `[batch, 3, height, width]`, [normalised](Self::normalize)
    /// - mask: `[batch, rows * columns]`, true where a patch is hidden
    ///
    /// # Panics
    ///
    /// As [`forward_masked`](Self::forward_masked), and if the feed-forward layers are SwiGLU: such networks
    /// are trained through a graph.
    pub fn record(&self, pixels: Tensor<4>, mask: Option<Tensor<2, Bool>>) -> Recording<'_> {
        let grid @ [rows, columns] = self.grid(&pixels);
        let rotation = rope::rotation(self.config(), rows, columns, &pixels.device());
        let mut tokens = self.embed(pixels.clone(), mask.clone());
        let mut blocks = Vec::new();
        for block in &self.blocks {
            let (output, tape) = block.record(tokens, &rotation);
            tokens = output;
            blocks.push(tape);
        }
        Recording {
            output: self.finish(tokens.clone(), grid),
            network: self,
            pixels,
            mask,
            blocks,
            last: tokens,
        }
    }
}

impl Recording<'_> {
    /// The gradients of a loss at the parameters, given its gradients at the class token and the patches of
    /// the output.
    ///
    /// The mask token is among them if there was a mask. The bias of the keys is, too, but with zeros: it is
    /// zero in every DINOv3, whose files leave it out, and the published training masks it.
    ///
    /// # Shapes
    ///
    /// - cls: `[batch, d_model]`
    /// - patches: `[batch, rows * columns, d_model]`
    pub fn backward(self, cls: Tensor<2>, patches: Tensor<3>) -> ParameterGradients {
        let Self { network, last, .. } = self;
        let (config, device) = (network.config(), last.device());
        let mut gradients = ParameterGradients::default();
        let sink = &mut gradients;
        let [batch, _, channels] = last.dims();
        let mut parts = vec![cls.unsqueeze_dim::<3>(1)];
        if config.n_registers > 0 {
            parts.push(Tensor::zeros(
                [batch, config.n_registers, channels],
                &device,
            ));
        }
        parts.push(patches);
        let dy = Tensor::cat(parts, 1); // [batch, prefix + patches, d_model]
        let mut dx = layer_norm_backward(&network.norm, config.norm_eps, last, dy, sink);
        for (block, tape) in network.blocks.iter().zip(self.blocks).rev() {
            dx = block.backward(tape, dx, config.norm_eps, sink);
        }
        network.embed_backward(self.pixels, self.mask, dx, sink);
        gradients
    }
}

impl Dino {
    /// Notes the gradients of what makes the first tokens, given the one at them.
    fn embed_backward(
        &self,
        pixels: Tensor<4>,
        mask: Option<Tensor<2, Bool>>,
        dy: Tensor<3>,
        gradients: &mut ParameterGradients,
    ) {
        let [_, tokens, _] = dy.dims();
        let (registers, prefix) = (self.config().n_registers, self.config().n_prefix());
        let shared = |first, count| dy.clone().narrow(1, first, count).sum_dim(0);
        gradients.tokens.push((self.cls_token.id, shared(0, 1)));
        if let Some(parameter) = &self.register_tokens {
            gradients.tokens.push((parameter.id, shared(1, registers)));
        }
        let mut patches = dy.narrow(1, prefix, tokens - prefix);
        if let Some(mask) = mask {
            let hidden = mask.unsqueeze_dim::<3>(2).expand(patches.dims());
            let covered = patches.clone().mask_fill(hidden.clone().bool_not(), 0.0);
            let of_token = covered.sum_dim(1).sum_dim(0);
            gradients.tokens.push((self.mask_token.id, of_token));
            patches = patches.mask_fill(hidden, 0.0);
        }
        self.patch_embed.backward(pixels, patches, gradients);
    }
}

impl Block {
    fn record(&self, x: Tensor<3>, rotation: &Rotation) -> (Tensor<3>, BlockTape) {
        let dtype = x.dtype();
        let normed = self.norm1.forward(x.clone());
        let (attended, attn) = self.attn.record_rotated(normed, rotation);
        let attended = attended.cast(dtype);
        let between = x.clone() + self.ls1.forward(attended.clone());
        let normed = self.norm2.forward(between.clone());
        let (fed, mlp) = self.mlp.recordable().record(normed);
        let fed = fed.cast(dtype);
        let output = between.clone() + self.ls2.forward(fed.clone());
        let tape = BlockTape {
            x,
            attn,
            attended,
            between,
            mlp,
            fed,
        };
        (output, tape)
    }

    fn backward(
        &self,
        tape: BlockTape,
        dy: Tensor<3>,
        norm_eps: f64,
        gradients: &mut ParameterGradients,
    ) -> Tensor<3> {
        let branch = self.ls2.backward(tape.fed, dy.clone(), gradients);
        let mlp = self.mlp.recordable();
        let branch = mlp.backward(tape.mlp, branch, gradients);
        let branch = layer_norm_backward(&self.norm2, norm_eps, tape.between, branch, gradients);
        let dy = dy + branch;
        let branch = self.ls1.backward(tape.attended, dy.clone(), gradients);
        let branch = self.attn.backward(tape.attn, branch, gradients);
        self.spare_key_bias(gradients);
        dy + layer_norm_backward(&self.norm1, norm_eps, tape.x, branch, gradients)
    }

    /// The middle third of the fused bias stays zero.
    fn spare_key_bias(&self, gradients: &mut ParameterGradients) {
        let Some(bias) = &self.attn.qkv.bias else {
            return;
        };
        let mut noted = gradients.vectors.iter_mut().rev();
        if let Some((_, gradient)) = noted.find(|(id, _)| *id == bias.id) {
            let third = gradient.dims()[0] / 3;
            *gradient = gradient.clone().slice_fill(s![third..2 * third], 0.0);
        }
    }
}

impl FeedForward {
    fn recordable(&self) -> &Mlp {
        match self {
            Self::Mlp(mlp) => mlp,
            Self::SwiGlu(_) => panic!("networks with SwiGLU are trained through a graph"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DinoConfig, FeedForwardKind};
    use burn::module::{ModuleMapper, ModuleVisitor, Param};
    use burn::tensor::{Distribution, Gradients};

    /// Every parameter moved away from its first value: factors off one, biases and tokens off zero.
    struct Wake;

    impl ModuleMapper for Wake {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let normal = Distribution::Normal(0.0, 0.2);
            param.map(|tensor| tensor.clone() + tensor.random_like(normal))
        }
    }

    fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::default())
    }

    /// Compares every parameter's two gradients.
    struct Compare<'a> {
        graph: &'a Gradients,
        own: ParameterGradients,
        /// Width of a third of a fused bias.
        third: usize,
        path: Vec<String>,
        compared: usize,
        worst: f32,
    }

    /// The largest difference, as a share of the largest number.
    fn difference<const D: usize>(want: Tensor<D>, got: Tensor<D>) -> f32 {
        let scale: f32 = want.clone().abs().max().into_scalar();
        let off: f32 = (want - got).abs().max().into_scalar();
        off / scale
    }

    impl ModuleVisitor for Compare<'_> {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_string());
        }

        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let path = self.path.join(".");
            let mut noted = Vec::new();
            macro_rules! gather {
                ($($kind:ident),*) => {$(
                    let of_kind = self.own.$kind.iter().filter(|(id, _)| *id == param.id);
                    noted.extend(of_kind.map(|(_, got)| got.clone().into_data()));
                )*};
            }
            gather!(vectors, matrices, tokens, kernels);
            let Some(mut want) = param.val().grad(self.graph) else {
                assert!(noted.is_empty(), "{path} is not on the graph");
                return;
            };
            assert_eq!(noted.len(), 1, "{path} is noted once");
            let got = noted.remove(0);
            assert_eq!(*got.shape(), want.shape(), "{path}");
            if path.ends_with("attn.qkv.bias") {
                want = want.slice_fill(s![self.third..2 * self.third], 0.0);
            }
            let off = difference(want, Tensor::from_data(got, &Device::default()));
            assert!(off < 1e-5, "{path}: off by {off:e}");
            self.worst = self.worst.max(off);
            self.compared += 1;
        }
    }

    fn check(config: &DinoConfig, [height, width]: [usize; 2], masked: bool) {
        let plain = config.init(&Device::default()).map(&mut Wake);
        let network = plain.clone().train();
        let pixels = random([3, 3, height, width]);
        let patches = height * width / config.patch_size.pow(2);
        let mask = random([3, patches]).greater_elem(0.3);
        let mask = masked.then_some(mask);
        let at_cls = random([3, config.d_model]);
        let at_patches = random([3, patches, config.d_model]);

        let leaf = Tensor::from_inner(pixels.clone());
        let expected = match mask.clone() {
            Some(mask) => {
                let mask = Tensor::from_data(mask.into_data(), &leaf.device());
                network.forward_masked(leaf, mask)
            }
            None => network.forward_normalized(leaf),
        };
        let loss = (expected.cls.clone() * Tensor::from_inner(at_cls.clone())).sum()
            + (expected.patches.clone() * Tensor::from_inner(at_patches.clone())).sum();
        let graph = loss.backward();

        let recording = plain.record(pixels, mask);
        let output = recording.output.clone();
        assert_eq!(output.grid, expected.grid);
        assert_eq!(output.registers.is_some(), expected.registers.is_some());
        assert!(difference(expected.cls.inner(), output.cls) < 1e-5);
        assert!(difference(expected.patches.inner(), output.patches) < 1e-5);
        let own = recording.backward(at_cls, at_patches);
        let noted = own.vectors.len() + own.matrices.len() + own.tokens.len() + own.kernels.len();
        let mut compare = Compare {
            graph: &graph,
            own,
            third: config.d_model,
            path: Vec::new(),
            compared: 0,
            worst: 0.0,
        };
        network.visit(&mut compare);
        assert_eq!(compare.compared, noted, "nothing else is noted");
        println!("{noted} gradients, off by {:e} at most", compare.worst);
    }

    fn tiny() -> DinoConfig {
        DinoConfig::new(16, 2, 2, 40)
            .with_patch_size(4)
            .with_layer_scale(0.7)
    }

    #[test]
    fn the_way_back_is_that_of_the_graph_with_and_without_a_mask() {
        for masked in [false, true] {
            for size in [[12, 12], [8, 20]] {
                check(&tiny(), size, masked);
            }
        }
    }

    #[test]
    fn so_it_is_without_registers_and_without_a_fused_bias() {
        check(&tiny().with_n_registers(0), [8, 12], true);
        check(&tiny().with_qkv_bias(false), [8, 12], false);
        check(&tiny().with_norm_eps(1e-2), [8, 12], false);
    }

    #[test]
    fn a_recorded_pass_says_what_any_pass_says() {
        let dino = tiny().init(&Device::default()).map(&mut Wake);
        let pixels = random([2, 3, 8, 12]);
        let expected = dino.forward_normalized(pixels.clone()).patches.into_data();
        let output = dino.record(pixels, None).output;
        output.patches.into_data().assert_eq(&expected, true);
    }

    #[test]
    #[should_panic(expected = "networks with SwiGLU are trained through a graph")]
    fn a_gated_network_is_not_recorded() {
        let config = tiny().with_feed_forward(FeedForwardKind::SwiGlu);
        let dino = config.init(&Device::default());
        dino.record(random([1, 3, 8, 8]), None);
    }
}
