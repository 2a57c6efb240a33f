//! Clients: producer, consumer and administrator, each with the application that runs on it.
//!
//! A client process is one machine. [`Producer`] owns `KafkaProducer` and a workload that sends,
//! [`Consumer`] owns a consumer with partitions assigned by hand and an application that polls, and
//! [`Admin`] owns the administrator's client and a queue of what it was told to do. [`setup`] says what
//! each is started with.
//!
//! A record's way out: `workload` makes it, `send` waits for metadata and memory (`buffer_pool`) and asks a
//! `partitioner`, `accumulator` puts it into a `batch`, `ready` knows when the batch may go, `sequences`
//! numbers it, `sender` sends it, sends it again, splits it or gives it up, and `rejection` decides whether
//! a failure is a promise that nothing was written.
//!
//! A record's way in: `subscription` knows the position and whether it is valid, `offset_fetcher` finds and
//! validates it, `fetcher` asks for records in a `fetch_session`, `completed_fetch` hands them out, and
//! `consumer` is the poll around them.
//!
//! Below both: `network` keeps connections and `metadata` the view of the cluster, which never goes back to an
//! older leader epoch.
//!
//! Groups and transactions will stand beside these: a `coordinator` between `consumer` and `subscription`, which
//! assigns what is assigned by hand today and commits positions; and the transactional half of `TransactionManager`
//! beside `sequences`.
//!
//! # What is left out
//!
//! - **Consumer groups, committed offsets, transactions, share groups.** `group.id`, `transactional.id` and
//!   their like are accepted and without effect. It takes the coordinator APIs in `wire` and the coordinators
//!   on the brokers. `isolation.level` is sent with every request; aborted transactions are not
//!   filtered, because no answer lists them yet.
//! - **`metadata.max.idle.ms`**: a producer never forgets a topic that it has written to; its
//!   workload names its topics once and for all. It takes a time per topic of interest.
//! - **`connections.max.idle.ms`** and the growing **`socket.connection.setup.timeout.max.ms`**: idle connections are
//!   kept, and every attempt has the first timeout. Both belong into `klab-network`.
//! - **ApiVersions, authentication, quotas**: a client knows that its brokers speak its own versions, and does not hold
//!   itself back when a broker throttles it (a broker may still delay its answers).
//! - **Headers, serializers, interceptors, metrics.** Sizes count no headers. Values are numbers; see
//!   [`Value`](klab_machine::Value).
//! - **`LinkedHashMap` order of the consumer's partitions** (`movePartitionToEnd`): a full fetch names its partitions in the
//!   order of their ids; within a session the broker takes care of fairness.
//! - **The load table of the sticky partitioner** is made when a partition is drawn, from the queues of that moment, not
//!   from those of the sender's last round.
//! - **Empty polls** are not recorded: an application that got nothing is taken to wait in one long poll.

mod accumulator;
mod admin;
mod admin_call;
mod alarm;
mod batch;
mod batches;
mod buffer_pool;
mod completed_fetch;
mod compression;
mod consumer;
mod fetch_session;
mod fetcher;
mod keys;
mod metadata;
pub mod murmur2;
mod network;
mod offset_fetcher;
mod partitioner;
mod producer;
mod ready;
mod rejection;
mod send;
mod sender;
mod sequences;
pub mod setup;
mod slots;
mod sorted_queue;
mod subscription;
#[cfg(test)]
mod testing;
mod values;
mod workload;

pub use admin::{Admin, AdminView};
pub use consumer::{Consumer, ConsumerPartitionView, ConsumerView, FetchState};
pub use producer::{Producer, ProducerView, SequencesView};
pub use setup::{
    AdminSetup, Assignment, ConsumerSetup, CustomPartitioner, Keys, Partitioning, ProducedTopic,
    ProducerSetup, ProducerWorkload,
};
