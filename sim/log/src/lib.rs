//! The partition log: what a replica keeps of a partition, in memory and on its disk.
//!
//! A [`Log`] is Kafka's `UnifiedLog` with its `LocalLog`: segments of record batches, the leader-epoch
//! cache, the producers' state, the high watermark and the log start. It decides what an append, a
//! truncation, a clean-up or a restart does to them, and asks the world for the writes through the
//! [`Outbox`](klab_machine::Outbox). Brokers keep one per replica; the metadata quorum keeps its log in one too.

mod append;
mod checkpoints;
mod config;
mod epochs;
mod flush;
mod list_offsets;
mod load;
mod log;
#[cfg(test)]
mod model;
mod producer_entry;
mod producer_state;
mod read;
mod recovery;
mod retention;
mod roll;
mod segment;
mod segments;
#[cfg(test)]
mod testing;
mod truncation;
mod validation;

pub use append::{AppendInfo, AppendOrigin, FollowerAppendError};
pub use checkpoints::{
    Checkpoints, delete_clean_shutdown, delete_strays, partitions_on, store_clean_shutdown,
    store_high_watermarks, store_log_starts, store_recovery_points,
};
pub use config::LogConfig;
pub use epochs::LeaderEpochFileCache;
pub use list_offsets::TimestampAndOffset;
pub use log::Log;
pub use read::FetchedRecords;
pub use retention::LogStartReason;
