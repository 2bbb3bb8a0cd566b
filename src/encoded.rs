//! What a run of `svg features` gathers, and the files it becomes.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result};
use burn::prelude::*;
use burn::store::burn_pack::Bytes;
use burn::tensor::DType;
use svg_dino::{Dino, DinoFile};
use svg_image::{RgbImage, save_png};
use svg_nn::{StoredTensor, save_tensors};
use svg_roles::{Images, Signed};

use crate::pca::{Pca, beside};
use crate::progress::image_bar;

/// Tokens of many images, on the host, in the order of their names.
pub struct Encoded {
    names: Vec<String>,
    /// Kept for the pictures only.
    crops: Option<Vec<RgbImage>>,
    tensors: Vec<Gathered>,
    blocks: Vec<usize>,
    grid: [usize; 2],
}

/// One tensor of the output file.
struct Gathered {
    name: String,
    /// The shape of one image's entry.
    one: Vec<usize>,
    /// The numbers of all images.
    numbers: Vec<f32>,
}

impl Encoded {
    /// For the outputs of `dino` and the patch tokens of these blocks.
    pub fn new(blocks: &[usize], dino: &Dino, keep_crops: bool) -> Self {
        let mut names = vec!["patch_tokens".to_string(), "cls".to_string()];
        if dino.config().n_registers > 0 {
            names.push("registers".to_string());
        }
        names.extend(
            blocks
                .iter()
                .map(|block| format!("block_{block}.patch_tokens")),
        );
        let empty = |name| Gathered {
            name,
            one: Vec::new(),
            numbers: Vec::new(),
        };
        Self {
            names: Vec::new(),
            crops: keep_crops.then(Vec::new),
            tensors: names.into_iter().map(empty).collect(),
            blocks: blocks.to_vec(),
            grid: [0, 0],
        }
    }

    /// Number of images so far.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Encodes a batch of named crops.
    pub fn push(
        &mut self,
        dino: &Dino,
        batch: Vec<(String, RgbImage)>,
        device: &Device,
    ) -> Result<()> {
        let (names, crops): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let images = Images::<Signed>::from_rgb(&crops, device).into_tensor();
        // The last block's tokens are the output, so one pass gives everything.
        let mut wanted = self.blocks.clone();
        wanted.push(dino.config().n_layers - 1);
        let mut outputs = dino.forward_blocks(images, &wanted);
        let last = outputs.pop().context("the network has no blocks")?;
        self.grid = last.grid;
        let mut values = vec![numbers(last.patches)?, numbers(last.cls)?];
        if let Some(registers) = last.registers {
            values.push(numbers(registers)?);
        }
        for output in outputs {
            values.push(numbers(output.patches)?);
        }
        for (gathered, (one, numbers)) in self.tensors.iter_mut().zip(values) {
            gathered.one = one;
            gathered.numbers.extend(numbers);
        }
        self.names.extend(names);
        if let Some(kept) = &mut self.crops {
            kept.extend(crops);
        }
        Ok(())
    }

    /// Writes the tokens and, if crops were kept, a picture of each image's features into `pictures`.
    pub fn save(self, path: &Path, weights: &DinoFile, pictures: Option<&Path>) -> Result<()> {
        let small = self.crops.is_some().then(|| self.draw()).transpose()?;
        let config = weights.config();
        let metadata = HashMap::from([
            ("paths".to_string(), serde_json::to_string(&self.names)?),
            ("grid".to_string(), serde_json::to_string(&self.grid)?),
            ("weights".to_string(), weights.path().display().to_string()),
            (
                "rope_periods".to_string(),
                format!("{:?}", config.rope_periods),
            ),
        ]);
        let count = self.names.len();
        let tensors = self
            .tensors
            .into_iter()
            .map(|Gathered { name, one, numbers }| {
                let shape: Vec<usize> = [&[count], one.as_slice()].concat();
                StoredTensor::new(name, DType::F32, shape, None, Bytes::from_elems(numbers))
            });
        save_tensors(path, &tensors.collect::<Vec<_>>(), metadata)?;
        println!("{}: tokens of {count} images", path.display());
        if let (Some(folder), Some(crops), Some(small)) = (pictures, self.crops, small) {
            save_pictures(folder, &self.names, &crops, &small)?;
        }
        Ok(())
    }

    /// One pixel for each patch token, in colours that all images share.
    fn draw(&self) -> Result<Vec<RgbImage>> {
        let Gathered { one, numbers, .. } = &self.tensors[0];
        let pca = Pca::fit(numbers, one[1])?;
        let images = numbers.chunks_exact(one[0] * one[1]);
        Ok(images
            .map(|tokens| pca.picture(tokens, self.grid))
            .collect())
    }
}

fn save_pictures(
    folder: &Path,
    names: &[String],
    crops: &[RgbImage],
    small: &[RgbImage],
) -> Result<()> {
    let bar = image_bar(crops.len(), "drawing");
    for (index, ((name, crop), small)) in names.iter().zip(crops).zip(small).enumerate() {
        let stem = Path::new(name).file_stem().unwrap_or_default();
        let file = format!("{index:05}-{}.png", stem.to_string_lossy());
        save_png(&beside(crop, small), folder.join(file), &[("Source", name)])?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    println!("{}: {} pictures of features", folder.display(), crops.len());
    Ok(())
}

/// The shape of one entry of the batch, and all numbers.
fn numbers<const D: usize>(tensor: Tensor<D>) -> Result<(Vec<usize>, Vec<f32>)> {
    let shape = tensor.dims()[1..].to_vec();
    let data = tensor.into_data().convert::<f32>();
    let values = data
        .try_into_vec()
        .map_err(|error| anyhow::anyhow!("{error:?}"))?;
    Ok((shape, values))
}
