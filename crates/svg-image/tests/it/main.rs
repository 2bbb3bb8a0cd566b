//! Bit-exact comparisons with Pillow and OpenCV, and sets of pictures in every form.

mod arrays;
mod kinds;
mod opencv;
mod pillow;
mod sets;
mod tables;
mod trees;
