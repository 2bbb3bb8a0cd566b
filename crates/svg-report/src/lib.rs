//! Reports as self-contained HTML pages without scripts, and charts as SVG pictures.
//!
//! [`render`] fills a template. The crate has templates to build on:
//!
//! - `page.html`, which a page extends with the blocks `title`, `lead` and `main`. The page needs no other file and no
//!   network, and its content security policy forbids both. Colours follow the reader's preference for light or dark.
//! - `parts.html`: the macros `section`, `picture`, `table` and `commands`
//! - `chart.html`, `scatter.html` and `pipeline.html`: macros of the same names for a line chart, a scatter plot, and
//!   the method with the sizes of a run. Charts are stretched to the width of the page while their labels are ordinary
//!   text, so they are readable on small screens.
//! - `drawing.svg`: macros for an SVG picture of fixed size: `drawing`, `rectangle`, `line`, `disc`, `ring`, `text`, and
//!   `frame` for the axes of a [`Frame`]
//!
//! [`Chart::svg`] draws a [`Chart`] as a picture.
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
//! assert!(chart.svg([720, 400]).starts_with("<svg"));
//! ```
//!
//! The crate is independent of images, networks and training: its inputs are numbers and the bytes of PNG files.

mod affinity;
mod axis;
mod chart;
mod frame;
mod markup;
mod number;
mod picture;
mod render;
mod scatter;
#[cfg(test)]
mod tests;
mod thin;
mod tsne;

pub use axis::Axis;
pub use chart::{Chart, Series};
pub use frame::Frame;
pub use picture::Picture;
pub use render::render;
pub use tsne::tsne;
