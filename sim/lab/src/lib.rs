//! The lab: what a person (or a script) does with worlds.

pub mod error;
pub mod library;
pub mod report;
