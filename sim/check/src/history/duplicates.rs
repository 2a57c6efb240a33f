//! `no-duplicates`: no value stands at two places.
//!
//! Jepsen's `:duplicate` takes idempotence for granted; here a producer without it is permitted to write a
//! batch twice, because it repeats a request whose answer it did not get. With several requests in flight even
//! an idempotent one may, when the leader was started again in between: a snapshot of the producers' state has
//! only the last batch of each (`ProducerStateManager.writeSnapshot`), a repetition of an earlier one is refused
//! as out of order, and the client sends it under a new epoch (KIP-360).

use super::provenance::{Place, Writers};
use crate::findings::{Breach, Findings};
use crate::permit;
use crate::picture::Cluster;
use crate::promise::Promise;
use crate::settings::Setting;
use crate::verdict::Moment;
use klab_wire::{NodeId, Offset, Time, TopicName, TopicPartition};

/// Asks of all places of one topic whether a value stands at two of them.
pub(super) fn judge(
    topic: &TopicName,
    mut places: Vec<Place>,
    writers: &Writers,
    cluster: &Cluster,
    end: Time,
    findings: &mut Findings,
) {
    places.sort_by_key(|place| (place.first_value, place.partition, place.offset));
    // All earlier places that still reach beyond the current first value: one, unless there are duplicates.
    let mut reaching: Vec<Place> = Vec::new();
    for place in places {
        findings.kept(Promise::NoDuplicates, place.count);
        reaching.retain(|earlier| earlier.end() > place.first_value);
        for earlier in reaching.iter().filter(|earlier| !earlier.is_in_line_with(&place)) {
            let at = Moment { step: u64::MAX, time: end, node: NodeId::consumer(0) };
            let name = TopicPartition::new(topic.clone(), place.partition);
            let permitted = permitted(earlier, &place, &name, writers, cluster);
            let breach = breach(topic, earlier, &place).permitted(permitted);
            findings.broken(Promise::NoDuplicates, at, Some(&name), breach);
        }
        reaching.push(place);
    }
}

fn permitted(
    earlier: &Place,
    place: &Place,
    name: &TopicPartition,
    writers: &Writers,
    cluster: &Cluster,
) -> Option<Setting> {
    let value = place.first_value;
    let writer = writers.writer_of(value)?;
    let producer = cluster.settings.producer(writer);
    if !producer.idempotence {
        return Some(Setting::NoIdempotence);
    }
    let partition = cluster.partition(name)?;
    let at = |place: &Place| partition.copies.claimants(place.offset_of(value)).next();
    let forgotten = at(earlier).zip(at(place)).is_some_and(|(a, b)| partition.forgot_between(a, b));
    let forgotten = forgotten && earlier.partition == place.partition;
    let repeated = forgotten && producer.max_in_flight > 1;
    let repeated = repeated.then_some(Setting::MaxInFlight(producer.max_in_flight));
    repeated.or_else(|| permit::of_partition(partition))
}

fn breach(topic: &TopicName, one: &Place, other: &Place) -> Breach {
    let value = other.first_value;
    let records = one.end().min(other.end()) - value;
    let what = format!(
        "value {value} of {topic} stands at offset {} of partition {} and at offset {} of partition {}",
        one.offset_of(value),
        one.partition,
        other.offset,
        other.partition
    );
    Breach::of(what).about(records)
}

impl Place {
    fn end(&self) -> u64 {
        self.first_value + self.count
    }

    fn offset_of(&self, value: u64) -> Offset {
        self.offset.plus(value - self.first_value)
    }

    /// Whether a value that both have stands at one place: they are two looks at the same records.
    fn is_in_line_with(&self, later: &Place) -> bool {
        self.partition == later.partition && self.offset_of(later.first_value) == later.offset
    }
}
