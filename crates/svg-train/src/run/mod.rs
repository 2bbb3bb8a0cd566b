//! What every training has in common: a folder, a loop, and nothing lost.
//!
//! - [`Course`]: the role of what is trained, played by each stage
//! - [`run`]: from the first step to the last, through interruptions
//! - [`RunOptions`]: where, and whether to go on
//! - [`Observer`], [`Headline`]: who watches, and what is worth watching
//! - [`Standing`], [`Identity`]: where a run stands, and whether it is the same run

mod course;
mod driver;
mod observer;
mod pictures;
mod standing;

pub use course::{Course, Pace, Picture, Shown, StepReport, Taken};
pub use driver::{RunOptions, run};
pub use observer::{Ended, Headline, Observer};
pub(crate) use pictures::Pictures;
pub use standing::{Identity, Standing};
