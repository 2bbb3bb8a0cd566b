//! What a run says while it trains: numbers in two kinds of files, and pictures.
//!
//! The CSV file is the record. It has one row for a step, and after a resume it looks as if there
//! had been no break. TensorBoard's event files are for looking at; they are only ever appended to,
//! and each start of the program has its own, as TensorBoard expects.
//!
//! - [`Scalars`]: the numbers of one step, in order
//! - [`comparison_sheet`]: originals over reconstructions
//! - [`LogError`]: what went wrong, with which file

mod csv;
mod error;
mod scalars;
mod sheet;
mod tensorboard;

pub(crate) use csv::CsvLog;
pub use error::LogError;
pub use scalars::Scalars;
pub use sheet::comparison_sheet;
pub(crate) use tensorboard::TensorBoard;
