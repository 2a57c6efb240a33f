//! The world: everything between the machines, and everything that can happen to them.
//!
//! [`Engine`] runs machines on simulated hosts, disks, clocks and links, one event at a time. What is
//! absent here on purpose: madsim, threads, files, floats, the real time. Everything is integers and
//! follows from a seed; `Clone` forks the universe.
//!
//! # What is left out
//!
//! - Flow control: a receiver's socket buffer has no bound, so a paused process stalls nobody by it.
//!   It would take windows per way and a partial delivery of messages.
//! - Fast retransmission and selective acknowledgement: every loss costs a retransmission time-out.
//! - Sharing of a card between connections is first come, first served by whole messages, not by
//!   packets.
//! - The pools of network and request-handler threads: a machine is stepped by one core at a time.
//! - Hardware profiles: what a step, a record and a byte cost is set by [`Costs`], and a scenario's `hardware` knows
//!   only `ideal`, which costs nothing. Another takes measured constants and a name.
//! - A limit of the page cache in scenarios: a disk's profile has one, but no key of a file sets it, so memory keeps
//!   everything. Pages that are dirty for too long throttle nobody either.
//! - Kafka in ZooKeeper mode: a scenario may ask for it, and is told that it is not built yet; an ensemble without
//!   Kafka is. It takes brokers that register as znodes, and the controller's other host.

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
