//! A synthetic data set of small colour images of ten figures.
//!
//! It is meant for a first training run: it needs no download and no licence, has any number of pictures, and
//! results are easy to judge by eye. Figures vary in position, size, rotation, proportion and colour, on
//! grounds of clouds, grain, gradients and checks, with dots and line pieces as clutter.
//!
//! The main design decision: **a picture is a function of (seed, class, index), and only the outline
//! depends on the class.** Area, colours, ground and clutter have the same distribution for all classes, so
//! that neither colour nor brightness reveals the class. No picture depends on other pictures, on their number
//! or on the machine: random numbers come from one cipher and sines from one library, and the rest is sums,
//! products and roots, whose rounding IEEE 754 defines. The size of a picture changes its resolution, not its
//! content.
//!
//! ```
//! use svg_shapes::{CLASSES, Shapes};
//!
//! let shapes = Shapes::new(7).with_size(48);
//! let star = CLASSES.iter().position(|name| *name == "star").unwrap();
//! let picture = shapes.image(star, 1000);
//! assert_eq!(picture.dimensions(), (48, 48));
//!
//! let classes: Vec<_> = shapes.images(20).map(|(class, _)| class).collect();
//! assert_eq!(classes[8..12], [8, 9, 0, 1]);
//! ```
//!
//! - [`Shapes`]: the pictures of a seed
//! - [`CLASSES`]: the names of the figures
//!
//! Not here: files and folders, which `svg dataset shapes` writes.

mod blur;
mod clutter;
mod colour;
mod draw;
mod figure;
mod outline;
mod shapes;
mod texture;

pub use figure::CLASSES;
pub use shapes::Shapes;
