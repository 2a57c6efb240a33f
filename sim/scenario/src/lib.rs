//! Scenario files as plain data: read, checked, printed. Nothing here can run anything.
//!
//! A scenario says what cluster there is, what load it bears, what goes wrong, and what must come of
//! it. [`Scenario::parse`] reads one from TOML and reports everything that is wrong with it at once,
//! each with its place and a way out: nothing is ignored silently. [`Scenario::parse_with`] does so
//! with some values set otherwise, and a scenario's [`Display`](std::fmt::Display) is a file again.
//!
//! | section | what it says | file |
//! |---|---|---|
//! | top of the file | title, concept, length | [`scenario`] |
//! | `[kafka]` | release, old behaviours | [`kafka`] |
//! | `[cluster]` | brokers, controllers, configs, clocks | [`cluster`] |
//! | `[hardware]` | a profile of constants, what everything costs | [`hardware`] |
//! | `[network]`, `[[link]]` | latency, loss, bandwidth | [`network`] |
//! | `[disk]` | fsync, throughput, capacity | [`disk`] |
//! | `[[topic]]` | partitions, replicas, configs | [`topic`] |
//! | `[zookeeper]`, `[[zookeeper-client]]` | an ensemble without Kafka, and its load | [`ensemble`] |
//! | `[[producer]]`, `[[consumer]]` | the load | [`producer`], [`consumer`] |
//! | `[[at]]` | faults and requests, by time | [`act`] |
//! | `[[nemesis]]` | random faults | [`nemesis`] |
//! | `[[expect]]` | what must, may not, and must sometimes happen | [`expectation`] |
//! | `[[run]]` | several runs under the same weather | [`run`] |
//! | `[museum]` | an exhibit of the bug museum | [`museum`] |
//! | `[heal]` | the end | [`heal`] |
//!
//! # What is left out
//!
//! - Consumer groups and transactions: `group.id` and `transactional.id` are errors that say so, until
//!   the coordinators are built.
//! - Switches of machines that are not built yet are errors that say so ([`kafka`]).
//! - Expectations about numbers (a latency below so much): a further kind in [`expectation`].
//! - Custom partitioners: they are code, and a library's user gives them to the client itself.

pub mod act;
pub mod amount;
pub mod cluster;
pub mod consumer;
pub mod disk;
mod edit;
pub mod ensemble;
pub mod expectation;
pub mod hardware;
mod header;
pub mod heal;
pub mod kafka;
pub mod museum;
mod names;
pub mod nemesis;
pub mod network;
mod print;
pub mod problem;
pub mod producer;
mod reader;
pub mod run;
pub mod scenario;
mod sections;
pub mod selector;
pub mod settings;
pub mod topic;

pub use act::{Act, Administration, At, ConsumerAct, Fault};
pub use amount::{Rate, SignedSpan};
pub use cluster::{Clock, Cluster, Controller, NodeOverrides};
pub use consumer::{Assignment, Consumer, Position};
pub use disk::Disk;
pub use expectation::Expectation;
pub use hardware::{CONSTANTS, Constant, Hardware, Profile};
pub use heal::Heal;
pub use kafka::Kafka;
pub use museum::{Found, Museum};
pub use names::Vocabulary;
pub use nemesis::Nemesis;
pub use network::{Latency, Link, Network};
pub use problem::{Problem, Problems};
pub use producer::{Keys, Load, Partitioner, Producer, Skew};
pub use run::Run;
pub use scenario::Scenario;
pub use selector::Selector;
pub use settings::Settings;
pub use topic::Topic;
