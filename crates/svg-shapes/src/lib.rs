//! A data set made by code: small colour images of ten figures that a person names at a glance.
//!
//! It is for a first training: no download, no licence, as many pictures as wanted, and a result that
//! anybody can judge. Figures vary in position, size, rotation, proportion and colour, before grounds of
//! clouds, grain, gradients and checks, among dots and line pieces.
//!
//! One decision shapes the crate: **a picture is a function of (seed, class, index), and only the outline
//! depends on the class.** Area, colours, ground and clutter are drawn alike for all classes, so that neither
//! colour nor brightness gives a class away. No picture depends on another one, on how many are made or on
//! the machine: random numbers are those of one cipher, sines those of one library, and the rest is sums,
//! products and roots, which IEEE 754 rounds in one way. The size of a picture changes how finely it is drawn, and not what is in it.
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
//! Not here: files and folders, which are made by `svg dataset shapes`.

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
