//! Clients: producer, consumer and administrator, each with the application that runs on it.
//!
//! A client process is one machine. [`Producer`] owns `KafkaProducer` and a workload that sends,
//! [`Consumer`] owns a consumer with partitions assigned by hand and an application that polls, and
//! [`Admin`] owns the administrator's client and a queue of what it was told to do.

mod accumulator;
mod admin;
mod admin_call;
mod alarm;
mod batch;
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
mod subscription;
#[cfg(test)]
mod testing;
mod values;
mod workload;

pub use admin::{Admin, AdminView};
pub use consumer::{Consumer, ConsumerPartitionView, ConsumerView, FetchState};
pub use producer::{Producer, ProducerView};
pub use setup::{
    AdminSetup, Assignment, ConsumerSetup, CustomPartitioner, Keys, Partitioning, ProducedTopic,
    ProducerSetup, ProducerWorkload,
};
pub use values::producer_of;
