//! The history of client calls, and what is judged from it when it is complete.
//!
//! As in Jepsen's Kafka checker, the evidence for what stands at an offset is every poll and every
//! acknowledged send. Everything is kept as ranges of consecutive offsets with consecutive values, so that
//! a counted batch of a thousand records costs as much as one record. Judging takes one sort and one pass.

mod duplicates;
mod durability;
mod liveness;
mod order;
mod provenance;
mod reads;

use crate::calls::Calls;
use crate::findings::{Breach, Finding, Findings};
use crate::judge::End;
use crate::picture::Cluster;
use crate::promise::Promise;
use crate::verdict::Moment;
use durability::Durability;
use klab_machine::fact::ClientFact;
use klab_machine::operation::{Call, Operation, OperationId, Outcome, PolledRecords, RecordRange};
use klab_wire::{NodeId, Offset, PartitionId, Time, TopicName, TopicPartition};
use provenance::{Place, Writers};
use reads::{Conflict, Reads};
use std::collections::BTreeMap;

/// All calls so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    clients: BTreeMap<NodeId, Client>,
    names: BTreeMap<TopicName, u32>,
    topics: Vec<TopicHistory>,
    /// The topic that was asked for last: it nearly always is the next one too.
    latest: u32,
    /// Topics that were deleted: what clients began before this is not about what the name means now.
    afresh: BTreeMap<TopicName, Time>,
    healed: Option<Time>,
    ended: u64,
}

#[derive(Clone, Debug, Default)]
struct Client {
    pending: Calls<Pending>,
    /// All that it ever sent, in that order.
    sends: Vec<Send>,
}

/// A call that has not ended.
#[derive(Clone, Debug)]
struct Pending {
    at: Moment,
    /// Which of its client's sends it is, if it is one.
    send: Option<u32>,
}

/// What happened to one topic.
#[derive(Clone, Debug)]
struct TopicHistory {
    name: TopicName,
    /// The values that each client had sent to a deleted topic of this name, from the first to the last. A
    /// consumer may still have some of them in its buffer.
    over: BTreeMap<NodeId, (u64, u64)>,
    partitions: Vec<PartitionHistory>,
}

/// A send, and what is known of it.
#[derive(Clone, Copy, Debug)]
struct Send {
    /// The index of its topic.
    topic: u32,
    first_value: u64,
    count: u32,
    client: NodeId,
    fate: Fate,
    /// It had to wait for memory or metadata: calls after it need not have waited for it.
    waited: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It happened, or may have happened, or may still.
    Possible,
    /// It has certainly not happened.
    Failed,
}

/// What happened to one partition.
#[derive(Clone, Debug, Default)]
struct PartitionHistory {
    acks: Vec<Ack>,
    reads: Reads,
    readers: Vec<Reader>,
    /// Offsets that a reader passed over.
    gaps: Vec<Gap>,
    conflicts: Vec<Conflict>,
}

/// An acknowledged send.
#[derive(Clone, Copy, Debug)]
struct Ack {
    offset: Offset,
    first_value: u64,
    count: u32,
    client: NodeId,
    /// Which send of its client it was.
    order: u32,
    waited: bool,
    at: Moment,
}

/// A consumer of a partition, and the offset it must see next; none after a seek or reset.
#[derive(Clone, Copy, Debug)]
struct Reader {
    node: NodeId,
    next: Option<Offset>,
}

/// Offsets that a poll passed over.
#[derive(Clone, Copy, Debug)]
struct Gap {
    at: Moment,
    from: Offset,
    to: Offset,
}

impl History {
    pub(crate) fn watch(&mut self, at: Moment, operation: &Operation, findings: &mut Findings) {
        match operation {
            Operation::Began { id, call } => self.begin(at, *id, call),
            Operation::Ended { id, outcome } => self.end(at, *id, outcome, findings),
        }
    }

    pub(crate) fn watch_client(&mut self, at: Moment, fact: &ClientFact) {
        match fact {
            ClientFact::PositionReset { partition, .. }
            | ClientFact::PositionOutOfRange { partition, .. }
            | ClientFact::LogTruncationDetected { partition, .. } => {
                self.partition(partition).reader(at.node).next = None;
            }
            ClientFact::SendBlocked { .. } => self.let_wait(at),
            _ => {}
        }
    }

    /// The send that began in this step waits.
    fn let_wait(&mut self, at: Moment) {
        let Some(client) = self.clients.get_mut(&at.node) else { return };
        let latest = client.pending.latest().filter(|latest| latest.at == at);
        if let Some(send) = latest.and_then(|latest| latest.send) {
            client.sends[send as usize].waited = true;
        }
    }

    /// A consumer that starts again goes on from where it likes.
    pub(crate) fn restart(&mut self, node: NodeId) {
        let partitions = self.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        let readers = partitions.flat_map(|partition| &mut partition.readers);
        readers.filter(|reader| reader.node == node).for_each(|reader| reader.next = None);
    }

    /// A client died: its calls never end, and what they sent may have happened.
    pub(crate) fn abandon(&mut self, node: NodeId) {
        if let Some(client) = self.clients.get_mut(&node) {
            client.pending.abandon();
        }
    }

    pub(crate) fn heal(&mut self, time: Time) {
        self.healed = Some(time);
    }

    /// A topic was deleted, and what happened to it is not to be judged. Its values were sent all the same.
    pub(crate) fn forget(&mut self, topic: &TopicName) {
        self.topic(topic).partitions.clear();
        self.afresh.insert(topic.clone(), Time::MAX);
    }

    /// Another topic of that name exists, and nothing is left of the deleted one.
    pub(crate) fn begin_afresh(&mut self, topic: &TopicName, time: Time) {
        if let Some(begin) = self.afresh.get_mut(topic) {
            *begin = time;
            self.let_go(topic);
        }
    }

    /// What was sent so far was sent to the topic that is no more.
    fn let_go(&mut self, topic: &TopicName) {
        let index = self.index(topic);
        let sends = self.sends(index);
        let history = &mut self.topics[index as usize];
        for send in sends {
            let (first, end) = history.over.entry(send.client).or_insert((send.first_value, 0));
            *first = send.first_value.min(*first);
            *end = (send.first_value + u64::from(send.count)).max(*end);
        }
    }

    /// Whether a call that began at this time is about a topic that was deleted.
    fn is_over(&self, topic: &TopicName, began: Time) -> bool {
        self.afresh.get(topic).is_some_and(|begin| began < *begin)
    }

    fn begin(&mut self, at: Moment, id: OperationId, call: &Call) {
        let send = match call {
            Call::Send { topic, first_value, count, .. } => {
                let (topic, client) = (self.index(topic), at.node);
                let (first_value, count, fate) = (*first_value, *count, Fate::Possible);
                Some(Send { topic, first_value, count, client, fate, waited: false })
            }
            Call::Poll | Call::Administer { .. } => None,
            Call::Seek { partition } => {
                self.partition(partition).reader(at.node).next = None;
                None
            }
        };
        let client = self.clients.entry(at.node).or_default();
        let index = send.is_some().then_some(client.sends.len() as u32);
        client.sends.extend(send);
        client.pending.begin(id, Pending { at, send: index });
    }

    fn end(&mut self, at: Moment, id: OperationId, outcome: &Outcome, findings: &mut Findings) {
        self.ended += 1;
        let client = self.clients.entry(at.node).or_default();
        let Some(Pending { at: began, send: index }) = client.pending.end(id) else { return };
        let send = index.map(|index| (index, &mut client.sends[index as usize]));
        match (outcome, send) {
            (Outcome::Polled(polled), _) => {
                for records in polled {
                    if !self.is_over(&records.partition.topic, began.time) {
                        self.poll(at, records, findings);
                    }
                }
            }
            (Outcome::Failed(_), Some((_, send))) => send.fate = Fate::Failed,
            (Outcome::Sent { partition, offset: Some(offset) }, Some((order, send))) => {
                let Send { first_value, count, client, waited, .. } = *send;
                let ack = Ack { offset: *offset, first_value, count, client, order, waited, at };
                if !self.is_over(&partition.topic, began.time) {
                    self.partition(partition).acks.push(ack);
                }
            }
            _ => {}
        }
    }

    fn poll(&mut self, at: Moment, records: &PolledRecords, findings: &mut Findings) {
        let name = &records.partition;
        let topic = self.topic(&name.topic);
        for range in &records.ranges {
            if topic.is_over(range.first_value) {
                topic.partition(name.partition).reader(at.node).next = None;
                continue;
            }
            let partition = topic.partition(name.partition);
            if let Some(finding) = partition.read(at, range) {
                findings.note(Promise::PerPartitionOrder, at, Some(name), finding);
            }
        }
    }

    fn topic(&mut self, name: &TopicName) -> &mut TopicHistory {
        let index = self.index(name);
        &mut self.topics[index as usize]
    }

    /// The index of a topic, which has one from the first time that it is asked for.
    fn index(&mut self, name: &TopicName) -> u32 {
        let latest = self.topics.get(self.latest as usize);
        if latest.is_none_or(|latest| latest.name != *name) {
            self.latest = self.names.get(name).copied().unwrap_or_else(|| self.begin_topic(name));
        }
        self.latest
    }

    fn begin_topic(&mut self, name: &TopicName) -> u32 {
        let index = self.topics.len() as u32;
        self.names.insert(name.clone(), index);
        self.topics.push(TopicHistory {
            name: name.clone(),
            over: BTreeMap::new(),
            partitions: Vec::new(),
        });
        index
    }

    /// All that was sent to a topic, client by client.
    fn sends(&self, topic: u32) -> Vec<Send> {
        let sends = self.clients.values().flat_map(|client| &client.sends);
        sends.filter(|send| send.topic == topic).copied().collect()
    }

    fn partition(&mut self, name: &TopicPartition) -> &mut PartitionHistory {
        self.topic(&name.topic).partition(name.partition)
    }
}

impl TopicHistory {
    fn partition(&mut self, id: PartitionId) -> &mut PartitionHistory {
        let index = id.0 as usize;
        if self.partitions.len() <= index {
            self.partitions.resize_with(index + 1, PartitionHistory::default);
        }
        &mut self.partitions[index]
    }

    /// Whether a value was sent to a topic that is no more.
    fn is_over(&self, value: u64) -> bool {
        self.over.values().any(|(first, end)| (*first..*end).contains(&value))
    }
}

impl History {
    /// Judges the finished history.
    pub(crate) fn judge(mut self, cluster: &Cluster, end: &End, findings: &mut Findings) {
        liveness::judge(&self, end, findings);
        for index in std::mem::take(&mut self.names).into_values() {
            let writers = Writers::new(self.sends(index));
            let history = &mut self.topics[index as usize];
            judge_topic(history, &writers, cluster, end.time, findings);
        }
    }
}

fn judge_topic(
    history: &mut TopicHistory,
    writers: &Writers,
    cluster: &Cluster,
    end: Time,
    findings: &mut Findings,
) {
    let topic = &history.name;
    let mut places: Vec<Place> = provenance::places(history).collect();
    for (partition, index) in history.partitions.iter_mut().zip(0..) {
        let name = TopicPartition::new(topic.clone(), index);
        let durability = Durability::new(&name, cluster);
        let pieces = durability.pieces(partition, writers);
        durability.judge(&pieces, partition, findings);
        order::judge(&name, &pieces, &durability, cluster, findings);
        places.extend(pieces.iter().filter(|piece| piece.is_kept()).map(|piece| {
            let (offset, first_value, count) = piece.place();
            Place { partition: index, offset, first_value, count }
        }));
    }
    provenance::judge(history, writers, end, findings);
    duplicates::judge(topic, places, writers, cluster, end, findings);
}

impl PartitionHistory {
    fn reader(&mut self, node: NodeId) -> &mut Reader {
        let known = self.readers.iter().position(|reader| reader.node == node);
        let index = known.unwrap_or_else(|| {
            self.readers.push(Reader { node, next: None });
            self.readers.len() - 1
        });
        &mut self.readers[index]
    }

    /// A poll returned these. Tells whether it went on where the reader was, unless that is not known.
    fn read(&mut self, at: Moment, range: &RecordRange) -> Option<Finding> {
        let reader = self.reader(at.node);
        let expected = reader.next.replace(range.offset.plus(u64::from(range.count)));
        self.see(at, range);
        let expected = expected?;
        if range.offset > expected {
            self.gaps.push(Gap { at, from: expected, to: range.offset });
        }
        Some(match range.offset >= expected {
            true => Ok(()),
            false => Err(Breach::of(format!(
                "nonmonotonic-poll: {} read offset {} after {expected} was next",
                at.node, range.offset
            ))),
        })
    }

    fn see(&mut self, at: Moment, range: &RecordRange) {
        let conflict = self.reads.see(range.offset, range.first_value, range.count);
        self.conflicts.extend(conflict.map(|conflict| Conflict { at, ..conflict }));
    }
}

impl Ack {
    fn end(&self) -> Offset {
        self.offset.plus(u64::from(self.count))
    }

    fn value_at(&self, offset: Offset) -> u64 {
        self.first_value + offset.since(self.offset)
    }
}
