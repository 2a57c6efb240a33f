//! What the facts so far say about the deployment: who stores what, who leads, who is in sync.
//!
//! The invariants look at this picture and at nothing else. It is built from facts alone.

mod batch;
mod cluster;
mod copies;
mod decisions;
mod deleted_topics;
mod partition;
mod quorum;

pub(crate) use batch::Batch;
pub(crate) use cluster::Cluster;
pub(crate) use copies::{
    Copies, Cut, CutCause, Disagreement, Leading, ProducerTail, Promised, Replica,
};
pub(crate) use decisions::{Decision, Decisions};
pub(crate) use partition::{Election, Moving, Opening, Partition};
pub(crate) use quorum::Quorum;
