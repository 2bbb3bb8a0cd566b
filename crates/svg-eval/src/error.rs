//! Errors of loading the weights of a metric.

use svg_nn::LoadError;

/// Error of loading a metric.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// The file cannot be read, or its tensors are not those of VGG16 and LPIPS.
    #[error(
        "{0}\nLPIPS needs the convolutions of VGG16 without batch norm: torchvision's ImageNet weights \
         (vgg16-397923af.pth), or a file of LPIPS that contains them"
    )]
    Load(#[from] LoadError),
}
