//! The trace says everything a reader needs to follow one record from send to acknowledgement and on to
//! a consumer.

use klab::machine::fact::{ClientFact, LogFact, ReplicationFact};
use klab::machine::trace::{Entry, What};
use klab::machine::{Call, Fact, Operation, OperationId, Outcome};
use klab::wire::{NodeId, Offset, TopicPartition};
use klab::{Experiment, Hosting};

fn trace() -> Vec<Entry> {
    let scenario = include_str!("../scenarios/first-failover.toml");
    let experiment =
        Experiment::parse("first-failover.toml", scenario, Some(1)).expect("it is legal");
    let mut entries = Vec::new();
    experiment.run(Hosting::Bare, |entry| entries.push(entry.clone()));
    entries
}

/// A send that was acknowledged: who called it, its number, its value, and where the record is.
struct Sent {
    client: NodeId,
    id: OperationId,
    value: u64,
    partition: TopicPartition,
    offset: Offset,
}

/// The 50th acknowledged send: the cluster has settled, and no fault has happened yet.
fn sent(trace: &[Entry]) -> Sent {
    let ended = |entry: &Entry| match &entry.what {
        What::Operation(Operation::Ended {
            id,
            outcome: Outcome::Sent { partition, offset: Some(offset) },
        }) => Some((entry.node, *id, partition.clone(), *offset)),
        _ => None,
    };
    let (client, id, partition, offset) =
        trace.iter().filter_map(ended).nth(50).expect("records are acknowledged");
    let value = trace.iter().find_map(|entry| match &entry.what {
        What::Operation(Operation::Began { id: other, call: Call::Send { first_value, .. } })
            if entry.node == client && *other == id =>
        {
            Some(*first_value)
        }
        _ => None,
    });
    Sent { client, id, value: value.expect("every call begins"), partition, offset }
}

/// Where in the trace this first happens.
fn first(trace: &[Entry], what: &str, happens: impl Fn(&Entry) -> bool) -> usize {
    trace.iter().position(happens).unwrap_or_else(|| panic!("the trace does not say: {what}"))
}

fn fact(entry: &Entry) -> Option<&Fact> {
    match &entry.what {
        What::Fact(fact) => Some(fact),
        _ => None,
    }
}

#[test]
fn a_record_can_be_followed_from_send_to_acknowledgement() {
    let trace = trace();
    let Sent { client, id, value, partition, offset } = sent(&trace);
    let covers = |base: &Offset, last: &Offset| (*base..=*last).contains(&offset);
    let appended = |by_leader: bool| {
        let partition = partition.clone();
        move |entry: &Entry| {
            matches!(fact(entry), Some(Fact::Log(LogFact::BatchAppended { partition: at, base, last, as_leader, .. }))
                if *at == partition && covers(base, last) && *as_leader == by_leader)
        }
    };
    let steps = [
        first(&trace, "the application calls send", |entry| {
            matches!(&entry.what, What::Operation(Operation::Began { id: other, .. })
                if entry.node == client && *other == id)
        }),
        first(&trace, "the leader appends it", appended(true)),
        first(&trace, "a follower appends it", appended(false)),
        first(&trace, "the leader knows that a follower has it", |entry| {
            matches!(fact(entry), Some(Fact::Replication(ReplicationFact::FollowerFetched { partition: at, end, .. }))
                if *at == partition && *end > offset)
        }),
        first(&trace, "it is committed", |entry| {
            matches!(fact(entry), Some(Fact::Replication(ReplicationFact::HighWatermarkAdvanced { partition: at, to, .. }))
                if *at == partition && *to > offset)
        }),
        first(&trace, "the leader answers", |entry| {
            matches!(fact(entry), Some(Fact::Replication(ReplicationFact::ProduceAnswered { partition: at, base: Some(base), last: Some(last), .. }))
                if *at == partition && covers(base, last))
        }),
        first(&trace, "the producer takes note", |entry| {
            matches!(fact(entry), Some(Fact::Client(ClientFact::BatchAcknowledged { partition: at, base: Some(base), records }))
                if *at == partition && *base <= offset && offset < base.plus(u64::from(*records)))
        }),
        first(&trace, "the application is told", |entry| {
            matches!(&entry.what, What::Operation(Operation::Ended { id: other, .. })
                if entry.node == client && *other == id)
        }),
    ];
    assert!(steps.is_sorted(), "the steps come in their order: {steps:?}");
    let polled = first(&trace, "a consumer gets it", |entry| {
        let What::Operation(Operation::Ended { outcome: Outcome::Polled(polled), .. }) =
            &entry.what
        else {
            return false;
        };
        polled.iter().filter(|records| records.partition == partition).any(|records| {
            records.ranges.iter().any(|range| {
                let place = offset.since(range.offset);
                range.offset <= offset
                    && place < u64::from(range.count)
                    && range.first_value + place == value
            })
        })
    });
    assert!(polled > steps[4], "a consumer sees it only once it is committed");
}
