//! Pixel statistics, as in `svg_roles::pixels`.

pub(crate) use svg_roles::pixels::{check_statistics, of_preprocessor, statistics};
