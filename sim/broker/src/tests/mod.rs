//! Scripts: brokers on a bench, one sentence of a KIP (or of Kafka's own behaviour) each.

mod fencing;
mod fetching;
mod isr_changes;
mod life;
mod replication;
mod serving;
mod truncating;
mod zookeeper_mode;
