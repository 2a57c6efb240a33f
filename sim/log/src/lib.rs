//! The partition log: what a replica keeps of a partition, in memory and on its disk.
//!
//! A [`Log`] is Kafka's `UnifiedLog` with its `LocalLog`: segments of record batches, the leader-epoch
//! cache, the producers' state, the high watermark and the log start. It decides what an append, a
//! truncation, a clean-up or a restart does to them, and asks the world for the writes through the
//! [`Outbox`](klab_machine::Outbox). Brokers keep one per replica; the metadata quorum keeps its log in
//! one too.
//!
//! # The rules, by file
//!
//! | rule | file |
//! |---|---|
//! | what a leader asks of a batch | `validation` |
//! | a producer's next batch, and its duplicate (KIP-98) | `producer_entry`, `producer_state` |
//! | where an epoch ends (KIP-101, KIP-279) | `epochs` |
//! | when a segment is full or old | `roll` |
//! | append as leader and as follower | `append` |
//! | read, look up by time | `read`, `list_offsets` |
//! | truncate, start afresh | `truncation` |
//! | retention, DeleteRecords, expiry of producers | `retention` |
//! | fsync and the recovery point | `flush` |
//! | start, clean and unclean | `load`, `recovery`, `checkpoints` |
//!
//! # What a host of logs owes them
//!
//! - A log asks for fsyncs and learns of their end by [`Log::flushed`]; [`Log::claim_flushes`] tells
//!   which ones are its. Those of checkpoint files nobody waits for: an unknown
//!   [`FlushId`](klab_machine::FlushId) is to be ignored.
//! - [`AppendInfo::durable_after`] holds back acknowledgements, and a follower's next fetch.
//! - After a truncation recovery points are written ([`store_recovery_points`]): the old one may lie
//!   above the new end (`LogManager.truncateTo`).
//! - Periodically: [`Log::delete_old_segments`], [`Log::expire_producers`], [`Log::flush`] where
//!   [`Log::is_flush_due`], and the three checkpoints.
//! - At a start: [`Checkpoints::read`], [`delete_clean_shutdown`], [`delete_strays`], then
//!   [`Log::load`] for each of [`partitions_on`]. At an orderly stop: [`Log::close`] for each, wait
//!   until all are [`Log::is_settled`], write the checkpoints, then [`store_clean_shutdown`].
//!
//! # What is left out
//!
//! - **Compaction** (`LogCleaner`): batches may be sparse and an offset may lie in a gap, so everything
//!   here bears a compacted log; missing are the cleaner itself, tombstones and delete horizons. Its place
//!   is a file `compaction` that replaces sealed segments.
//! - **Transactions**: end markers are kept and raise a producer's epoch; missing are ongoing
//!   transactions in `producer_state`, the aborted-transaction index, verification (KIP-890), and with
//!   them a last stable offset below the high watermark.
//! - **Recompression** by `compression.type`: a log keeps the codec and the size that the producer
//!   chose. It would take the uncompressed size in the batch.
//! - **Index files**: looked up in memory, never stored, so they neither cost bytes nor fill up
//!   (`segment.index.bytes`), nor are they rebuilt after an unclean stop.
//! - **`file.delete.delay.ms`**: segments are deleted at once; Kafka keeps them as `.deleted` for readers
//!   that have them open. **`segment.jitter.ms`**, preallocation, future logs (moves between
//!   directories) and tiered storage are missing likewise.
//! - An fsync here does not block the append that asked for it; see [`AppendInfo::durable_after`]. As in
//!   Kafka the log end has moved already, so that a follower may read what its leader has not flushed.

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
    Checkpoints, delete_clean_shutdown, delete_strays, partitions_on, previous_broker_epoch,
    store_clean_shutdown, store_high_watermarks, store_log_starts, store_recovery_points,
};
pub use config::LogConfig;
pub use epochs::LeaderEpochFileCache;
pub use list_offsets::TimestampAndOffset;
pub use log::Log;
pub use read::FetchedRecords;
pub use retention::LogStartReason;
