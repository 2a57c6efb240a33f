//! A producer against a hostile network, many times over: what it was told must be true of the logs.

use crate::testing::{Asked, Bench, Cluster};
use crate::{Keys, Partitioning, Producer, ProducerSetup, ProducerWorkload};
use klab_machine::random::{Stream, stream};
use klab_machine::{OperationId, Outcome};
use klab_wire::config::{CommonClientConfig, ProducerConfig};
use klab_wire::{
    BatchProducer, ErrorCode, InitProducerIdResponse, NodeId, Offset, PartitionProduceResponse,
    Payload, ProduceResponse, ProducerEpoch, ProducerId, RecordBatch, Request, Response, Sequence,
    Span,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A partition's log, with the producer state of `ProducerStateManager`.
#[derive(Default)]
struct Log {
    values: Vec<u64>,
    epoch: Option<ProducerEpoch>,
    /// The last five batches: first and last sequence, and offset.
    last: VecDeque<(Sequence, Sequence, u64)>,
}

impl Log {
    fn append(&mut self, batch: &RecordBatch) -> Result<u64, ErrorCode> {
        if let Some(producer) = batch.producer {
            if let Some(offset) = self.check(producer, batch)? {
                return Ok(offset);
            }
            let last = batch.last_sequence().expect("a numbered batch");
            let base = producer.base_sequence.expect("a numbered batch");
            self.last.push_back((base, last, self.values.len() as u64));
            if self.last.len() > 5 {
                self.last.pop_front();
            }
        }
        let offset = self.values.len() as u64;
        self.values.extend(batch.iter().map(|record| match record.value {
            Some(Payload::Number { number, .. }) => number,
            other => panic!("not a number: {other:?}"),
        }));
        Ok(offset)
    }

    /// The offset of a batch that is here already; an error for one that does not follow.
    fn check(&mut self, at: BatchProducer, batch: &RecordBatch) -> Result<Option<u64>, ErrorCode> {
        let base = at.base_sequence.expect("a numbered batch");
        if self.epoch.is_some_and(|epoch| at.epoch < epoch) {
            return Err(ErrorCode::InvalidProducerEpoch);
        }
        if self.epoch != Some(at.epoch) {
            if base != Sequence(0) && self.epoch.is_some() {
                return Err(ErrorCode::OutOfOrderSequenceNumber);
            }
            self.epoch = Some(at.epoch);
            self.last.clear();
            return Ok(None);
        }
        let last = batch.last_sequence();
        let same = self.last.iter().find(|known| known.0 == base && Some(known.1) == last);
        match (same, self.last.back()) {
            (Some(known), _) => Ok(Some(known.2)),
            (None, Some(newest)) if newest.1.plus(1) == base => Ok(None),
            _ => Err(ErrorCode::OutOfOrderSequenceNumber),
        }
    }
}

struct Soak {
    bench: Bench<Producer>,
    logs: BTreeMap<u32, Log>,
    dice: Stream,
    /// Requests that were lost on their way and arrive all the same, later.
    zombies: Vec<Asked>,
}

impl Soak {
    fn new(seed: u64, config: ProducerConfig) -> Self {
        let workload = ProducerWorkload {
            topics: vec!["t".into()],
            interval: Span::from_millis(7),
            burst: 3,
            records: Some(900),
            keys: Keys::Uniform { count: 20 },
            partitioning: Partitioning::Default,
            ..ProducerWorkload::default()
        };
        let setup = ProducerSetup { config, bootstrap: vec![NodeId::broker(1)], workload };
        let leaders = vec![(Some(1), 0), (Some(2), 0), (Some(1), 0)];
        let cluster = Cluster { leaders, ..Cluster::of(3) };
        Soak {
            bench: Bench::boot(NodeId::producer(1), setup, cluster),
            logs: BTreeMap::new(),
            dice: stream(seed, "soak", []),
            zombies: Vec::new(),
        }
    }

    fn append(&mut self, asked: &Asked) -> Response {
        let Request::Produce(request) = &asked.request else { panic!("{asked:?}") };
        let mut responses = Vec::new();
        for data in &request.data {
            let log = self.logs.entry(data.partition.partition.0).or_default();
            let result = log.append(&data.batch);
            responses.push(PartitionProduceResponse {
                partition: data.partition.clone(),
                error: result.err().unwrap_or_default(),
                base_offset: result.ok().map(Offset),
                log_append_time: None,
                log_start_offset: Some(Offset(0)),
                current_leader: None,
            });
        }
        Response::Produce(Box::new(ProduceResponse { responses, throttle: Span::ZERO }))
    }

    fn with_error(response: Response, error: ErrorCode) -> Response {
        let Response::Produce(mut response) = response else { panic!("{response:?}") };
        for answer in &mut response.responses {
            (answer.error, answer.base_offset) = (error, None);
        }
        Response::Produce(response)
    }

    /// One request meets its fate.
    fn meet(&mut self, asked: Asked, hostile: bool) {
        if let Request::InitProducerId(_) = asked.request {
            let producer = Some((ProducerId(1), ProducerEpoch(0)));
            let response = InitProducerIdResponse { error: ErrorCode::None, producer };
            return self.bench.answer(&asked, Response::InitProducerId(Box::new(response)));
        }
        match if hostile { self.dice.below(20) } else { 20 } {
            0 => {
                self.append(&asked);
                self.bench.disconnect(&asked);
            }
            1 => self.bench.disconnect(&asked),
            2 => {
                self.bench.disconnect(&asked);
                self.zombies.push(asked);
            }
            3 => {
                let response = self.append(&asked);
                let error = ErrorCode::NotEnoughReplicasAfterAppend;
                self.bench.answer(&asked, Self::with_error(response, error));
            }
            4 => {
                let Request::Produce(request) = &asked.request else { panic!("{asked:?}") };
                let refused = request.data.iter().map(|data| PartitionProduceResponse {
                    partition: data.partition.clone(),
                    error: ErrorCode::NotEnoughReplicas,
                    base_offset: None,
                    log_append_time: None,
                    log_start_offset: None,
                    current_leader: None,
                });
                let responses = refused.collect();
                let response = ProduceResponse { responses, throttle: Span::ZERO };
                self.bench.answer(&asked, Response::Produce(Box::new(response)));
            }
            // It is appended, and the answer never comes.
            5 => drop(self.append(&asked)),
            _ => {
                let response = self.append(&asked);
                self.bench.answer(&asked, response);
            }
        }
    }

    /// The oldest request of each connection is handled, as brokers do.
    fn round(&mut self, hostile: bool) {
        while let Some(asked) = self.bench.take_next() {
            self.meet(asked, hostile);
        }
        if !self.zombies.is_empty() && self.dice.below(10) == 0 {
            let zombie = self.zombies.remove(0);
            self.append(&zombie);
        }
        self.bench.run_for_millis(5);
    }

    fn run(mut self) -> (BTreeMap<u32, Log>, Vec<(OperationId, Outcome)>) {
        (0..600).for_each(|_| self.round(true));
        (0..2000).for_each(|_| self.round(false));
        let outcomes = self.bench.outcomes();
        assert_eq!(outcomes.len(), 900, "every call ends");
        (self.logs, outcomes)
    }
}

fn config() -> ProducerConfig {
    ProducerConfig {
        common: CommonClientConfig {
            request_timeout_ms: Span::from_millis(300),
            ..Default::default()
        },
        delivery_timeout_ms: Span::from_millis(1_000),
        ..ProducerConfig::default()
    }
}

/// What every producer is promised: what was acknowledged is there, what failed is not.
fn check_outcomes(logs: &BTreeMap<u32, Log>, outcomes: &[(OperationId, Outcome)]) {
    let written: BTreeSet<u64> = logs.values().flat_map(|log| log.values.iter().copied()).collect();
    for (OperationId(value), outcome) in outcomes {
        match outcome {
            Outcome::Sent { partition, offset: Some(offset) } => {
                let log = &logs[&partition.partition.0];
                assert_eq!(log.values.get(offset.0 as usize), Some(value), "{outcome}");
            }
            Outcome::Sent { .. } => assert!(written.contains(value), "{value} {outcome}"),
            Outcome::Failed(_) => assert!(!written.contains(value), "{value} {outcome}"),
            Outcome::Unknown(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_idempotent_producer_writes_every_record_at_most_once_and_in_order() {
    let (mut bumped, mut unknown) = (0, 0);
    for seed in 0..60 {
        let (logs, outcomes) = Soak::new(seed, config()).run();
        check_outcomes(&logs, &outcomes);
        for log in logs.values() {
            assert!(log.values.is_sorted_by(|a, b| a < b), "seed {seed}");
            bumped += u32::from(log.epoch > Some(ProducerEpoch(0)));
        }
        let is_unknown = |(_, outcome): &&(_, _)| matches!(outcome, Outcome::Unknown(_));
        unknown += outcomes.iter().filter(is_unknown).count();
    }
    assert!(bumped > 0 && unknown > 0, "the soak is too gentle: {bumped} {unknown}");
}

#[test]
fn without_idempotence_records_are_written_twice_and_out_of_order_but_never_lied_about() {
    let (mut duplicates, mut disorder) = (0, 0);
    for seed in 0..20 {
        let config = ProducerConfig { enable_idempotence: false, ..config() };
        let (logs, outcomes) = Soak::new(seed, config).run();
        check_outcomes(&logs, &outcomes);
        for log in logs.values() {
            let distinct: BTreeSet<u64> = log.values.iter().copied().collect();
            duplicates += log.values.len() - distinct.len();
            disorder += log.values.windows(2).filter(|pair| pair[0] > pair[1]).count();
        }
    }
    assert!(duplicates > 0 && disorder > 0, "{duplicates} {disorder}");
}
