//! From a scenario's `[[producer]]` and `[[consumer]]` to what a client process is started with.

use crate::deployment::bootstrap;
use klab_client::{
    Assignment, ConsumerSetup, Keys, Partitioning, ProducedTopic, ProducerSetup, ProducerWorkload,
};
use klab_scenario::producer::Partitioner;
use klab_scenario::{
    Act, Administration, Consumer, Load, Position, Producer, Rate, Scenario, Skew,
};
use klab_wire::{Offset, OffsetSpec, Span, Timestamp, TopicName, TopicPartition};

/// Sends closer together than this go out as one burst.
const SHORTEST_INTERVAL: Span = Span::from_millis(1);
/// The same where computing takes time, and a burst would be felt.
const FINEST_INTERVAL: Span = Span::from_micros(100);
/// How long a consuming application pauses between two polls.
const POLL_INTERVAL: Span = Span::ZERO;

/// A producer's process that starts `at` this time of the run.
pub(crate) fn producer_setup(scenario: &Scenario, producer: &Producer, at: Span) -> ProducerSetup {
    let mut config = producer.resolved_config(scenario.kafka.release);
    config.partitioner_ignore_keys |= producer.partitioner == Partitioner::Sticky;
    ProducerSetup {
        config,
        bootstrap: bootstrap(scenario),
        workload: workload(scenario, producer, at),
    }
}

/// The process of the consumer at this place among those of its kind.
pub(crate) fn consumer_setup(
    scenario: &Scenario,
    consumer: &Consumer,
    place: u16,
) -> ConsumerSetup {
    ConsumerSetup {
        config: consumer.resolved_config(scenario.kafka.release),
        bootstrap: bootstrap(scenario),
        assignment: assignment(scenario, consumer, place),
        from: consumer.from.and_then(offset_spec),
        processing: consumer.processing_time,
        poll_interval: POLL_INTERVAL,
    }
}

/// The offset at which a consumer starts, if it is told one, and in which partitions: it seeks there.
pub(crate) fn first_seeks(
    scenario: &Scenario,
    consumer: &Consumer,
    place: u16,
) -> Vec<(TopicPartition, Offset)> {
    match consumer.from {
        Some(Position::Offset(offset)) => {
            dealt(scenario, consumer, place).map(|partition| (partition, offset)).collect()
        }
        _ => Vec::new(),
    }
}

/// What a position is looked up by; an offset is sought without that.
pub(crate) fn offset_spec(position: Position) -> Option<OffsetSpec> {
    match position {
        Position::Earliest => Some(OffsetSpec::Earliest),
        Position::Latest => Some(OffsetSpec::Latest),
        Position::Time(span) => {
            let at = Timestamp(Timestamp::START.0 + span.as_millis() as i64);
            Some(OffsetSpec::At(at))
        }
        Position::Offset(_) => None,
    }
}

fn workload(scenario: &Scenario, producer: &Producer, at: Span) -> ProducerWorkload {
    let hardware = &scenario.hardware;
    let in_turn = hardware.producer_record_ns > 0;
    let at_a_time = match in_turn {
        true => (FINEST_INTERVAL.0 / 2 / hardware.producer_record_ns).clamp(1, 1_000) as u32,
        false => u32::MAX,
    };
    let shortest = if in_turn { FINEST_INTERVAL } else { SHORTEST_INTERVAL };
    let (interval, burst) = match producer.rate {
        Load::Rate(rate) => pace(rate, producer.burst_every.unwrap_or(shortest)),
        Load::Max => (Span::ZERO, at_a_time),
    };
    let stop = producer.stop.unwrap_or(scenario.run_for).min(scenario.run_for);
    ProducerWorkload {
        topics: producer.topics.iter().map(|topic| produced(scenario, topic)).collect(),
        start: Span::ZERO,
        interval,
        burst,
        records: producer.records,
        stop: Some(stop.saturating_sub(at)),
        keys: producer.keys.map_or(Keys::None, keys),
        value_size: producer.record_size.try_into().unwrap_or(u32::MAX),
        partitioning: partitioning(producer.partitioner),
        counted: (burst > 1 || in_turn) && producer.keys.is_none(),
        in_turn,
        at_a_time,
    }
}

/// How often to send, and how many records at a time: not more often than after the shortest interval.
fn pace(rate: Rate, shortest: Span) -> (Span, u32) {
    let per_record = rate.per.divided_by(rate.count);
    if per_record >= shortest {
        return (per_record, 1);
    }
    let burst = shortest.times(rate.count).0.div_ceil(rate.per.0).max(1);
    (rate.per.times(burst).divided_by(rate.count), burst.try_into().unwrap_or(u32::MAX))
}

fn produced(scenario: &Scenario, name: &TopicName) -> ProducedTopic {
    let ratio = topics(scenario).find(|topic| topic.name == *name);
    let permille = ratio.map_or(1_000, |topic| topic.compression_ratio_ppm / 1_000);
    ProducedTopic { name: name.clone(), compressed_permille: permille }
}

/// Every topic that the scenario ever creates.
fn topics(scenario: &Scenario) -> impl Iterator<Item = &klab_scenario::Topic> {
    let created = scenario.acts.iter().filter_map(|at| match &at.act {
        Act::Administer(Administration::CreateTopic(topic)) => Some(topic),
        _ => None,
    });
    scenario.topics.iter().chain(created)
}

fn keys(keys: klab_scenario::Keys) -> Keys {
    match keys.skew {
        Skew::Uniform => Keys::Uniform { count: keys.count },
        Skew::Zipf => Keys::Zipf {
            count: keys.count.try_into().unwrap_or(u32::MAX),
            exponent_permille: 1_000,
        },
    }
}

fn partitioning(partitioner: Partitioner) -> Partitioning {
    match partitioner {
        Partitioner::Default | Partitioner::Sticky => Partitioning::Default,
        Partitioner::RoundRobin => Partitioning::RoundRobin,
        Partitioner::Partition { partition } => Partitioning::Explicit(partition),
    }
}

/// A consumer that is alone, and is told no offset, learns a topic's partitions by itself.
fn assignment(scenario: &Scenario, consumer: &Consumer, place: u16) -> Assignment {
    let is_told = matches!(consumer.from, Some(Position::Offset(_)));
    match &consumer.assignment {
        klab_scenario::Assignment::Topics(names) if consumer.count == 1 && !is_told => {
            Assignment::Topics(names.clone())
        }
        _ => Assignment::Partitions(dealt(scenario, consumer, place).collect()),
    }
}

/// Several consumers of a kind share what they read: partitions are dealt out in turn.
fn dealt(
    scenario: &Scenario,
    consumer: &Consumer,
    place: u16,
) -> impl Iterator<Item = TopicPartition> {
    let all: Vec<TopicPartition> = match &consumer.assignment {
        klab_scenario::Assignment::Topics(names) => {
            names.iter().flat_map(|name| partitions_of(scenario, name)).collect()
        }
        klab_scenario::Assignment::Partitions(partitions) => partitions.clone(),
    };
    all.into_iter().skip(usize::from(place)).step_by(usize::from(consumer.count))
}

fn partitions_of(scenario: &Scenario, name: &TopicName) -> impl Iterator<Item = TopicPartition> {
    let count =
        topics(scenario).find(|topic| topic.name == *name).map_or(0, |topic| topic.partitions);
    let name = name.clone();
    (0..count).map(move |index| TopicPartition::new(name.clone(), index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_senders_send_in_bursts_and_keep_their_rate() {
        let rate = |count, per| pace(Rate { count, per }, SHORTEST_INTERVAL);
        assert_eq!(rate(200, Span::from_secs(1)), (Span::from_millis(5), 1));
        assert_eq!(rate(1_000, Span::from_secs(1)), (Span::from_millis(1), 1));
        assert_eq!(rate(100_000, Span::from_secs(1)), (Span::from_millis(1), 100));
        assert_eq!(rate(1_500, Span::from_secs(1)), (Span(1_333_333), 2));
        assert_eq!(rate(1, Span::from_secs(60)), (Span::from_secs(60), 1));
    }
}
