//! Bit-exact comparisons with Pillow and OpenCV.

mod kinds;
mod opencv;
mod pillow;
