//! `duplicate`: one value stands at two places of a topic.
//!
//! Jepsen takes idempotence for granted and looks within one partition; here a value is one of its topic, and a
//! producer without idempotence is permitted to write a batch twice, because it repeats a request whose answer
//! it did not get. With several requests in flight even an idempotent one may, when the leader was started
//! again in between: a snapshot of the producers' state has only the last batch of each
//! (`ProducerStateManager.writeSnapshot`), a repetition of an earlier one is refused as out of order, and the
//! client sends it under a new epoch (KIP-360). A client takes a new epoch as well when a batch before it has
//! expired, or a deposed leader refuses it; what it sends again may have been appended all the same. And a log that
//! is opened again knows a producer by the batches that it has: what was deleted may be written once more.

use super::TopicEnd;
use super::anomaly::Anomaly;
use super::places::Place;
use crate::findings::{Findings, Found};
use crate::promise::Promise;
use crate::settings::Setting;
use klab_machine::Value;
use klab_wire::TopicPartition;

/// Asks of all places of one topic, in the order of values, whether a value stands at two of them.
pub(super) fn judge(topic: &TopicEnd, findings: &mut Findings) {
    let records = topic.places.iter().map(|place| place.count).sum();
    findings.kept(Promise::NoDuplicates, records);
    findings.looked_for(Anomaly::Duplicate, records);
    // All earlier places that still reach beyond the current first value: one, unless there are duplicates.
    let mut reaching: Vec<Place> = Vec::new();
    for place in topic.places {
        reaching.retain(|earlier| earlier.end() > place.first_value);
        for earlier in reaching.iter().filter(|earlier| !earlier.is_in_line_with(place)) {
            report(topic, earlier, place, findings);
        }
        reaching.push(*place);
    }
}

fn report(topic: &TopicEnd, one: &Place, other: &Place, findings: &mut Findings) {
    let name = other.name_in(topic.history);
    let value = other.first_value;
    let found = Found {
        anomaly: Anomaly::Duplicate,
        at: topic.end,
        partition: &name,
        records: one.end().min(other.end()) - value,
        permitted_by: permitted(topic, one, other, &name),
    };
    findings.found(found, || {
        let of_other = match one.partition == other.partition {
            true => String::new(),
            false => format!(" of partition {}", one.partition),
        };
        let what = format!(
            "value {} stands at offset {}{of_other} and at offset {}",
            Value(value),
            one.offset_of(value),
            other.offset
        );
        let witnesses = [one, other].into_iter().filter_map(|place| topic.witness(place, value));
        (what, topic.with_fault(witnesses))
    });
}

fn permitted(
    topic: &TopicEnd,
    earlier: &Place,
    place: &Place,
    name: &TopicPartition,
) -> Option<Setting> {
    let permits = topic.permits(name);
    let writer = topic.writers.writer_of(place.first_value)?;
    let producer = permits.producer(writer);
    if !producer.idempotence {
        return Some(Setting::NoIdempotence);
    }
    if earlier.partition != place.partition {
        return permits.of_partition();
    }
    let first = earlier.offset_of(place.first_value);
    if permits.may_send_again(writer, first, place.offset) {
        return Some(Setting::NewProducerEpoch);
    }
    if permits.picture.is_some_and(|partition| partition.opened_between(first, place.offset)) {
        return Some(Setting::RecordsDeleted);
    }
    let forgotten = permits.picture.is_some_and(|partition| {
        let at = |offset| partition.copies.claimants(offset).next();
        at(first).zip(at(place.offset)).is_some_and(|(a, b)| partition.forgot_between(a, b))
    });
    let repeated = forgotten && producer.max_in_flight > 1;
    let repeated = repeated.then_some(Setting::MaxInFlight(producer.max_in_flight));
    repeated.or_else(|| permits.of_partition())
}
