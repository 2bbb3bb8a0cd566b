//! The arithmetic on ordinary memory.
//!
//! A loop over numbers is compiled three times, for AVX-512, AVX2 and everything else, and chosen at run time
//! (`exp`). [`window`] has convolutions of any size, [`winograd`] those of three by three, [`norm`] and [`row_norm`] norms, [`attention`] and
//! [`attention_backward`] attention.

#[macro_use]
pub(crate) mod exp;
pub(crate) mod attention;
pub(crate) mod attention_backward;
pub(crate) mod double;
pub(crate) mod erf;
mod matrix;
mod multiply;
pub(crate) mod norm;
mod planes;
pub(crate) mod pool;
pub(crate) mod row_norm;
mod scratch;
pub(crate) mod sums;
mod target;
mod tile;
pub(crate) mod update;
pub(crate) mod window;
pub(crate) mod winograd;
