//! The Raft voter and observer of the metadata quorum (`KafkaRaftClient`, KIP-595, KIP-630, KIP-996).
//!
//! [`Raft`] is a component with one door: the machine that embeds it hands over every [`Input`] that it
//! [owns](Raft::owns), and afterwards takes out what there is to learn, one [`RaftEvent`] at a time. A
//! controller embeds a voter, a broker an observer; which of the two a replica is follows from the voter
//! set and its own [`ReplicaKey`].
//!
//! Kafka runs it on one thread that blocks in every fsync. So does this: while a flush of `quorum-state`
//! or of the log is under way, inputs wait in line. That is how nothing is told before it is durable.

mod raft;
mod setup;

pub use raft::{Raft, RaftEvent, RaftView, VoterView};
pub use setup::{MetadataLogLimits, RaftSetup};

#[cfg(doc)]
use klab_machine::Input;
#[cfg(doc)]
use klab_wire::ReplicaKey;
