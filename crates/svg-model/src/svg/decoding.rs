//! The decoding half alone.

use burn::prelude::*;
use svg_decoder::Decoder;
use svg_roles::{Draw, Geometry, LatentSpace};

use super::autoencoder::decode_tiled;

/// A space whose encoder was not opened.
#[derive(Clone, Debug)]
pub(super) struct Decoding {
    pub decoder: Decoder,
    pub geometry: Geometry,
}

impl LatentSpace for Decoding {
    /// # Panics
    ///
    /// Always: it was opened with [`OpenOptions::decode_only`](crate::OpenOptions::decode_only).
    fn encode(&self, _images: Tensor<4>, _draw: Draw) -> Tensor<3> {
        panic!("this space was opened for decoding only");
    }

    fn decode(&self, features: Tensor<3>, grid: [usize; 2]) -> Tensor<4> {
        self.decoder.forward(features, grid)
    }

    fn decode_tiled(&self, features: Tensor<3>, grid: [usize; 2], tile: usize) -> Tensor<4> {
        decode_tiled(&self.decoder, features, grid, tile)
    }

    fn geometry(&self) -> Geometry {
        self.geometry
    }
}
