//! LightningDiT (Yao et al., arXiv 2501.01423).

mod attention;
mod block;
mod config;
mod model;
mod norm;
mod rotation;
mod weights;

pub use attention::LightningAttention;
pub use block::LightningBlock;
pub use config::LightningConfig;
pub use model::{LightningDit, LightningFinal};
