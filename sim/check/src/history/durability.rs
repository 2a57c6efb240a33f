//! `no-acked-record-is-lost` and `no-inconsistent-offsets`.
//!
//! Judged is, for every record of an acknowledged send with an offset: (a) no consumer passed over it unless
//! somebody read it (Jepsen's lost write); (b) the log of the last leader has at that offset the batch that was
//! acknowledged, or starts above it (retention and DeleteRecords are no loss). A partition without a
//! leader has lost what no replica has. Which batch was acknowledged is plain as long as one batch only ever
//! had the offset; after a divergence it is the one whose values fit.

use super::provenance::Writers;
use super::{Ack, Gap, PartitionHistory};
use crate::findings::{Breach, Findings};
use crate::permit;
use crate::picture::{Batch, Cluster, Partition};
use crate::promise::Promise;
use crate::settings::Setting;
use crate::verdict::Witness;
use klab_machine::Value;
use klab_wire::{Acks, NodeId, Offset, TopicPartition};

/// What became of a piece of an acknowledged send: the part of it that lies in one batch.
#[derive(Clone, Debug)]
pub(super) struct Piece<'a> {
    pub(super) ack: Ack,
    from: Offset,
    to: Offset,
    fate: PieceFate<'a>,
}

#[derive(Clone, Debug)]
enum PieceFate<'a> {
    Kept,
    /// It was in this batch, or in none that any fact tells of.
    Lost(Option<&'a Batch>),
}

/// One partition at the end, with what is needed to judge it.
pub(super) struct Durability<'a> {
    name: &'a TopicPartition,
    picture: Option<&'a Partition>,
    leader: Option<NodeId>,
    cluster: &'a Cluster,
}

impl<'a> Durability<'a> {
    pub(super) fn new(name: &'a TopicPartition, cluster: &'a Cluster) -> Self {
        let picture = cluster.partition(name);
        let leader = picture.and_then(final_leader);
        Durability { name, picture, leader, cluster }
    }

    /// Every acknowledged send, cut where batches end, in the order of offsets.
    pub(super) fn pieces(
        &self,
        history: &mut PartitionHistory,
        writers: &Writers,
    ) -> Vec<Piece<'a>> {
        history.acks.sort_by_key(|ack| (ack.offset, ack.order));
        let mut pieces = Vec::with_capacity(history.acks.len());
        let mut place = 0;
        for ack in &history.acks {
            let mut from = ack.offset;
            while from < ack.end() {
                // Acknowledgements may overlap after a loss, batches at one offset never go far back.
                let mut start = place;
                let batch = self.acknowledged(ack, from, &mut start, writers);
                let to = batch.map_or(ack.end(), |batch| batch.last.next().min(ack.end()));
                pieces.push(Piece { ack: *ack, from, to, fate: self.fate(from, batch) });
                if from == ack.offset {
                    place = start;
                }
                from = to;
            }
        }
        pieces
    }

    /// The batch at this offset that was acknowledged: of several, the one whose first value fits.
    fn acknowledged(
        &self,
        ack: &Ack,
        offset: Offset,
        place: &mut usize,
        writers: &Writers,
    ) -> Option<&'a Batch> {
        let value = ack.value_at(offset);
        let copies = &self.picture?.copies;
        let mut claimants = copies.at(offset, place).chain(copies.remembered(offset));
        let (first, second) = (claimants.next()?, claimants.next());
        let Some(second) = second else {
            let begins_with_another =
                first.base == offset && first.first_value.is_some_and(|first| first != value);
            return Some(first).filter(|_| !begins_with_another);
        };
        let all: Vec<&'a Batch> = [first, second].into_iter().chain(claimants).collect();
        let exact = |batch: &&'a Batch| {
            let ahead = offset.since(batch.base);
            batch.first_value.is_some_and(|first| first + ahead == value)
        };
        // In a batch of one client the values grow, so that no record is below its batch's first.
        let before = |batch: &&&'a Batch| {
            let first = batch.first_value.filter(|first| *first <= value);
            first.is_some_and(|first| writers.writer_of(first) == Some(ack.client))
        };
        // A late copy of a request may have made a zombie append the same at the same place.
        let likely = |batch: &&'a Batch| (self.is_kept(offset, Some(batch)), batch.committed);
        let nearest = |batch: &&&'a Batch| (batch.first_value, likely(batch));
        let nearest = || all.iter().filter(before).max_by_key(nearest).copied();
        let exact = all.iter().copied().filter(exact).max_by_key(likely);
        exact.or_else(nearest).or_else(|| all.first().copied())
    }

    fn fate(&self, offset: Offset, batch: Option<&'a Batch>) -> PieceFate<'a> {
        if self.is_kept(offset, batch) { PieceFate::Kept } else { PieceFate::Lost(batch) }
    }

    /// Whether what this batch has at this offset is there, or was deleted in order.
    fn is_kept(&self, offset: Offset, batch: Option<&Batch>) -> bool {
        let Some(picture) = self.picture else { return false };
        let copies = &picture.copies;
        let leader = self.leader.and_then(|leader| copies.replica(leader));
        let is_below = leader.is_some_and(|leader| offset < leader.start);
        match (batch, self.leader) {
            (None, _) => is_below || copies.was_deleted(offset),
            (Some(batch), _) if batch.deleted => true,
            (Some(batch), Some(leader)) if !is_below => {
                copies.find(leader).is_some_and(|slot| batch.is_held_by(slot))
            }
            (Some(batch), _) => batch.holders != 0,
        }
    }

    /// Why this piece may be lost, if it is and may be.
    fn permit(&self, piece: &Piece) -> Option<Setting> {
        let (PieceFate::Lost(Some(batch)), Some(picture)) = (&piece.fate, self.picture) else {
            return None;
        };
        let min_isr = self.cluster.min_isr(picture);
        permit::of_acked(batch, self.acks(piece.ack.client), picture, min_isr)
    }

    /// Why an offset may stand for another value than before: what was committed there may have been lost,
    /// and then the offset was given again.
    pub(super) fn permit_of_reuse(&self, offset: Offset) -> Option<Setting> {
        let picture = self.picture?;
        let copies = &picture.copies;
        let claimants = copies.claimants(offset).chain(copies.remembered(offset));
        let claimants: Vec<&Batch> = claimants.collect();
        if claimants.len() < 2 && !copies.was_deleted(offset) {
            return None;
        }
        let min_isr = self.cluster.min_isr(picture);
        let mut committed = claimants.iter().filter(|batch| batch.committed);
        committed.find_map(|batch| permit::of_committed(batch, picture, min_isr))
    }

    /// Why a leader may have a hole at this offset: a power cut may take the end of a segment and leave the
    /// next one.
    fn permit_of_hole(&self, offset: Offset) -> Option<Setting> {
        let picture = self.picture?;
        permit::of_hole(picture, offset, self.cluster.min_isr(picture))
    }

    fn acks(&self, client: NodeId) -> Acks {
        self.cluster.settings.producer(client).acks
    }

    /// Judges what became of the pieces; those of one batch and one client are one break.
    pub(super) fn judge(
        &self,
        pieces: &[Piece],
        history: &PartitionHistory,
        findings: &mut Findings,
    ) {
        let records: u64 = pieces.iter().map(|piece| piece.to.since(piece.from)).sum();
        findings.kept(Promise::NoAckedRecordIsLost, records);
        let lost: Vec<(&Piece, Option<&Batch>)> = pieces.iter().filter_map(Piece::lost).collect();
        for group in lost.chunk_by(|one, other| belong_together(one, other)) {
            self.report_lost(group, findings);
        }
        for gap in &history.gaps {
            self.judge_gap(gap, pieces, history, findings);
        }
        for piece in pieces {
            self.compare(piece, history, findings);
        }
        self.judge_conflicts(history, findings);
    }

    fn report_lost(&self, group: &[(&Piece, Option<&Batch>)], findings: &mut Findings) {
        let ((first, batch), (last, _)) = (group[0], group[group.len() - 1]);
        let records = last.to.since(first.from);
        let acks = match self.acks(first.ack.client) {
            Acks::None => "0",
            Acks::Leader => "1",
            Acks::All => "all",
        };
        let what = format!(
            "{} at {} ({}), acknowledged to {} with acks={acks}, {}: {}",
            if records == 1 { "record" } else { "records" },
            span(first.from.0, last.to.0),
            values(group),
            first.ack.client,
            if records == 1 { "is lost" } else { "are lost" },
            self.whereabouts(batch, if records == 1 { "it" } else { "them" }),
        );
        let acked = Witness { at: first.ack.at, what: "is told that the broker has it".to_owned() };
        let story = batch.zip(self.picture).map(|(batch, picture)| picture.story(batch));
        let breach = Breach::of(what)
            .about(records)
            .permitted(self.permit(first))
            .shown_by([acked])
            .shown_by(story.into_iter().flatten());
        findings.broken(Promise::NoAckedRecordIsLost, first.ack.at, Some(self.name), breach);
    }

    fn whereabouts(&self, batch: Option<&Batch>, it: &str) -> String {
        match (batch, self.leader) {
            (None, _) => format!("no log ever had {it} there"),
            (Some(_), None) => format!("no replica has {it}, and none leads"),
            (Some(batch), Some(leader)) if batch.holders == 0 => {
                format!("no replica has {it}, {leader} leads")
            }
            (Some(_), Some(leader)) => format!("{leader}, which leads, does not have {it}"),
        }
    }

    /// A reader passed over offsets. That is in order only if nobody knows of a record there.
    fn judge_gap(
        &self,
        gap: &Gap,
        pieces: &[Piece],
        history: &PartitionHistory,
        findings: &mut Findings,
    ) {
        let read = history.reads.first_within(gap.from, gap.to);
        let begin = pieces.partition_point(|piece| piece.to <= gap.from);
        let inside = pieces[begin..].iter().take_while(|piece| piece.from < gap.to);
        let acked = inside.clone().find(|piece| piece.is_kept());
        let known = read.map(|r| r.offset).or(acked.map(|piece| piece.from));
        let Some(known) = known.map(|offset| offset.max(gap.from)) else { return };
        let node = gap.at.node;
        let skipped = format!("poll-skip: {node} went from {} to {}", gap.from, gap.to);
        let permitted = self.permit_of_hole(known);
        let breach =
            Breach::of(format!("{skipped}, passing over offset {known}")).permitted(permitted);
        findings.broken(Promise::PerPartitionOrder, gap.at, Some(self.name), breach);
        for piece in inside.filter(|piece| piece.is_kept()) {
            let (from, to) = (piece.from.max(gap.from), piece.to.min(gap.to));
            if let Some(unread) = history.reads.first_unread(from, to) {
                let what =
                    format!("lost-write: {node} passed over offset {unread}, nobody read it");
                let permitted = self.permit_of_hole(unread);
                let breach = Breach::of(what).about(to.since(unread)).permitted(permitted);
                findings.broken(Promise::NoAckedRecordIsLost, gap.at, Some(self.name), breach);
            }
        }
    }

    /// Holds an acknowledged piece against what was read at its first offset.
    fn compare(&self, piece: &Piece, history: &PartitionHistory, findings: &mut Findings) {
        let Some(read) = history.reads.value_at(piece.from) else { return };
        let acked = piece.ack.value_at(piece.from);
        let at = piece.ack.at;
        if read == acked {
            return findings.kept(Promise::NoInconsistentOffsets, 1);
        }
        let what = format!(
            "offset {}: {} was told that its value {} is there, {} was read",
            piece.from,
            piece.ack.client,
            Value(acked),
            Value(read)
        );
        let permitted = self.permit(piece).or_else(|| self.permit_of_reuse(piece.from));
        let breach = Breach::of(what).about(1).permitted(permitted);
        findings.note(Promise::NoInconsistentOffsets, at, Some(self.name), Err(breach));
    }

    fn judge_conflicts(&self, history: &PartitionHistory, findings: &mut Findings) {
        for conflict in &history.conflicts {
            let [one, other] = conflict.values;
            let [one, other] = [one, other].map(Value);
            let what = format!("offset {}: {one} was read, later {other}", conflict.offset);
            let permitted = self.permit_of_reuse(conflict.offset);
            let breach = Breach::of(what).about(1).permitted(permitted);
            let promise = Promise::NoInconsistentOffsets;
            findings.note(promise, conflict.at, Some(self.name), Err(breach));
        }
    }
}

/// Who leads a partition at the end: as the controller decided, or as a broker learned last.
fn final_leader(partition: &Partition) -> Option<NodeId> {
    match partition.newest_leader() {
        Some((epoch, leader)) if epoch > partition.leader_epoch => Some(leader),
        _ => partition.leader,
    }
}

/// Neighbours in one batch of one client.
fn belong_together(
    (one, its): &(&Piece, Option<&Batch>),
    (other, others): &(&Piece, Option<&Batch>),
) -> bool {
    let same = match (its, others) {
        (Some(a), Some(b)) => a.is(b.base, b.epoch, b.digest),
        (None, None) => true,
        _ => false,
    };
    same && one.ack.client == other.ack.client && one.to == other.from
}

fn span(from: u64, to: u64) -> String {
    match to - from {
        1 => format!("offset {from}"),
        _ => format!("offsets {from}..{}", to - 1),
    }
}

/// The values that are lost, in the order of their offsets; neighbours as a range.
fn values(group: &[(&Piece, Option<&Batch>)]) -> String {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for (piece, _) in group {
        let (first, count) = (piece.ack.value_at(piece.from), piece.to.since(piece.from));
        match ranges.last_mut() {
            Some((begin, length)) if *begin + *length == first => *length += count,
            _ => ranges.push((first, count)),
        }
    }
    let listed: Vec<String> =
        ranges.iter().take(8).map(|(first, count)| value_range(*first, *count)).collect();
    let more = if ranges.len() > listed.len() { ", .." } else { "" };
    match ranges[..] {
        [(_, 1)] => format!("value {}", listed[0]),
        _ => format!("values {}{more}", listed.join(", ")),
    }
}

fn value_range(first: u64, count: u64) -> String {
    match count {
        1 => Value(first).to_string(),
        _ => format!("{}..{}", Value(first), Value(first + count - 1).count()),
    }
}

impl<'a> Piece<'a> {
    /// The piece with the batch it was in, if it is lost.
    fn lost(&self) -> Option<(&Self, Option<&'a Batch>)> {
        match self.fate {
            PieceFate::Lost(batch) => Some((self, batch)),
            PieceFate::Kept => None,
        }
    }

    /// Whether it is where its producer was told it is.
    pub(super) const fn is_kept(&self) -> bool {
        matches!(self.fate, PieceFate::Kept)
    }

    pub(super) fn place(&self) -> (Offset, u64, u64) {
        (self.from, self.ack.value_at(self.from), self.to.since(self.from))
    }
}
