//! Trait for what a flow learns from.

use burn::prelude::*;

use crate::TrainError;
use crate::data::Fingerprint;

/// Latents for one step of training.
#[derive(Debug)]
pub struct LatentBatch {
    /// Normalised, `[batch, tokens, channels]`, on the plain device.
    pub latents: Tensor<3>,
    /// The class of each.
    pub labels: Vec<usize>,
    /// Where the order stands after this batch: what a checkpoint holds.
    pub cursor_after: u64,
    /// What people should read, such as the names of broken pictures.
    pub remarks: Vec<String>,
}

/// A set of labelled latents in an endless order.
///
/// [`OnlineLatents`](crate::flow::OnlineLatents) encodes pictures as they come;
/// [`CachedLatents`](crate::cache::CachedLatents) reads a cache on disk.
pub trait LatentSource: Send {
    /// `size` latents from place `cursor` of the order of `seed`.
    ///
    /// The result is a function of the three numbers, whatever was asked for before. Going on from
    /// [`LatentBatch::cursor_after`] is cheap; other places may cost a new start of threads.
    ///
    /// # Errors
    ///
    /// [`TrainError`] if the data cannot be read, or most of them are broken.
    fn batch(&mut self, seed: u64, cursor: u64, size: usize) -> Result<LatentBatch, TrainError>;

    /// Which pictures these are.
    fn fingerprint(&self) -> &Fingerprint;

    /// The names of the classes; a label is a place in this list.
    fn classes(&self) -> &[String];

    /// Where the latents come from: another kind gives other numbers for the same pictures, so a run
    /// keeps to one. For people too.
    fn kind(&self) -> String;
}
