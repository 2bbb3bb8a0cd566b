//! DiT's and SiT's published names to a network on patches, and back.

use burn::prelude::*;
use svg_nn::{LoadError, StoredTensor};

use crate::layout::{Patching, in_file, patching, to_patches, to_tokens};
use crate::{DitConfig, Sit, checkpoint_tensors, load};

impl DitConfig {
    /// Loads a network from tensors with the names of DiT's and SiT's files: `pos_embed`, `x_embedder.proj.*`,
    /// `t_embedder.mlp.{0,2}.*`, `y_embedder.embedding_table.weight`, `blocks.{i}.*`, `final_layer.*`.
    ///
    /// The patch convolution becomes a linear layer of tokens, and the rows of the last layer are ordered so that the
    /// velocity, or the noise, comes before the variance. `source` is named in errors.
    ///
    /// # Errors
    ///
    /// [`LoadError::Mismatch`] as of [`load`], in the names of the file.
    pub fn load(
        &self,
        tensors: Vec<StoredTensor>,
        source: &str,
        device: &Device,
    ) -> Result<Sit, LoadError> {
        // Of another convolution, the shapes will not fit.
        let patching = patching(&tensors).unwrap_or_else(|_| self.patching());
        let tokens = to_tokens(tensors, patching);
        let sit = load(&self.sit, tokens, source, device);
        sit.map_err(|error| error.with_names(in_file))
    }

    /// Every tensor of the published file of a network, the positions included, in PyTorch's layout, sorted by name:
    /// what [`load`](Self::load) takes.
    pub fn tensors(&self, sit: &Sit) -> Vec<StoredTensor> {
        to_patches(checkpoint_tensors(sit), self.patching())
    }

    fn patching(&self) -> Patching {
        Patching {
            patch: self.patch,
            channels: self.channels(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::SitConfig;
    use crate::model::tests::{samples, woken};
    use burn::nn::PaddingConfig2d;
    use burn::nn::conv::Conv2dConfig;
    use burn::store::bridge;
    use burn::tensor::{TensorData, Tolerance};
    use svg_nn::{Mismatch, load_exact};

    /// Latents of 3 channels on 4 x 6, in patches of 2.
    pub(crate) fn tiny() -> DitConfig {
        let sit = SitConfig::new(12, 2, 3, 16, 2, 4, 32).with_n_classes(5);
        let sit = sit.with_qk_norm(false).with_learn_sigma(true);
        DitConfig::new(sit, 2)
    }

    pub(crate) fn same(written: &[StoredTensor], back: &[StoredTensor]) {
        assert_eq!(written.len(), back.len());
        for (a, b) in written.iter().zip(back) {
            assert_eq!((&a.name, &a.shape), (&b.name, &b.shape));
            let bytes = |tensor: &StoredTensor| tensor.to_bytes().unwrap().to_vec();
            assert_eq!(bytes(a), bytes(b), "{}", a.name);
        }
    }

    fn mismatch(tensors: Vec<StoredTensor>) -> Mismatch {
        match tiny().load(tensors, "test", &Default::default()) {
            Err(LoadError::Mismatch(mismatch)) => mismatch,
            other => panic!("expected a mismatch, got {:?}", other.map(|_| "a network")),
        }
    }

    #[test]
    fn a_published_file_of_the_largest_size_has_292_tensors() {
        let config = DitConfig::preset("xl/2").unwrap();
        let one = DitConfig {
            sit: SitConfig {
                n_layers: 1,
                ..config.sit.clone()
            },
            ..config
        };
        let tensors = one.tensors(&one.init(&Device::default()));
        let blocks = tensors
            .iter()
            .filter(|t| t.name.starts_with("blocks."))
            .count();
        assert_eq!(tensors.len() - blocks + 28 * blocks, 292);
        let shape = |name: &str| {
            let found = tensors.iter().find(|tensor| tensor.name == name).unwrap();
            found.shape.to_vec()
        };
        assert_eq!(shape("x_embedder.proj.weight"), [1152, 4, 2, 2]);
        assert_eq!(shape("final_layer.linear.weight"), [32, 1152]);
        assert_eq!(shape("pos_embed"), [1, 256, 1152]);
        assert_eq!(shape("blocks.0.adaLN_modulation.1.weight"), [6912, 1152]);
        assert_eq!(shape("y_embedder.embedding_table.weight"), [1001, 1152]);
    }

    #[test]
    fn a_network_survives_the_way_to_a_file_and_back() {
        let device = Device::default();
        let sit = woken(&tiny().sit, &device);
        let written = tiny().tensors(&sit);
        let loaded = tiny().load(written.clone(), "memory", &device).unwrap();
        same(&written, &tiny().tensors(&loaded));
        let (x, t) = samples(&tiny().sit, 2, &device);
        let labels = Tensor::from_data([1, 5], &device);
        let expected = sit.forward_all(x.clone(), t.clone(), labels.clone());
        let out = loaded.forward_all(x, t, labels).into_data();
        out.assert_eq(&expected.into_data(), true);
    }

    #[test]
    fn sizes_are_read_from_a_file() {
        let square = DitConfig {
            sit: SitConfig {
                rows: 3,
                n_heads: 16,
                d_model: 1152,
                ..tiny().sit
            },
            ..tiny()
        };
        let tensors = square.tensors(&square.init(&Device::default()));
        assert_eq!(DitConfig::infer(&tensors), Ok(square));
        let error = DitConfig::infer(&[]).unwrap_err();
        assert!(
            error.contains("x_embedder.proj.weight is missing"),
            "{error}"
        );
    }

    /// The linear layer on patches is the convolution of the file on an image of latents.
    #[test]
    fn tokens_are_embedded_as_by_the_convolution_of_the_file() {
        let device = Device::default();
        let sit = woken(&tiny().sit, &device);
        let tensors = tiny().tensors(&sit);
        let convolution = Conv2dConfig::new([3, 16], [2, 2])
            .with_stride([2, 2])
            .with_padding(PaddingConfig2d::Valid)
            .init(&device);
        let of_it = tensors.into_iter().filter_map(|mut tensor| {
            tensor.name = tensor.name.strip_prefix("x_embedder.proj.")?.to_string();
            Some(tensor)
        });
        let convolution = load_exact(convolution, of_it.collect(), "test").unwrap();
        let values: Vec<f32> = (0..72).map(|i| (i as f32 * 0.7).sin()).collect();
        let image = TensorData::new(values, [1, 3, 4, 6]);
        let image = Tensor::<4>::from_data(image, &device);
        let expected = convolution.forward(image.clone());
        let expected = expected.flatten::<3>(2, 3).swap_dims(1, 2); // [1, tokens, 16]
        let latents = image.flatten::<3>(2, 3).swap_dims(1, 2);
        let tokens = svg_roles::patchify(latents, [4, 6], 2);
        let found = svg_nn::linear(&sit.ln1, tokens).into_data();
        found.assert_approx_eq::<f32>(&expected.into_data(), Tolerance::absolute(1e-5));
    }

    /// A row of the last layer of the file is `(place in the patch, velocity or variance, channel)`.
    #[test]
    fn the_rows_of_the_last_layer_are_the_velocity_before_the_variance() {
        let device = Device::default();
        let mut tensors = tiny().tensors(&woken(&tiny().sit, &device));
        let bias = tensors
            .iter_mut()
            .find(|t| t.name == "final_layer.linear.bias");
        let bias = bias.unwrap();
        let rows: Vec<f32> = (0..24).map(|i| i as f32).collect();
        *bias = bridge::from_data(TensorData::new(rows, [24]), bias.name.clone(), None);
        let sit = tiny().load(tensors, "memory", &device).unwrap();
        let bias = sit.final_layer.linear.bias.unwrap().val().into_data();
        let bias: Vec<usize> = bias.iter::<f32>().map(|row| row as usize).collect();
        assert_eq!(bias[..12], [0, 1, 2, 6, 7, 8, 12, 13, 14, 18, 19, 20]);
        assert_eq!(bias[12..], [3, 4, 5, 9, 10, 11, 15, 16, 17, 21, 22, 23]);
    }

    #[test]
    fn what_is_missing_or_left_over_has_the_name_of_the_file() {
        let mut tensors = tiny().tensors(&woken(&tiny().sit, &Default::default()));
        tensors.retain(|tensor| tensor.name != "x_embedder.proj.bias");
        let zero = TensorData::from([0.0f32; 16]);
        tensors.push(bridge::from_data(zero, "ln1.bias".to_string(), None));
        let found = mismatch(tensors);
        assert_eq!(found.missing, ["x_embedder.proj.bias"]);
        assert_eq!(found.unexpected, ["ln1.bias"]);
        let found = mismatch(vec![]);
        assert!(
            found
                .missing
                .contains(&"x_embedder.proj.weight".to_string())
        );
    }

    #[test]
    fn patches_of_another_side_are_told() {
        let other = DitConfig {
            sit: SitConfig {
                in_channels: 27,
                ..tiny().sit
            },
            patch: 3,
        };
        let found = mismatch(other.tensors(&other.init(&Default::default())));
        assert!(
            found.to_string().contains("x_embedder.proj.weight"),
            "{found}"
        );
    }
}
