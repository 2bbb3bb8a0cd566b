//! Bundles: what is written is read back, and what does not fit is an error that names both sides.

mod bundles;
mod exchange;
mod flows;
mod numbers;
mod place;
