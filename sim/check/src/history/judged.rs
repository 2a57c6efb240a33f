//! The finished history: which rule is asked in which order, and what each may look at.

use super::nonmonotonic_send::{self, Send};
use super::partition::PartitionHistory;
use super::permits::Permits;
use super::pieces::{self, Logs, Piece};
use super::places::{self, Place};
use super::sent::Writers;
use super::{
    Faults, History, RecordedSettings, TopicHistory, Wrong, aborted_read, duplicate, durability,
    inconsistent_offsets, int_send_skip, liveness, lost_write, poll_skip, unseen, unwritten_read,
};
use crate::findings::Findings;
use crate::judge::End;
use crate::picture::Cluster;
use crate::promise::Promise;
use crate::verdict::{Moment, Witness};
use klab_machine::Value;
use klab_wire::{NodeId, Offset, TopicPartition};
use std::cell::OnceCell;

/// One partition at the end of the history.
#[derive(Debug)]
pub(super) struct Judged<'a> {
    pub(super) name: &'a TopicPartition,
    pub(super) history: &'a PartitionHistory,
    /// What was acknowledged, in the order of offsets.
    pub(super) pieces: &'a [Piece<'a>],
    pub(super) permits: Permits<'a>,
    pub(super) topic: &'a TopicEnd<'a>,
}

/// One topic at the end of the history.
#[derive(Debug)]
pub(super) struct TopicEnd<'a> {
    pub(super) history: &'a TopicHistory,
    pub(super) writers: &'a Writers,
    /// Where values stand, in the order of values.
    pub(super) places: &'a [Place],
    /// The values that somebody read, as ranges: asked for only when some seem to be missing.
    read_values: OnceCell<Vec<(u64, u64)>>,
    pub(super) end: Moment,
    context: Context<'a>,
}

/// What is the same for all partitions.
#[derive(Clone, Copy, Debug)]
struct Context<'a> {
    cluster: &'a Cluster,
    faults: &'a Faults,
    recorded: Option<RecordedSettings>,
}

impl History {
    /// Judges the finished history.
    ///
    /// # Errors
    ///
    /// A value was sent twice: then nothing that values tell can be judged. Clients of a run never do that.
    pub(crate) fn judge(
        mut self,
        cluster: &Cluster,
        end: &End,
        findings: &mut Findings,
    ) -> Result<(), Wrong> {
        liveness::judge(&self, cluster, end, findings);
        let at = Moment { step: u64::MAX, time: end.time, node: NodeId::consumer(0) };
        for index in std::mem::take(&mut self.names).into_values() {
            let history = &mut self.topics[index as usize];
            let writers = history.sent.take_writers();
            if let Some(value) = writers.sent_twice() {
                return Err(sent_twice(history, value));
            }
            let context = Context { cluster, faults: &self.faults, recorded: self.recorded };
            judge_topic(history, &writers, at, context, findings);
        }
        Ok(())
    }
}

fn judge_topic(
    history: &mut TopicHistory,
    writers: &Writers,
    end: Moment,
    context: Context,
    findings: &mut Findings,
) {
    let names: Vec<TopicPartition> =
        (0..history.partitions.len() as u32).map(|index| history.partition_name(index)).collect();
    let its = names.iter().zip(&mut history.partitions);
    let pieces: Vec<Vec<Piece>> =
        its.map(|(name, partition)| context.pieces(name, partition, writers)).collect();
    let places = places::all(history, &pieces);
    let read_values = OnceCell::new();
    let topic = TopicEnd { history, writers, places: &places, read_values, end, context };
    for ((name, partition), pieces) in names.iter().zip(&history.partitions).zip(&pieces) {
        let permits = context.permits(name);
        let judged = Judged { name, history: partition, pieces, permits, topic: &topic };
        judged.judge(findings);
    }
    topic.judge(findings);
}

fn sent_twice(history: &TopicHistory, value: u64) -> Wrong {
    let (topic, value) = (&history.name, Value(value));
    Wrong(format!(
        "value {value} of {topic} was sent twice: a history can be judged only if every value of a topic is \
         sent once"
    ))
}

impl<'a> Context<'a> {
    fn permits(&self, name: &TopicPartition) -> Permits<'a> {
        Permits::new(name, self.cluster, self.recorded)
    }

    /// What was acknowledged, in the order of offsets.
    fn pieces(
        &self,
        name: &TopicPartition,
        history: &mut PartitionHistory,
        writers: &Writers,
    ) -> Vec<Piece<'a>> {
        match self.recorded {
            None => Logs::new(self.permits(name).picture).pieces(history, writers),
            Some(_) => pieces::unasked(history),
        }
    }
}

impl<'a> Judged<'a> {
    fn judge(&self, findings: &mut Findings) {
        let records = self.pieces.iter().map(|piece| piece.to.since(piece.from)).sum();
        findings.kept(Promise::NoAckedRecordIsLost, records);
        match self.asks_logs() {
            true => durability::judge(self, findings),
            false => unseen::judge(self, findings),
        }
        lost_write::judge(self, findings);
        inconsistent_offsets::judge(self, findings);
        poll_skip::judge(self, findings);
        int_send_skip::judge(self, findings);
        self.settle_sends(findings);
    }

    /// Judges the order of the sends that is not judged yet.
    fn settle_sends(&self, findings: &mut Findings) {
        let pieces = self.pieces.iter().filter(|piece| piece.is_kept() && !piece.ack.settled);
        if self.history.latest.is_empty() && nonmonotonic_send::are_in_order(pieces.clone()) {
            return nonmonotonic_send::note(pieces.count() as u64, findings);
        }
        let sends = pieces.map(|piece| Send { from: piece.from, to: piece.to, ack: piece.ack });
        let mut sends: Vec<Send> = sends.collect();
        let mut latest = self.history.latest.clone();
        nonmonotonic_send::sort(&mut sends);
        let faults = self.topic.context.faults;
        nonmonotonic_send::judge(self.name, &sends, &mut latest, &self.permits, faults, findings);
    }

    /// In a run the logs are known as well.
    pub(super) const fn asks_logs(&self) -> bool {
        self.topic.context.recorded.is_none()
    }

    pub(super) fn readers_start_at_the_beginning(&self) -> bool {
        self.topic.context.recorded.is_some_and(|recorded| recorded.from_beginning)
    }

    /// The acknowledged pieces that reach into these offsets.
    pub(super) fn within(
        &self,
        from: Offset,
        to: Offset,
    ) -> impl Iterator<Item = &Piece<'a>> + Clone {
        let begin = self.pieces.partition_point(|piece| piece.to <= from);
        self.pieces[begin..].iter().take_while(move |piece| piece.from < to)
    }

    /// Operations that prove something, and the last fault before them.
    pub(super) fn with_fault(&self, proof: impl IntoIterator<Item = Witness>) -> Vec<Witness> {
        self.topic.with_fault(proof)
    }
}

impl TopicEnd<'_> {
    fn judge(&self, findings: &mut Findings) {
        unwritten_read::judge(self, findings);
        aborted_read::judge(self, findings);
        duplicate::judge(self, findings);
    }

    pub(super) fn permits(&self, name: &TopicPartition) -> Permits<'_> {
        self.context.permits(name)
    }

    /// Of these values those that nobody read anywhere: the first, and how many.
    pub(super) fn unread(&self, first: u64, count: u64) -> Option<(u64, u64)> {
        let read = self.read_values.get_or_init(|| places::read_values(self.places));
        places::outside(read, first, count)
    }

    /// The operation that saw this value at this place.
    pub(super) fn witness(&self, place: &Place, value: u64) -> Option<Witness> {
        let partition = &self.history.partitions[place.partition as usize];
        partition.witness(place.offset_of(value), value)
    }

    /// Operations that prove something, and the last fault before them.
    pub(super) fn with_fault(&self, proof: impl IntoIterator<Item = Witness>) -> Vec<Witness> {
        let mut proof: Vec<Witness> = proof.into_iter().collect();
        let last = proof.iter().map(|witness| witness.at).max();
        proof.extend(last.and_then(|at| self.fault_before(at)));
        proof
    }

    pub(super) fn fault_before(&self, at: Moment) -> Option<Witness> {
        self.context.faults.before(at)
    }
}
