//! Pictures for training: which comes next, how it is cut, and whether they are still the same.
//!
//! A run that stops and goes on must see the pictures that it would have seen. So nothing here
//! remembers a generator's state: the order is a function of a seed and a cursor, the cut of a
//! picture is a function of the seed, the epoch and the picture's number, and a checkpoint holds the
//! cursor alone. Threads decode ahead, and the cursor counts what was taken.
//!
//! - [`Recipe`], [`CropRule`], [`Smaller`]: from a picture to the square that is trained on
//! - [`Draw`]: the random numbers of one picture in one epoch
//! - [`Stream`], [`Batch`]: endless batches for training, decoded ahead
//! - [`Batches`], [`PictureBatch`], [`Broken`], [`Judge`]: batches of any pictures, and what is done about broken ones
//! - [`Classes`]: the label of a picture
//! - [`Fingerprint`]: whether the data of a checkpoint are the data at hand
//! - [`DataError`]: what went wrong, and what to do

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
pub(crate) use order::{Order, Sample};
pub(crate) use pictures::Pictures;
pub use recipe::{CropRule, Recipe, Smaller};
pub use stream::{Batch, Stream};
