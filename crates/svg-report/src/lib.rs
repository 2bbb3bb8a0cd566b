//! Reports as one HTML page without a script, and charts as SVG pictures.
//!
//! A [`Page`] is made of [`Section`]s and these of [`Block`]s: text, pictures, charts, tables, commands. The page needs
//! no other file and no network, and its content security policy forbids both. Charts are stretched to the width of the
//! page while their labels are text of the page, so they can be read on a telephone as well. Colours follow the reader's
//! preference for light or dark.
//!
//! A [`Chart`] can also be drawn as a picture of its own, by [`Chart::svg`]. Pictures of other kinds are composed of
//! lines, discs and text on a [`Drawing`], with the axes of a [`Frame`].
//!
//! ```
//! use svg_report::{Chart, Series};
//!
//! let chart = Chart {
//!     title: "Training".into(),
//!     x_label: "step".into(),
//!     y_label: "loss".into(),
//!     log_x: false,
//!     log_y: true,
//!     series: vec![Series { name: "loss".into(), points: vec![[1.0, 0.5], [2.0, 0.25]] }],
//! };
//! assert!(chart.svg().starts_with("<svg"));
//! ```
//!
//! This crate knows nothing of images, networks or training: it is given numbers and the bytes of PNG files.

mod affinity;
mod axis;
mod chart;
mod chart_drawing;
mod drawing;
mod frame;
mod layout;
mod markup;
mod page;
mod palette;
mod picture;
mod pipeline;
mod scatter;
mod table;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod thin;
mod tsne;

pub use axis::Axis;
pub use chart::{Chart, Series};
pub use drawing::{Anchor, Drawing, Text};
pub use frame::Frame;
pub use page::{Block, Command, Figure, Page, Section};
pub use picture::Picture;
pub use pipeline::Pipeline;
pub use scatter::{Dot, Scatter};
pub use table::Table;
pub use tsne::tsne;
