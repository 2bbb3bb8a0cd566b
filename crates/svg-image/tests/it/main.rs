//! Bit-exact comparisons with Pillow and OpenCV.

mod opencv;
mod pillow;
