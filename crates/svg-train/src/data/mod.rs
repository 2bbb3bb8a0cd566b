//! Pictures for training: their order, crops, batches, classes and fingerprint.
//!
//! A resumed run must see the pictures that an unbroken one would have seen. So nothing here has a
//! generator's state: the order is a function of a seed and a cursor, the crop of a picture is a function
//! of the seed, the epoch and the picture's number, and a checkpoint holds the cursor alone. Threads
//! decode ahead; the cursor counts what was taken.
//!
//! - [`Recipe`], [`CropRule`], [`Smaller`]: from a picture to the square that is trained on
//! - [`Draw`]: the random numbers of one picture in one epoch
//! - [`Stream`], [`Batch`]: endless batches for training, decoded ahead
//! - [`Batches`], [`PictureBatch`], [`Broken`], [`Judge`]: batches of any pictures, and policies for broken
//!   ones
//! - [`Classes`]: the label of a picture
//! - [`Fingerprint`]: whether the data are those of a checkpoint
//! - [`DataError`]: errors, with advice

mod batches;
mod classes;
mod draw;
mod error;
mod fingerprint;
mod order;
mod pictures;
mod recipe;
mod stream;

pub(crate) use batches::to_tensor;
pub use batches::{Batches, Broken, Judge, PictureBatch};
pub use classes::Classes;
pub use draw::Draw;
pub use error::DataError;
pub use fingerprint::Fingerprint;
pub(crate) use order::Order;
pub(crate) use pictures::{Pictures, evaluated};
pub use recipe::{CropRule, Recipe, Smaller};
pub use stream::{Batch, Stream};
