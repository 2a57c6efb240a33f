//! The Raft voter and observer of the metadata quorum (`KafkaRaftClient`, KIP-595, KIP-630, KIP-996).
//!
//! [`Raft`] is a component with one door: the machine that embeds it hands over every [`Input`] that it
//! [owns](Raft::owns), and afterwards takes out what there is to learn, one [`RaftEvent`] at a time. A
//! controller embeds a voter, a broker an observer; which of the two a replica is follows from the voter
//! set and its own [`ReplicaKey`].
//!
//! Kafka runs it on one thread that blocks in every fsync. So does this: while a flush of `quorum-state`
//! or of the log is under way, inputs wait in line. That is how nothing is told before it is durable.

mod accumulator;
mod alarms;
mod answer;
mod backoff;
mod blocked;
mod election;
mod event;
mod fetch;
mod fetch_snapshot;
mod high_watermark;
mod leader;
mod listener;
mod poll;
mod purgatory;
mod quorum_epoch;
mod quorum_state;
mod raft;
mod replica_log;
mod replication;
mod request_manager;
mod role;
mod setup;
mod shutdown;
mod snapshot;
mod snapshot_writing;
mod view;
mod vote;

pub use event::RaftEvent;
pub use raft::Raft;
pub use setup::{MetadataLogLimits, RaftSetup};
pub use view::{RaftView, VoterView};

#[cfg(doc)]
use klab_machine::Input;
#[cfg(doc)]
use klab_wire::ReplicaKey;
