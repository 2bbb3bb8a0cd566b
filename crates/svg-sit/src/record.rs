//! The network's own way back.
//!
//! An autodiff graph keeps every intermediate tensor of every operation and takes the gradient of each
//! apart. Here a pass keeps what the layers ask for, or, with checkpointing, the input of each block alone,
//! and goes back by formulas that know the whole layer. The result is the gradient of the graph, as a test
//! says.

use burn::prelude::*;
use burn::tensor::activation::sigmoid;
use burn::tensor::{DType, IndexingUpdateOp};
use svg_nn::{
    AttentionTape, MlpTape, ParameterGradients, adaptive_layer_norm_backward, linear,
    linear_backward,
};

use crate::modulate::{NORM_EPS, gated, norm_modulate, parts};
use crate::{Block, Sit};

/// A pass through a network that can be gone back once. Everything in it is outside any graph.
pub struct Recording<'a> {
    /// The velocity, `[batch, tokens, in_channels]`.
    pub velocity: Tensor<3>,
    network: &'a Sit,
    samples: Tensor<3>,
    times: Tensor<1>,
    labels: Tensor<1, Int>,
    /// What silu makes the condition of, `[rows, d_model]`.
    embedded: Tensor<2>,
    condition: Tensor<2>,
    blocks: Vec<Kept>,
    /// The input of the final layer.
    last: Tensor<3>,
    scale: Tensor<3>,
    modulated: Tensor<3>,
}

/// Of a block.
enum Kept {
    Tape(Box<BlockTape>),
    /// With checkpointing: its input.
    Input(Box<Tensor<3>>),
}

struct BlockTape {
    x: Tensor<3>,
    /// Shift, scale and gate of the attention, and of the feed-forward layer.
    parts: [Tensor<3>; 6],
    attn: AttentionTape,
    attended: Tensor<3>,
    between: Tensor<3>,
    mlp: MlpTape,
    fed: Tensor<3>,
}

impl Sit {
    /// As [`forward`](Self::forward), and remembers the way. The network must be outside any graph, such
    /// as `network.valid()`.
    ///
    /// With `checkpointing` it remembers the input of each block alone, and computes the block again on
    /// the way back: for a third more work, memory for one block instead of all.
    ///
    /// # Shapes
    ///
    /// - as [`forward`](Self::forward)
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn record(
        &self,
        x: Tensor<3>,
        t: Tensor<1>,
        labels: Tensor<1, Int>,
        checkpointing: bool,
    ) -> Recording<'_> {
        self.assert_fits(&x, &t, &labels);
        let [batch, _, _] = x.dims();
        let embedded = self.embedded(t.clone(), labels.clone());
        let condition = burn::tensor::activation::silu(embedded.clone());
        let mut tokens = self.embed(x.clone());
        let mut blocks = Vec::new();
        for block in &self.blocks {
            let input = tokens.clone();
            let (output, tape) = block.record(tokens, condition.clone());
            tokens = output;
            blocks.push(match checkpointing {
                true => Kept::Input(Box::new(input)),
                false => Kept::Tape(Box::new(tape)),
            });
        }
        let last = &self.final_layer;
        let [shift, scale] = parts(&last.adaln, condition.clone(), batch);
        let modulated = norm_modulate(tokens.clone(), shift, scale.clone());
        let all = linear(&last.linear, modulated.clone()).cast(DType::F32);
        Recording {
            velocity: all.narrow(2, 0, self.config().in_channels),
            network: self,
            samples: x,
            times: t,
            labels,
            embedded,
            condition,
            blocks,
            last: tokens,
            scale,
            modulated,
        }
    }
}

impl Recording<'_> {
    /// The gradients of a loss at the parameters, given its gradient at the velocity.
    ///
    /// # Shapes
    ///
    /// - dv: `[batch, tokens, in_channels]`
    pub fn backward(self, dv: Tensor<3>) -> ParameterGradients {
        let Self {
            network,
            condition,
            blocks,
            ..
        } = self;
        let mut gradients = ParameterGradients::default();
        let sink = &mut gradients;
        let [batch, tokens, channels] = dv.dims();
        let last = &network.final_layer;
        let rest = network.config().out_channels() - channels;
        let dy = match rest {
            0 => dv,
            // Nothing is learned about a variance.
            rest => {
                let nothing = Tensor::zeros([batch, tokens, rest], &dv.device());
                Tensor::cat(vec![dv, nothing], 2)
            }
        };
        let dy = linear_backward(&last.linear, self.modulated, dy, sink);
        let norm = adaptive_layer_norm_backward(self.last, self.scale, NORM_EPS, dy);
        let rows = condition.clone().narrow(0, 0, batch).unsqueeze_dim::<3>(1); // [batch, 1, d]
        let parts = Tensor::cat(vec![norm.shift, norm.scale], 2);
        let mut dc = linear_backward(&last.adaln, rows.clone(), parts, sink);
        let mut dx = norm.x;
        for (block, kept) in network.blocks.iter().zip(blocks).rev() {
            let tape = match kept {
                Kept::Tape(tape) => *tape,
                Kept::Input(x) => block.record(*x, condition.clone()).1,
            };
            let (at_x, at_parts) = block.backward(tape, dx, sink);
            dx = at_x;
            dc = dc + linear_backward(&block.adaln, rows.clone(), at_parts, sink);
        }
        linear_backward(&network.ln1, self.samples, dx, sink);
        let embedded = self.embedded.narrow(0, 0, batch);
        let sigmoid = sigmoid(embedded.clone());
        let slope = sigmoid.clone() * (embedded * (sigmoid.neg() + 1.0) + 1.0);
        let dc = dc.squeeze_dim::<2>(1) * slope;
        network
            .t_embedder
            .backward(self.times, dc.clone(), &mut gradients);
        let table = &network.y_embedder.embedding_table.weight;
        let zeros = table.val().zeros_like();
        let of_table = zeros.select_assign(0, self.labels, dc, IndexingUpdateOp::Add);
        gradients.matrices.push((table.id, of_table));
        gradients
    }
}

impl Block {
    fn record(&self, x: Tensor<3>, condition: Tensor<2>) -> (Tensor<3>, BlockTape) {
        let [batch, _, _] = x.dims();
        let parts: [Tensor<3>; 6] = parts(&self.adaln, condition, batch);
        let part = |i: usize| parts[i].clone();
        let (attended, attn) = self.attn.record(norm_modulate(x.clone(), part(0), part(1)));
        let between = gated(x.clone(), part(2), attended.clone());
        let (fed, mlp) = self
            .mlp
            .record(norm_modulate(between.clone(), part(3), part(4)));
        let output = gated(between.clone(), part(5), fed.clone());
        let tape = BlockTape {
            x,
            parts,
            attn,
            attended,
            between,
            mlp,
            fed,
        };
        (output, tape)
    }

    /// The gradients at the input and at the parts, `[batch, 1, 6 d]`.
    fn backward(
        &self,
        tape: BlockTape,
        dy: Tensor<3>,
        gradients: &mut ParameterGradients,
    ) -> (Tensor<3>, Tensor<3>) {
        let [_, scale, gate, _, scale_mlp, gate_mlp] = tape.parts;
        let (branch, at_gate_mlp) = gated_backward(gate_mlp, tape.fed, dy.clone());
        let branch = self.mlp.backward(tape.mlp, branch, gradients);
        let fed = adaptive_layer_norm_backward(tape.between, scale_mlp, NORM_EPS, branch);
        let dy = dy + fed.x;
        let (branch, at_gate) = gated_backward(gate, tape.attended, dy.clone());
        let branch = self.attn.backward(tape.attn, branch, gradients);
        let attended = adaptive_layer_norm_backward(tape.x, scale, NORM_EPS, branch);
        let parts = vec![
            attended.shift,
            attended.scale,
            at_gate,
            fed.shift,
            fed.scale,
            at_gate_mlp,
        ];
        (dy + attended.x, Tensor::cat(parts, 2))
    }
}

/// The gradients of `gate branch` at both, given the one at the product.
fn gated_backward(gate: Tensor<3>, branch: Tensor<3>, dy: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
    let at_gate = (dy.clone() * branch.cast(DType::F32)).sum_dim(1);
    (dy * gate, at_gate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::tiny;
    use crate::model::tests::{samples, woken};
    use burn::module::{ModuleVisitor, Param, ParamId};
    use burn::optim::GradientsParams;
    use burn::tensor::{TensorData, Tolerance};
    use std::collections::HashMap;

    /// What a graph says, by parameter.
    struct OfGraph {
        graph: GradientsParams,
        found: HashMap<ParamId, TensorData>,
    }

    impl ModuleVisitor for OfGraph {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.graph.remove::<D>(param.id) {
                self.found.insert(param.id, gradient.into_data());
            }
        }
    }

    #[test]
    fn the_way_back_is_that_of_the_graph_with_and_without_checkpointing() {
        let device = Device::default();
        for sigma in [false, true] {
            let config = tiny().with_learn_sigma(sigma);
            let plain = woken(&config, &device);
            let sit = plain.clone().train();
            let (x, t) = samples(&config, 3, &device);
            let (dv, _) = samples(&config, 3, &device);
            let labels = |device: &Device| Tensor::<1, Int>::from_data([4, 5, 4], device);
            let on_graph = device.clone().autodiff();
            let velocity = sit.forward(
                Tensor::from_inner(x.clone()),
                Tensor::from_inner(t.clone()),
                labels(&on_graph),
            );
            let loss = velocity.clone() * Tensor::from_inner(dv.clone());
            let mut expected = OfGraph {
                graph: GradientsParams::from_grads(loss.sum().backward(), &sit),
                found: HashMap::new(),
            };
            sit.visit(&mut expected);
            for checkpointing in [false, true] {
                let labels = labels(&device);
                let recording = plain.record(x.clone(), t.clone(), labels, checkpointing);
                let near = Tolerance::relative(1e-3).set_absolute(2e-4);
                let got = recording.velocity.clone().into_data();
                got.assert_approx_eq::<f32>(&velocity.clone().inner().into_data(), near);
                let gradients = recording.backward(dv.clone());
                let vectors = gradients.vectors.into_iter();
                let vectors = vectors.map(|(id, gradient)| (id, gradient.into_data()));
                let matrices = gradients.matrices.into_iter();
                let matrices = matrices.map(|(id, gradient)| (id, gradient.into_data()));
                let got: HashMap<_, _> = vectors.chain(matrices).collect();
                assert_eq!(got.len(), expected.found.len());
                for (id, want) in &expected.found {
                    got[id].assert_approx_eq::<f32>(want, near);
                }
            }
        }
    }
}
