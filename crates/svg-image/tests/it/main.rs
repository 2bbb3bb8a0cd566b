//! Equality with Pillow and OpenCV, pixel by pixel.

mod opencv;
mod pillow;
