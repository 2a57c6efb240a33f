//! klab: a deterministic simulation and teaching lab of Apache Kafka.
//!
//! This is the front door for a program that uses the lab as a library: a property test, a CI job. The
//! command `klab` is [`lab::main`].
//!
//! ```
//! use klab::{Experiment, Hosting};
//!
//! let scenario = r#"
//!     title   = "A producer writes, a consumer reads"
//!     concept = "acks"
//!     run-for = "10s"
//!
//!     [[topic]]
//!     name        = "orders"
//!     partitions  = 1
//!     replication = 3
//!
//!     [[producer]]
//!     topic = "orders"
//!
//!     [[consumer]]
//!     topic = "orders"
//!     from  = "earliest"
//!
//!     [[expect]]
//!     always = "no-acked-record-is-lost"
//!
//!     [[expect]]
//!     sometimes = "HighWatermarkAdvanced"
//! "#;
//! let experiment = Experiment::parse("example.toml", scenario, Some(7)).unwrap();
//! let outcome = experiment.run(Hosting::Caged, |_entry| {});
//! assert_eq!(outcome.verdict.exit_code, 0);
//! assert_eq!(outcome.fingerprint, experiment.run(Hosting::Bare, |_| {}).fingerprint);
//! ```
//!
//! The map of the house is ARCHITECTURE.md; each crate's first page is the lecture on its part.

pub use klab_cage as cage;
pub use klab_check as check;
pub use klab_lab as lab;
pub use klab_machine as machine;
pub use klab_scenario as scenario;
pub use klab_wire as wire;
pub use klab_world as world;

pub use klab_lab::experiment::{Experiment, Hosting, Judged, Outcome};
