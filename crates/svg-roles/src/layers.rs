//! Encoders whose blocks can be read, and the mean of some of them.

use std::sync::Arc;

use burn::prelude::*;

use crate::{Encoder, EncoderSpec, Tokens};

/// Trait for encoders that return the tokens after each of their blocks.
pub trait Layered: Encoder {
    /// Number of blocks.
    fn depth(&self) -> usize;

    /// Tokens after the chosen blocks, counted from 0, each through the final norm, in the order asked for.
    ///
    /// # Shapes
    ///
    /// - images: as for [`Encoder::tokens`]
    ///
    /// # Panics
    ///
    /// If a block does not exist.
    fn tokens_after(&self, images: Tensor<4>, blocks: &[usize]) -> Vec<Tokens>;

    /// The same encoder on another device; see [`Encoder::to_device`].
    fn layered_to_device(&self, device: &Device) -> Arc<dyn Layered>;
}

/// The mean of the patch tokens after some blocks, each through the final norm, as in RAEv2: early blocks know more of
/// colours and edges, which a decoder needs.
///
/// RAEv2 takes every other block of the last ones for DINOv3 ViT-L (11, 13, .., 23), and adds the mean over the tokens of
/// the last of them to every token ([`with_mean_token`](Self::with_mean_token)), which is the summary then. Its norms are
/// without factors and terms by default; here they are the encoder's own.
#[derive(Clone, Debug)]
pub struct LayerMean {
    encoder: Arc<dyn Layered>,
    blocks: Vec<usize>,
    mean_token: bool,
}

impl LayerMean {
    /// The mean after these blocks, counted from 0.
    ///
    /// # Panics
    ///
    /// If there are none, or one does not exist.
    pub fn new(encoder: Arc<dyn Layered>, blocks: &[usize]) -> Self {
        let depth = encoder.depth();
        assert!(!blocks.is_empty(), "a mean is of one block at least");
        for block in blocks {
            assert!(*block < depth, "there is no block {block} of {depth}");
        }
        Self {
            encoder,
            blocks: blocks.to_vec(),
            mean_token: false,
        }
    }

    /// The mean after the last `count` blocks.
    ///
    /// # Panics
    ///
    /// If there are none, or fewer than that.
    pub fn of_last(encoder: Arc<dyn Layered>, count: usize) -> Self {
        let depth = encoder.depth();
        assert!(
            count <= depth,
            "there are no {count} last blocks of {depth}"
        );
        let blocks: Vec<_> = (depth - count..depth).collect();
        Self::new(encoder, &blocks)
    }

    /// Adds the mean over the tokens of the last of the blocks to every token.
    pub fn with_mean_token(self) -> Self {
        Self {
            mean_token: true,
            ..self
        }
    }
}

/// The summary is that of the last of the blocks, or the mean token that is added.
impl Encoder for LayerMean {
    fn tokens(&self, images: Tensor<4>) -> Tokens {
        let all = self.encoder.tokens_after(images, &self.blocks);
        let count = all.len() as f64;
        let last = all.last().cloned().expect("one block at least");
        let patches = all.into_iter().map(|tokens| tokens.patches);
        let sum = patches.reduce(|sum, patches| sum + patches);
        let mean = sum.expect("one block at least") / count;
        if !self.mean_token {
            return Tokens {
                patches: mean,
                ..last
            };
        }
        let token = last.patches.mean_dim(1); // [batch, 1, channels]
        Tokens {
            patches: mean + token.clone(),
            summary: Some(token.squeeze_dim(1)),
            grid: last.grid,
        }
    }

    fn spec(&self) -> EncoderSpec {
        let spec = self.encoder.spec();
        let blocks: Vec<_> = self.blocks.iter().map(ToString::to_string).collect();
        let token = if self.mean_token {
            " and the mean token"
        } else {
            ""
        };
        EncoderSpec {
            name: format!("{}, mean of blocks {}{token}", spec.name, blocks.join(", ")),
            ..spec
        }
    }

    fn parameters(&self) -> Option<usize> {
        self.encoder.parameters()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn Encoder> {
        Arc::new(Self {
            encoder: self.encoder.layered_to_device(device),
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After block `i` every token is the mean of the image, `i + 1` times; the last patch is one more.
    #[derive(Clone, Copy, Debug)]
    struct Counting;

    impl Encoder for Counting {
        fn tokens(&self, images: Tensor<4>) -> Tokens {
            self.tokens_after(images, &[2]).remove(0)
        }

        fn spec(&self) -> EncoderSpec {
            EncoderSpec {
                name: "counting".to_string(),
                channels: 1,
                patch_size: 1,
            }
        }

        fn to_device(&self, _: &Device) -> Arc<dyn Encoder> {
            Arc::new(*self)
        }
    }

    impl Layered for Counting {
        fn depth(&self) -> usize {
            3
        }

        fn tokens_after(&self, images: Tensor<4>, blocks: &[usize]) -> Vec<Tokens> {
            let after = |block: &usize| {
                let token = images.clone().mean().reshape([1, 1, 1]) * (*block as f64 + 1.0);
                Tokens {
                    patches: Tensor::cat(vec![token.clone(), token.clone() + 1.0], 1),
                    summary: Some(token.reshape([1, 1])),
                    grid: [1, 2],
                }
            };
            blocks.iter().map(after).collect()
        }

        fn layered_to_device(&self, _: &Device) -> Arc<dyn Layered> {
            Arc::new(*self)
        }
    }

    fn numbers(tokens: Tokens) -> (Vec<f32>, f32) {
        let patches = tokens.patches.into_data().try_to_vec().unwrap();
        (patches, tokens.summary.unwrap().into_scalar())
    }

    #[test]
    fn the_mean_is_that_of_the_blocks_and_the_summary_that_of_the_last() {
        let images = Tensor::ones([1, 3, 2, 2], &Device::default());
        let mean = LayerMean::of_last(Arc::new(Counting), 2);
        assert_eq!(numbers(mean.tokens(images.clone())), (vec![2.5, 3.5], 3.0));
        assert_eq!(mean.spec().name, "counting, mean of blocks 1, 2");
        let mean = LayerMean::new(Arc::new(Counting), &[0, 2]).with_mean_token();
        assert_eq!(numbers(mean.tokens(images)), (vec![5.5, 6.5], 3.5));
    }

    #[test]
    #[should_panic(expected = "there is no block 3 of 3")]
    fn a_block_that_does_not_exist_panics() {
        LayerMean::new(Arc::new(Counting), &[3]);
    }
}
