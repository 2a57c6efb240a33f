//! The metadata quorum as a whole: several replicas on a small simulated network, with disks that lose
//! what was not flushed, watched by the invariants of Kafka's `RaftEventSimulationTest`.

mod cluster;
mod disk;
mod invariants;
mod kip_1166;
mod kip_595;
mod kip_630;
mod kip_996;
mod network;
mod node;
mod raft_paper;
mod simulation;
