//! A history that was recorded elsewhere, event by event: a real cluster's, or one that a run has exported.
//!
//! There are no facts to ask: what a run's logs tell is not known, and settings decide what is permitted. An
//! event is Jepsen's: an operation is invoked, and ends well (`ok`), for certain not (`fail`), or nobody knows
//! how (`info`). It has one or more sends and polls. A completion that nothing invoked is a whole operation.
//!
//! Resolved sends are let go on the way: once everything that its process sent before has ended and somebody has
//! read it at its offset, nothing more is to be known of a send. What is kept of the rest is 24 bytes for each run
//! of consecutive values at consecutive offsets, 16 for each run of consecutive values of one process, and 56
//! for each poll of a partition, which a proof must be able to name.

use super::event::{Event, Micro, RecordedSettings, SendPart, Type, Wrong};
use super::partition::{Ack, Glimpse};
use super::{History, Send, unwritten_read};
use crate::calls::Calls;
use crate::findings::Findings;
use crate::judge::{Convergence, End};
use crate::picture::Cluster;
use crate::settings::Settings;
use crate::verdict::{AnomalyVerdict, Moment, Outcome, Status};
use klab_machine::operation::{OperationId, PolledRecords, RecordRange};
use klab_wire::{NodeId, Offset, Time, TopicPartition};
use serde::Serialize;
use std::collections::BTreeMap;

/// How many acknowledged sends of a partition are kept before the resolved ones are looked for.
pub(super) const SETTLE_AT: usize = 1 << 14;

/// What was found in a recorded history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryVerdict {
    /// As expected, violated, or vacuous.
    pub outcome: Outcome,
    /// What a process that judged it should exit with: 0, 1 or 2.
    pub exit_code: u8,
    /// How many operations ended well.
    pub ok: u64,
    /// How many certainly did not happen.
    pub failed: u64,
    /// How many may have happened: nobody knows, or they never ended.
    pub unknown: u64,
    /// How many records were acknowledged with their offset.
    pub acknowledged: u64,
    /// How many records were polled.
    pub polled: u64,
    /// Every anomaly, in the order of [`ANOMALIES`](crate::ANOMALIES).
    pub anomalies: Vec<AnomalyVerdict>,
}

/// Judges a recorded history.
#[derive(Clone, Debug)]
pub struct HistoryJudge {
    pub(super) cluster: Cluster,
    pub(super) history: History,
    pub(super) findings: Findings,
    pub(super) processes: BTreeMap<NodeId, Process>,
    last: Moment,
    tally: Tally,
    /// Acknowledgements until resolved ones are looked for again.
    pub(super) until_settled: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    ok: u64,
    failed: u64,
    unknown: u64,
    acknowledged: u64,
    polled: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Process {
    calls: Calls<Vec<Send>>,
    /// The operation without a number that has not ended.
    current: Option<OperationId>,
    /// How many operations without a number it has begun.
    begun: u64,
    sends: u32,
    assigned: Vec<TopicPartition>,
}

impl HistoryJudge {
    /// A judge who knows what is promised.
    pub fn new(settings: Settings, recorded: RecordedSettings) -> Self {
        let node = NodeId::consumer(0);
        HistoryJudge {
            cluster: Cluster::new(settings),
            history: History { recorded: Some(recorded), ..History::default() },
            findings: Findings::new(),
            processes: BTreeMap::new(),
            last: Moment { step: 0, time: Time::ZERO, node },
            tally: Tally::default(),
            until_settled: SETTLE_AT,
        }
    }

    /// Looks at one event; events come in the order in which they happened.
    ///
    /// # Errors
    ///
    /// It does not go together with what came before.
    pub fn watch(&mut self, event: Event) -> Result<(), Wrong> {
        self.last = event.at;
        if let Some(what) = event.fault() {
            self.history.faults.note(event.at, what);
            return Ok(());
        }
        match event.kind {
            Type::Invoke => self.invoke(&event),
            Type::Ok | Type::Fail | Type::Info => self.complete(event),
        }
    }

    /// Judges what can be judged only at the end, and sums up.
    ///
    /// # Errors
    ///
    /// A value was sent twice: then nothing that values tell can be judged.
    pub fn finish(mut self) -> Result<HistoryVerdict, Wrong> {
        let calls = self.processes.values().map(|process| process.calls.iter().count() as u64);
        self.tally.unknown += calls.sum::<u64>();
        let end = End { time: self.last.time, convergence: Convergence::NotAwaited };
        self.history.judge(&self.cluster, &end, &mut self.findings)?;
        let (_, anomalies) = self.findings.verdicts();
        let Tally { ok, failed, unknown, acknowledged, polled } = self.tally;
        let violated = anomalies.iter().any(|one| one.status == Status::Violated);
        let outcome = match (violated, acknowledged + polled) {
            (true, _) => Outcome::Violated,
            (false, 0) => Outcome::Vacuous,
            (false, _) => Outcome::AsExpected,
        };
        let exit_code = outcome.exit_code();
        Ok(HistoryVerdict {
            outcome,
            exit_code,
            ok,
            failed,
            unknown,
            acknowledged,
            polled,
            anomalies,
        })
    }

    fn invoke(&mut self, event: &Event) -> Result<(), Wrong> {
        let process = self.processes.entry(event.at.node).or_default();
        let id = match event.id {
            Some(id) => id,
            None if process.current.is_some() => {
                let sentence = "the process begins an operation before its last one has ended; if it \
                                has several at a time, give each an \"id\"";
                return Err(Wrong(sentence.into()));
            }
            None => process.begin_unnumbered(),
        };
        for part in event.sends() {
            let (topic, values) = (self.history.index(&part.partition.topic), part.values());
            let sent = &self.history.topics[topic as usize].sent;
            let (faults, findings) = (&self.history.faults, &mut self.findings);
            unwritten_read::judge_early(sent, event.at, values, faults, findings);
        }
        let sends = begin_sends(&mut self.history, process, event);
        process.calls.begin(id, sends);
        Ok(())
    }

    fn complete(&mut self, event: Event) -> Result<(), Wrong> {
        let process = self.processes.entry(event.at.node).or_default();
        let id = event.id.or_else(|| process.current.take());
        let sends = match id.and_then(|id| process.calls.end(id)) {
            Some(sends) => check(&self.history, sends, &event)?,
            None => begin_sends(&mut self.history, process, &event),
        };
        match event.kind {
            Type::Ok => self.tally.ok += 1,
            Type::Fail => self.tally.failed += 1,
            Type::Info | Type::Invoke => self.tally.unknown += 1,
        }
        self.complete_sends(&event, &sends);
        self.complete_polls(event);
        if self.until_settled == 0 {
            self.settle();
        }
        Ok(())
    }

    fn complete_sends(&mut self, event: &Event, sends: &[Send]) {
        let mut parts = event.sends();
        let mut before: Vec<(&TopicPartition, Ack)> = Vec::new();
        for send in sends {
            let place = parts.next().and_then(|part| Some((part.partition, part.offset?)));
            match (event.kind, place) {
                (Type::Fail, _) => {
                    let sent = &mut self.history.topics[send.topic as usize].sent;
                    sent.fail(event.at, send.first_value, send.count);
                }
                (Type::Ok, Some((name, offset))) => {
                    let ack = Ack { waited: event.waited, ..send.acked(event.at, offset) };
                    let earlier = before.iter().rev().find(|(other, _)| *other == name);
                    self.acknowledge(name, ack, earlier.map(|(_, ack)| *ack));
                    if sends.len() > 1 {
                        before.push((name, ack));
                    }
                }
                (Type::Info, Some((name, offset))) => {
                    let Send { first_value, count, .. } = *send;
                    let range = RecordRange { offset, first_value, count };
                    let glimpse = Glimpse { at: event.at, range, polled: false };
                    self.history.partition(name).glimpses.push(glimpse);
                }
                _ => {}
            }
        }
    }

    fn acknowledge(&mut self, name: &TopicPartition, ack: Ack, before: Option<Ack>) {
        self.tally.acknowledged += u64::from(ack.count);
        self.until_settled = self.until_settled.saturating_sub(1);
        let partition = self.history.partition(name);
        partition
            .apart
            .extend(before.filter(|before| before.end() < ack.offset).map(|before| [before, ack]));
        partition.acks.push(Ack { continues: before.is_some(), ..ack });
    }

    fn complete_polls(&mut self, event: Event) {
        let rebalanced = event.rebalanced;
        for micro in event.micros {
            match micro {
                Micro::Poll(polled) if event.kind == Type::Ok => {
                    self.poll(event.at, &polled, &rebalanced);
                }
                Micro::Poll(polled) => self.glimpse(event.at, &polled),
                Micro::Assign { partitions, seek_to_beginning } if event.kind == Type::Ok => {
                    self.assign(event.at.node, partitions, seek_to_beginning);
                }
                Micro::Seek(partitions) => {
                    for name in &partitions {
                        self.history.partition(name).reposition(event.at.node, None);
                    }
                }
                Micro::Delete { partition, below } if event.kind == Type::Ok => {
                    let deleted = &mut self.history.partition(&partition).deleted_below;
                    *deleted = below.max(*deleted);
                }
                Micro::Crash => self.crash(event.at.node),
                Micro::Delete { .. }
                | Micro::Send { .. }
                | Micro::Assign { .. }
                | Micro::Fault(_) => {}
            }
        }
    }

    fn poll(&mut self, at: Moment, polled: &[PolledRecords], rebalanced: &[TopicPartition]) {
        for records in polled {
            let name = &records.partition;
            let ranges = records.ranges.iter().map(|range| u64::from(range.count));
            self.tally.polled += ranges.sum::<u64>();
            if !rebalanced.contains(name) {
                self.history.poll(at, records, &mut self.findings);
                continue;
            }
            // Taken away and given back while the operation went on: it may go anywhere, at any record.
            for range in &records.ranges {
                self.history.partition(name).reposition(at.node, None);
                let one = PolledRecords { partition: name.clone(), ranges: [*range].into() };
                self.history.poll(at, &one, &mut self.findings);
            }
            self.history.partition(name).reposition(at.node, None);
        }
    }

    /// What a poll returned stood there, even if its operation has not ended well.
    fn glimpse(&mut self, at: Moment, polled: &[PolledRecords]) {
        for records in polled {
            let glimpses =
                records.ranges.iter().map(|range| Glimpse { at, range: *range, polled: true });
            self.history.partition(&records.partition).glimpses.extend(glimpses);
        }
    }

    /// What it had begun will never end.
    fn crash(&mut self, node: NodeId) {
        self.history.restart(node);
        let process = self.processes.entry(node).or_default();
        self.tally.unknown += process.calls.iter().count() as u64;
        process.calls.abandon();
        process.current = None;
    }

    /// As in Jepsen, a consumer goes on in the partitions that it keeps.
    fn assign(&mut self, node: NodeId, partitions: Vec<TopicPartition>, seek_to_beginning: bool) {
        let process = self.processes.entry(node).or_default();
        let before = std::mem::replace(&mut process.assigned, partitions.clone());
        for name in before.iter().filter(|name| !partitions.contains(name)) {
            self.history.partition(name).reposition(node, None);
        }
        for name in &partitions {
            if seek_to_beginning {
                self.history.partition(name).reposition(node, Some(Offset(0)));
            } else if !before.contains(name) {
                self.history.partition(name).reposition(node, None);
            }
        }
    }
}

/// The sends of an operation begin.
fn begin_sends(history: &mut History, process: &mut Process, event: &Event) -> Vec<Send> {
    let mut begin = |part: SendPart| {
        let SendPart { partition, first_value, count, .. } = part;
        let topic = history.index(&partition.topic);
        history.topics[topic as usize].sent.send(event.at.node, first_value, count);
        process.sends += 1;
        Send { topic, first_value, count, order: process.sends - 1, waited: false }
    };
    event.sends().map(&mut begin).collect()
}

/// A completion has the sends of its invocation, or does not repeat them.
fn check(history: &History, sends: Vec<Send>, event: &Event) -> Result<Vec<Send>, Wrong> {
    let is_of = |send: &Send, part: &SendPart| {
        let name = &history.topics[send.topic as usize].name;
        *name == part.partition.topic
            && (send.first_value, send.count) == (part.first_value, part.count)
    };
    let parts = event.sends().count();
    let same = sends.iter().zip(event.sends()).all(|(send, part)| is_of(send, &part));
    match parts == 0 || (parts == sends.len() && same) {
        true => Ok(sends),
        false => Err(Wrong(
            "the operation ends with other sends than it began with: topics, values and their order must be \
             the same"
                .into(),
        )),
    }
}

impl Process {
    fn begin_unnumbered(&mut self) -> OperationId {
        let id = OperationId(self.begun);
        self.begun += 1;
        self.current = Some(id);
        id
    }

    /// Everything that it sent before this has ended.
    pub(super) fn first_pending(&self) -> u32 {
        let pending = self.calls.iter();
        let first = pending.filter_map(|(_, sends)| sends.first()).map(|send| send.order).min();
        first.unwrap_or(self.sends)
    }
}
