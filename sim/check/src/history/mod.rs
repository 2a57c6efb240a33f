//! The history of client calls, and what is judged from it.
//!
//! As in Jepsen's Kafka checker, the evidence for what stands at an offset is every poll and every
//! acknowledged send. Everything is kept as ranges of consecutive offsets with consecutive values, so that
//! a counted batch of a thousand records costs as much as one record. What needs no other evidence is found
//! as polls return; the rest takes one sort and one pass at the end.
//!
//! `anomaly.rs` is the table of contents: each anomaly is a rule in a file of its name. The history of a run
//! comes as entries of its trace; one that was recorded elsewhere comes event by event (`recorded.rs`), and its
//! resolved sends are let go on the way.

mod aborted_read;
mod anomaly;
mod duplicate;
mod durability;
mod event;
mod faults;
mod inconsistent_offsets;
mod int_send_skip;
mod judged;
mod liveness;
mod lost_write;
mod nonmonotonic_poll;
mod nonmonotonic_send;
mod partition;
mod permits;
mod pieces;
mod places;
mod poll_skip;
mod reads;
mod recorded;
mod sent;
mod settle;
mod unseen;
mod unwritten_read;

pub use anomaly::{ANOMALIES, Anomaly, AnomalyInfo};
pub use event::{Event, Micro, RecordedSettings, Type, Wrong};
pub use faults::is_fault;
pub use recorded::{HistoryJudge, HistoryVerdict};

use crate::calls::Calls;
use crate::findings::Findings;
use crate::verdict::Moment;
use faults::Faults;
use judged::{Judged, TopicEnd};
use klab_machine::fact::ClientFact;
use klab_machine::operation::{Call, Operation, OperationId, Outcome, PolledRecords};
use klab_wire::{NodeId, Offset, PartitionId, Time, TopicName, TopicPartition};
use partition::{Ack, PartitionHistory};
use sent::Sent;
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
    pub(crate) faults: Faults,
    /// It was recorded elsewhere: no facts are known, no logs can be asked.
    recorded: Option<RecordedSettings>,
}

#[derive(Clone, Debug, Default)]
struct Client {
    pending: Calls<Pending>,
    /// How many sends it has begun.
    sends: u32,
}

/// A call that has not ended.
#[derive(Clone, Debug)]
struct Pending {
    at: Moment,
    send: Option<Send>,
}

/// A send that has not ended.
#[derive(Clone, Copy, Debug)]
struct Send {
    /// The index of its topic.
    topic: u32,
    first_value: u64,
    count: u32,
    /// Which send of its client it is.
    order: u32,
    /// It had to wait for memory or metadata: calls after it need not have waited for it.
    waited: bool,
}

/// What happened to one topic.
#[derive(Clone, Debug)]
struct TopicHistory {
    name: TopicName,
    sent: Sent,
    /// The values that each client had sent to a deleted topic of this name, from the first to the last. A
    /// consumer may still have some of them in its buffer.
    over: BTreeMap<NodeId, (u64, u64)>,
    partitions: Vec<PartitionHistory>,
}

impl History {
    pub(crate) fn watch(&mut self, at: Moment, operation: &Operation, findings: &mut Findings) {
        match operation {
            Operation::Began { id, call } => self.begin(at, *id, call, findings),
            Operation::Ended { id, outcome } => self.end(at, *id, outcome, findings),
        }
    }

    pub(crate) fn watch_client(&mut self, at: Moment, fact: &ClientFact) {
        match fact {
            ClientFact::PositionReset { partition, .. }
            | ClientFact::PositionOutOfRange { partition, .. }
            | ClientFact::LogTruncationDetected { partition, .. } => {
                self.partition(partition).reposition(at.node, None);
            }
            ClientFact::SendBlocked { .. } => self.let_wait(at),
            _ => {}
        }
    }

    /// The send that began in this step waits.
    fn let_wait(&mut self, at: Moment) {
        let Some(client) = self.clients.get_mut(&at.node) else { return };
        let latest = client.pending.latest_mut().filter(|latest| latest.at == at);
        if let Some(send) = latest.and_then(|latest| latest.send.as_mut()) {
            send.waited = true;
        }
    }

    /// A consumer that starts again goes on from where it likes.
    pub(crate) fn restart(&mut self, node: NodeId) {
        let partitions = self.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        partitions.for_each(|partition| partition.reposition_known(node));
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
        let history = self.topic(topic);
        for (client, (first, end)) in history.sent.extents() {
            let over = history.over.entry(client).or_insert((first, end));
            *over = (first.min(over.0), end.max(over.1));
        }
    }

    /// Whether a call that began at this time is about a topic that was deleted.
    fn is_over(&self, topic: &TopicName, began: Time) -> bool {
        self.afresh.get(topic).is_some_and(|begin| began < *begin)
    }

    fn begin(&mut self, at: Moment, id: OperationId, call: &Call, findings: &mut Findings) {
        let send = match call {
            Call::Send { topic, first_value, count, .. } => {
                let topic = self.index(topic);
                self.begin_send(at, topic, (*first_value, *count), findings);
                Some((topic, *first_value, *count))
            }
            Call::Poll | Call::Administer { .. } | Call::ZooKeeper(_) => None,
            Call::Seek { partition } => {
                self.partition(partition).reposition(at.node, None);
                None
            }
        };
        let client = self.clients.entry(at.node).or_default();
        let send = send.map(|(topic, first_value, count)| {
            client.sends += 1;
            Send { topic, first_value, count, order: client.sends - 1, waited: false }
        });
        client.pending.begin(id, Pending { at, send });
    }

    fn begin_send(
        &mut self,
        at: Moment,
        topic: u32,
        (first, count): (u64, u32),
        findings: &mut Findings,
    ) {
        let sent = &mut self.topics[topic as usize].sent;
        unwritten_read::judge_early(sent, at, (first, count), &self.faults, findings);
        sent.send(at.node, first, count);
    }

    fn end(&mut self, at: Moment, id: OperationId, outcome: &Outcome, findings: &mut Findings) {
        self.ended += 1;
        let client = self.clients.entry(at.node).or_default();
        let Some(Pending { at: began, send }) = client.pending.end(id) else { return };
        match (outcome, send) {
            (Outcome::Polled(polled), _) => {
                for records in polled {
                    if !self.is_over(&records.partition.topic, began.time) {
                        self.poll(at, records, findings);
                    }
                }
            }
            (Outcome::Failed(_), Some(send)) => {
                self.topics[send.topic as usize].sent.fail(at, send.first_value, send.count);
            }
            (Outcome::Sent { partition, offset: Some(offset) }, Some(send))
                if !self.is_over(&partition.topic, began.time) =>
            {
                self.partition(partition).acks.push(send.acked(at, *offset));
            }
            _ => {}
        }
    }

    fn poll(&mut self, at: Moment, records: &PolledRecords, findings: &mut Findings) {
        let name = &records.partition;
        let permitted_by = self.recorded.and_then(RecordedSettings::permit_of_rebalance);
        let index = self.index(&name.topic);
        let (topic, faults) = (&mut self.topics[index as usize], &self.faults);
        for range in &records.ranges {
            let is_over = topic.is_over(range.first_value);
            topic.sent.read(at, name, range);
            let partition = topic.partition(name.partition);
            match is_over {
                true => partition.reposition(at.node, None),
                false => partition.read(at, name, range, permitted_by, (faults, findings)),
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
            sent: Sent::default(),
            over: BTreeMap::new(),
            partitions: Vec::new(),
        });
        index
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

    fn partition_name(&self, index: u32) -> TopicPartition {
        TopicPartition { topic: self.name.clone(), partition: PartitionId(index) }
    }

    /// Whether a value was sent to a topic that is no more.
    fn is_over(&self, value: u64) -> bool {
        self.over.values().any(|(first, end)| (*first..*end).contains(&value))
    }
}

impl Send {
    const fn acked(&self, at: Moment, offset: Offset) -> Ack {
        let Send { first_value, count, order, waited, .. } = *self;
        Ack { offset, first_value, count, order, waited, continues: false, settled: false, at }
    }
}
