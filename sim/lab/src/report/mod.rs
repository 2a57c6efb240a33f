//! What a run leaves behind for a reader: a folder with the trace, the verdict, numbers and pictures.

pub mod folder;
pub mod metrics;
pub mod plots;
