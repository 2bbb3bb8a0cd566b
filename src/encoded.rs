//! What a run of `svg features` gathers, and the files it becomes.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result};
use burn::prelude::*;
use svg_dino::{Dino, DinoFile};
use svg_image::{RgbImage, save_png};
use svg_nn::save_tensors;
use svg_train::data::PictureBatch;

use crate::commands::decode::file_name;
use crate::gathered::Gathered;
use crate::pca::{self, beside};
use crate::progress::image_bar;

/// Tokens of many images, on the host, in the order of their names.
#[derive(Default)]
pub struct Encoded {
    names: Vec<String>,
    /// Kept for the pictures only.
    crops: Option<Vec<RgbImage>>,
    patches: Gathered,
    class: Gathered,
    registers: Option<Gathered>,
    /// The patch tokens of some blocks.
    blocks: Vec<(usize, Gathered)>,
    grid: [usize; 2],
}

impl Encoded {
    /// For the outputs of a network and the patch tokens of these blocks.
    pub fn new(blocks: &[usize], keep_crops: bool) -> Self {
        let blocks = blocks.iter().map(|&block| (block, Gathered::default()));
        Self {
            blocks: blocks.collect(),
            crops: keep_crops.then(Vec::new),
            ..Self::default()
        }
    }

    pub fn push(&mut self, dino: &Dino, batch: PictureBatch, images: Tensor<4>) -> Result<()> {
        // The last block's tokens are the output, so one pass gives everything.
        let blocks = self.blocks.iter().map(|(block, _)| *block);
        let wanted: Vec<_> = blocks.chain([dino.config().n_layers - 1]).collect();
        let mut outputs = dino.forward_blocks(images, &wanted);
        let last = outputs.pop().context("the network has no blocks")?;
        self.grid = last.grid;
        self.patches.push(last.patches)?;
        self.class.push(last.cls)?;
        if let Some(registers) = last.registers {
            self.registers.get_or_insert_default().push(registers)?;
        }
        for ((_, gathered), output) in self.blocks.iter_mut().zip(outputs) {
            gathered.push(output.patches)?;
        }
        self.names.extend(batch.names);
        if let Some(kept) = &mut self.crops {
            kept.extend(batch.images);
        }
        Ok(())
    }

    /// Writes the tokens and, if crops were kept, a picture of each image's features into `pictures`.
    pub fn save(self, path: &Path, weights: &DinoFile, pictures: Option<&Path>) -> Result<()> {
        let small = match pictures {
            Some(_) => pca::pictures(&self.patches.numbers, self.patches.one[1], self.grid)?,
            None => vec![],
        };
        let periods = weights.config().rope_periods;
        let metadata = HashMap::from([
            ("paths".to_string(), serde_json::to_string(&self.names)?),
            ("grid".to_string(), serde_json::to_string(&self.grid)?),
            ("weights".to_string(), weights.path().display().to_string()),
            ("rope_periods".to_string(), format!("{periods:?}")),
        ]);
        let registers = self.registers.map(|tokens| tokens.stored("registers"));
        let blocks = self.blocks.into_iter();
        let blocks =
            blocks.map(|(block, tokens)| tokens.stored(&format!("block_{block}.patch_tokens")));
        let mut tensors = vec![
            self.patches.stored("patch_tokens"),
            self.class.stored("cls"),
        ];
        tensors.extend(registers.into_iter().chain(blocks));
        save_tensors(path, &tensors, metadata)?;
        println!("{}: tokens of {} images", path.display(), self.names.len());
        if let (Some(folder), Some(crops)) = (pictures, self.crops) {
            let bar = image_bar(crops.len(), "drawing");
            let all = self.names.iter().zip(crops.iter().zip(&small));
            for (index, (name, (crop, small))) in bar.wrap_iter(all.enumerate()) {
                let path = folder.join(file_name(index, Some(name)));
                save_png(&beside(crop, small), path, &[("Source", name)])?;
            }
            println!("{}: {} pictures of features", folder.display(), crops.len());
        }
        Ok(())
    }
}
