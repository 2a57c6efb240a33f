//! The world: everything between the machines, and everything that can happen to them.
//!
//! [`Engine`] runs machines on simulated hosts, disks, clocks and links, one event at a time. What is
//! absent here on purpose: madsim, threads, files, floats, the real time. Everything is integers and
//! follows from a seed; `Clone` forks the universe.
//!
//! # What is left out
//!
//! - Flow control by a reader that does not read: windows bound what is on its way, but a paused process takes in
//!   whole messages all the same. It would take a partial delivery of messages.
//! - Fast retransmission and selective acknowledgement: every loss costs a retransmission time-out.
//! - Locks between the threads of a broker: requests for one partition wait for each other in Kafka, here for threads and
//!   cores only. It would take the partitions of an input before it is served.
//! - An fsync keeps no request handler waiting, only the answer; an append keeps one waiting when too many pages are
//!   dirty. In Kafka the handler itself calls fsync.
//! - Congestion control: a window is a constant, from the first packet on. Messages that a stalled connection sends
//!   again are sent whole, without windows.
//! - The journal of a host's file systems is one for all its log directories.
//! - The costs of a controller for each election and of a start for each log: both cost what their messages cost. They
//!   would be `Spend`s of those steps.
//! - Kafka in ZooKeeper mode gives broker and controller, which share a process, a session each. In Kafka they share
//!   that, too, so that both expire at once.

mod acts;
mod administration;
mod agenda;
mod client_setup;
mod clock;
mod convergence;
mod costs;
mod deployment;
mod disk;
mod engine;
mod ensemble;
mod hardware;
mod host;
mod nemesis;
mod network;
mod node;
mod pauses;
mod queue;
mod selection;
mod timeline;
mod timers;
pub mod toy;
mod truth;
mod usage;
mod waits;
mod world;
mod zookeeper_mode;

pub use clock::Clock;
pub use costs::{Costs, Threads, Work};
pub use deployment::ADMINISTRATOR;
pub use disk::DiskProfile;
pub use engine::{Engine, ProcessPlan, Simulation, directory};
pub use host::{Buffers, HostPlan, Sockets};
pub use network::{Latency, NetworkProfile, Spike, Tamper, Tampering};
pub use node::{Node, NodeSetup, NodeView};
pub use pauses::Pauses;
pub use usage::{Resource, ResourceKind, Usage};
pub use world::World;
