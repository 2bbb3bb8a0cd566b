//! The program and its libraries as a user meets them, in one binary.
//!
//! A test is chosen by its module: `cargo test --test it demo`. Tests run beside each other in one process, so none
//! of them changes the environment or the current folder; what needs its own starts the program as a child.

mod cache;
mod checkpoint;
mod cli;
mod compare;
mod dataset;
mod demo;
mod encoders;
mod evaluate;
mod examples;
mod flow_training;
mod forms;
mod info;
mod nano;
mod old_bundle;
mod orientation;
mod outputs;
mod parallel;
mod pipeline;
mod place;
mod plot;
mod pretraining;
mod probe;
mod recognisable;
mod sampling;
mod signals;
mod standard_streams;
mod streaming;
mod support;
mod terminal;
mod together;
mod trained;
mod training;
mod unending;
mod vae;
mod weights;
