//! `per-partition-order`, the producers' side: Jepsen's `:nonmonotonic-send`.
//!
//! The consumers' side (`:nonmonotonic-poll`, `:poll-skip`) is seen as polls return. All of this is judged
//! for consumers that assign their partitions themselves; under a group's rebalancing it is allowed.
//!
//! Calls are ordered when one has returned before the next. A send that waits for memory or metadata has
//! not, and under an open load others overtake it: they may find room in a batch that is there already.

use super::durability::{Durability, Piece};
use crate::findings::{Breach, Findings};
use crate::picture::Cluster;
use crate::promise::Promise;
use crate::settings::Setting;
use klab_wire::{NodeId, TopicPartition};
use std::collections::BTreeMap;

/// Asks of the acknowledged records of one partition, in the order of offsets, whether each producer's
/// stand in the order in which it sent them. What is lost is not there to be out of order.
pub(super) fn judge(
    name: &TopicPartition,
    pieces: &[Piece],
    durability: &Durability,
    cluster: &Cluster,
    findings: &mut Findings,
) {
    let mut latest: BTreeMap<NodeId, &Piece> = BTreeMap::new();
    for piece in pieces.iter().filter(|piece| piece.is_kept()) {
        let finding = match latest.get(&piece.ack.client) {
            Some(earlier) if earlier.ack.order > piece.ack.order && piece.ack.waited => Ok(()),
            Some(earlier) if earlier.ack.order > piece.ack.order => {
                let overtaken = overtaken(piece.ack.client, name, cluster);
                let permitted = overtaken.or_else(|| durability.permit_of_reuse(piece.place().0));
                Err(breach(earlier, piece).permitted(permitted))
            }
            _ => {
                latest.insert(piece.ack.client, piece);
                Ok(())
            }
        };
        findings.note(Promise::PerPartitionOrder, piece.ack.at, Some(name), finding);
    }
}

fn breach(earlier: &Piece, piece: &Piece) -> Breach {
    let ((before, first, _), (offset, second, records)) = (earlier.place(), piece.place());
    let what = format!(
        "nonmonotonic-send: {} sent value {second} before {first}, they stand at {offset} and {before}",
        piece.ack.client
    );
    Breach::of(what).about(records)
}

/// A retry may be overtaken, unless sequences tell the leader what must come first. They do not tell a leader
/// that has never heard of the producer: a new one may get its later batches while the first are still on their
/// way to its predecessor.
fn overtaken(client: NodeId, name: &TopicPartition, cluster: &Cluster) -> Option<Setting> {
    let producer = cluster.settings.producer(client);
    let knows = producer.idempotence
        && !cluster.partition(name).is_some_and(|partition| partition.joined_midway);
    let overtaken = !knows && producer.max_in_flight > 1 && producer.retries > 0;
    overtaken.then_some(Setting::MaxInFlight(producer.max_in_flight))
}
