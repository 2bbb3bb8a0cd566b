//! Reports as self-contained HTML pages without scripts, and charts as SVG pictures.
//!
//! A [`Page`] consists of [`Section`]s, and these of [`Block`]s: text, pictures, charts, tables, commands. The page
//! needs no other file and no network, and its content security policy forbids both. Charts are stretched to the width
//! of the page while their labels are ordinary text, so they are readable on small screens. Colours follow the
//! reader's preference for light or dark.
//!
//! [`Chart::svg`] draws a [`Chart`] as a picture. Other pictures are composed of lines, discs and text on a
//! [`Drawing`], with the axes of a [`Frame`].
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
//! The crate is independent of images, networks and training: its inputs are numbers and the bytes of PNG files.

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
