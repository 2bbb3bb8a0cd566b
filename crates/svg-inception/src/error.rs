//! What can go wrong with files of Inception.

use svg_nn::LoadError;

/// Why a file could not become an [`Inception`](crate::Inception).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InceptionError {
    /// The file cannot be read, or its tensors are not those of the network.
    #[error(
        "{0}\nFID, sFID and the Inception Score need the Inception v3 of 2015-12-05 as torch-fidelity and pytorch-fid \
         publish it: weights-inception-2015-12-05-6726825d.pth or pt_inception-2015-12-05-6726825d.pth, which are \
         the same; see docs/weights.md"
    )]
    Load(#[from] LoadError),
}
