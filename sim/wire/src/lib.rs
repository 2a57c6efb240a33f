//! What travels between machines, and the words it is written in.
//!
//! The vocabulary of a Kafka deployment as plain data: identities ([`ids`]), time ([`time`]), errors
//! ([`error`]), record batches ([`batch`]), the records of the metadata log ([`metadata`]), one file
//! per API ([`api`]), the frames of a ZooKeeper ensemble ([`zookeeper`]) and what Kafka keeps in it ([`znodes`]), and
//! the configuration names with their defaults ([`config`]). Nothing here decides anything.

pub mod api;
pub mod batch;
pub mod config;
pub mod error;
pub mod ids;
pub mod metadata;
pub mod name;
pub mod time;
pub mod znodes;
pub mod zookeeper;

pub use api::*;
pub use batch::*;
pub use error::ErrorCode;
pub use ids::*;
pub use metadata::*;
pub use time::{Now, Span, Time, Timestamp};
pub use zookeeper::{Frame, FrameKind};

/// A list that mostly has one entry, which then lies in the list itself: most messages are of one partition,
/// and most answers of one batch.
pub type Few<T> = smallvec::SmallVec<[T; 1]>;
