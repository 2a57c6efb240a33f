//! Controllers in ZooKeeper mode, with a real server of an ensemble.

mod brokers;
mod leaders;
mod moves;
mod office;
mod topics;

use klab_wire::TopicPartition;

fn orders() -> TopicPartition {
    TopicPartition::new("orders", 0)
}
