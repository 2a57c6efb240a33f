//! Pictures: a chart as data, and its drawing as SVG; on request as PNG.
//!
//! One mechanism for the pictures of a run (`throughput.svg`) and for those of `klab plot`. A [`chart::Chart`] says what
//! is to be seen: curves with their spread, scales, marks, bands of time; [`lanes::Lanes`] lays several runs below each
//! other on one axis of time. The same chart gives the same file, to the byte,
//! on every machine: coordinates are whole pixels, logarithms are klab's own, and no font of the host is asked for.

#![allow(clippy::float_arithmetic, reason = "the lab draws, and drawing is done in floats")]

mod canvas;
pub mod chart;
pub mod lanes;
pub mod number;
mod png;
pub mod scale;

pub use png::png;
