//! Histories in files: what clients called and how their calls ended, one event a line.
//!
//! `klab run` writes one ([`mod@write`]), `klab check` judges it ([`mod@read`]), and so it does with one that was recorded
//! from a real cluster.
#![doc = include_str!("format.md")]

pub mod cursor;
mod line;
mod names;
mod promised;
pub mod read;
pub mod write;

pub use names::Names;
pub use promised::Promised;
