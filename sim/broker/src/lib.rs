//! The Kafka broker: replicas, in-sync replicas, high watermarks, fetches, and what clients ask.
//!
//! [`Broker`] is one [`Machine`](klab_machine::Machine). Where to look:
//!
//! - `requests.rs` is the door: every request, one line each. `broker.rs` is the house behind it: what a
//!   broker is made of, and which part an input is for.
//! - A record's way: `produce.rs` appends it on the leader, `replica_fetchers.rs` on the followers,
//!   `fetch.rs` takes note of how far each is, `high_watermark.rs` decides what is committed, and
//!   `purgatory.rs` acknowledges it and wakes whoever waits to read it.
//! - `partition.rs` is one replica: its role and what only a leader has. Its rules are pure functions:
//!   `high_watermark.rs`, `isr.rs`, `replica.rs`, `truncation.rs`, `replica_selector.rs`.
//! - What the controller says comes in by `publisher.rs` (the metadata log) and `controller_link.rs`
//!   (answers); `lifecycle.rs` is the broker's own life.
//! - `metadata_source.rs` is where the two modes part. In ZooKeeper mode, `zookeeper/` registers the broker
//!   as a znode (`registration.rs`) and does what the controller tells it (`control.rs`); how a replica
//!   leads, follows and is deleted is the same code for both.
//!
//! A broker acts on its own image of the metadata log, or of what the controller has told it, which is
//! stale by nature. It never learns anything about the cluster in another way than Kafka's: from that log
//! or those requests, from answers, from its znodes, and from the fetches of its followers.
//!
//! Cost follows change. Nothing here walks all partitions but the rarer periodic work of a log directory and a
//! change of the broker's own configuration. Whose high watermark moved is noted until it is written down, and
//! whose followers may fall out of sync until they have everything (`isr_expiration.rs`). A fetch session keeps a list of the partitions that moved; a produce request waits in a queue at its partition.
//! Sessions, their partitions and replicas remember each other's places (`slots.rs`): a message searches
//! for what it names, once.
//!
//! # What is left out
//!
//! - **Of ZooKeeper mode**: one session per process (broker and controller keep one each, so that one may
//!   expire without the other); the admin client's way to the controller's own listener (requests come
//!   to any broker, which forwards them as in KRaft mode); a process that ends when its znode is taken (a
//!   broker tries again each second, as if restarted at once); `zookeeper.max.in.flight.requests`, the
//!   comparison of `/cluster/id` with `meta.properties`, the purge of old `/config/changes`,
//!   `/log_dir_event_notification`, and LeaderAndIsr of type FULL, which only the migration to KRaft sends.
//! - **Consumer groups and transactions**: coordinators are two more parts of [`Broker`], notified by
//!   `publisher.rs` of the partitions of their topics; the last stable offset then differs from the high
//!   watermark (`klab-log`), and `list_offsets.rs` and `fetch.rs` use it already.
//! - **Compaction**: the log cleaner would be one more timer of `storage.rs`.
//! - **Several log directories** (JBOD, KIP-112, KIP-858): there is one, and its failure ends the broker.
//! - **Tiered storage, share groups, client quotas, ACLs, DescribeTopicPartitions, OffsetDelete and the
//!   like**: no part of a broker as milestone 1 needs it.
//! - **Releases 2.1 to 2.6** cut before the first fetch with the leader epoch in every request; the switch
//!   `truncation = "kip-320"` is 2.7 and later, where the cut rides on the fetch.
//! - **Threads**: a follower that must ask its leader for offsets blocks its fetcher as in Kafka; an fsync
//!   within an append holds back this partition only, where Kafka also blocks a request handler. The
//!   fsyncs of segment rolls are all asked for at once, where Kafka's scheduler has `background.threads`
//!   of them under way: on a disk that rolls overload, other fsyncs wait longer than they would. A queue
//!   in `storage.rs` that hands the next one on when one has ended would do.
//! - A broker stays fenced for good if an operator removes its registration while it runs; so does Kafka's.

#[macro_use]
mod broker;
mod alter_partition;
mod controller_channel;
mod controller_link;
mod delayed_fetch;
mod delete_records;
mod epoch_truncation;
mod fetch;
mod fetch_read;
mod fetch_session;
mod fetch_session_cache;
mod fetcher;
mod fetcher_assignment;
mod follower_fetch;
mod high_watermark;
mod isr;
mod isr_expiration;
mod lifecycle;
mod list_offsets;
mod metadata_cache;
mod metadata_source;
mod offset_reset;
mod partition;
mod partition_fetch_state;
mod partition_isr;
mod produce;
mod producer_ids;
mod publisher;
mod purgatory;
mod replica;
mod replica_fetchers;
mod replica_selector;
mod replicas;
mod requests;
mod setup;
mod slots;
mod spares;
mod storage;
mod system_timer;
mod throttle;
mod topic_metadata;
mod topic_settings;
mod truncation;
mod view;
mod zookeeper;

pub use broker::Broker;
pub use lifecycle::BrokerState;
pub use setup::{BrokerSetup, RAFT_NETWORK_CLIENT, SourceSetup};
pub use view::{BrokerView, PartitionView, RoleView, SourceView, ZooKeeperView};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
