//! Facts of the log: appends, truncations, restarts, retention.

use crate::invariant::{
    clean_shutdown_is_true, committed_metadata_agrees, flushed_records_survive, log_is_contiguous,
    log_start_is_committed, sequence_has_no_gap, shared_past,
};
use crate::judge::{Judge, Starting};
use crate::permit;
use crate::picture::{Batch, Copies, Cut, CutCause, Opening, Partition, ProducerTail};
use crate::promise::Promise;
use crate::settings::Setting;
use crate::verdict::Moment;
use klab_machine::fact::LogFact;
use klab_wire::{NodeId, Offset, Sequence, TopicPartition};

/// The one partition of the metadata log; its replicas are those of the quorum.
fn is_metadata(partition: &TopicPartition) -> bool {
    &*partition.topic.0 == "__cluster_metadata"
}

impl Judge {
    pub(super) fn watch_log(&mut self, at: Moment, fact: &LogFact) {
        match fact {
            LogFact::BatchAppended { partition, as_leader, .. } => {
                let Some(batch) = appended(at, fact) else { return };
                self.append(at, partition, batch, *as_leader);
            }
            LogFact::LogTruncated { partition, to, .. } => {
                // What a log cuts off while it is opened, behind a hole, it lost before.
                let cause = if self.is_opening(at.node, partition) {
                    CutCause::Reloaded
                } else {
                    CutCause::Truncated
                };
                self.cut(at, partition, *to, cause);
            }
            LogFact::LogStartedAfresh { partition, at: start, .. } => {
                self.cut(at, partition, Offset(0), CutCause::StartedAfresh);
                self.start_log(at.node, partition, *start, *start);
                self.examine_metadata_start(at, partition, *start);
            }
            LogFact::LogStartAdvanced { partition, to, by_retention, .. } => {
                self.examine_log_start(at, partition, *to);
                let replica = self.copies(partition).known_mut(at.node);
                if let Some(replica) = replica.filter(|_| !by_retention) {
                    replica.delete_records(*to);
                }
                self.copies(partition).start_at(at.node, *to);
                self.examine_metadata_start(at, partition, *to);
            }
            LogFact::LogFlushed { partition, to } => self.flush(at.node, partition, *to),
            LogFact::LogGapFound { partition, from, to } => {
                self.lose_within(at, partition, [*from, *to]);
            }
            LogFact::LogRecovered { partition, end, .. } => self.reload(at, partition, *end),
            LogFact::LogLoaded { partition, start, end, clean } => {
                if *clean {
                    self.examine_clean_shutdown(at, partition, [*start, *end]);
                }
                self.open(at, partition, [*start, *end]);
                self.reload(at, partition, *end);
                self.start_log(at.node, partition, *start, *end);
            }
            LogFact::ProducerExpired { partition, producer } => {
                self.cluster.partition_mut(partition).expired.insert(*producer);
            }
            _ => {}
        }
    }

    /// The copies of a partition's log, or of the metadata log.
    fn copies(&mut self, partition: &TopicPartition) -> &mut Copies {
        match is_metadata(partition) {
            true => &mut self.quorum.copies,
            false => &mut self.cluster.partition_mut(partition).copies,
        }
    }

    fn append(&mut self, at: Moment, name: &TopicPartition, batch: Batch, as_leader: bool) {
        let (base, last) = (batch.base, batch.last);
        let (copies, excuse) = if is_metadata(name) {
            if as_leader {
                self.decisions.write(at, batch.epoch, last);
            }
            (&mut self.quorum.copies, None)
        } else {
            let partition = self.cluster.partition_mut(name);
            let sequences = as_leader.then(|| follow_sequences(partition, at.node, &batch));
            if let Some(finding) = sequences.flatten() {
                self.findings.note(Promise::SequenceHasNoGap, at, Some(name), finding);
            }
            // What a leader writes twice in one epoch, after a loss by leave, nobody can tell apart.
            let excuse = partition.excuse.filter(|_| partition.resumed);
            (&mut partition.copies, excuse)
        };
        let end = copies.append(at.node, &batch);
        if !as_leader && !is_metadata(name) {
            let finding = shared_past::check(copies, at.node, base)
                .map_err(|breach| breach.permitted(excuse));
            self.findings.note(Promise::SameBatchSamePast, at, Some(name), finding);
        }
        if end == Some(base) && base <= last {
            return self.findings.kept(Promise::LogIsContiguous, 1);
        }
        let compacted = self.cluster.topic(&name.topic).compacted;
        let finding = log_is_contiguous::check(end, base, last, compacted)
            .map_err(|breach| breach.permitted(self.permit_of_hole(name, end)));
        self.findings.note(Promise::LogIsContiguous, at, Some(name), finding);
    }

    /// A power cut may take the end of a segment and leave the next one; followers copy the hole.
    fn permit_of_hole(&self, name: &TopicPartition, end: Option<Offset>) -> Option<Setting> {
        let partition = self.cluster.partition(name)?;
        permit::of_hole(partition, end?, self.cluster.min_isr(partition))
    }

    fn flush(&mut self, node: NodeId, name: &TopicPartition, to: Offset) {
        if let Some(replica) = self.copies(name).replica_mut(node) {
            replica.flush(to);
        }
    }

    /// A log was opened: what it had before and has no longer went down with the page cache.
    fn reload(&mut self, at: Moment, name: &TopicPartition, end: Offset) {
        let damaged = self.cluster.damaged.contains(&at.node);
        let Some(replica) = self.copies(name).replica_mut(at.node) else { return };
        (replica.leading, replica.gap_in_flushed) = (None, false);
        let (known, flushed) = (replica.end, replica.flushed);
        if damaged {
            replica.flushed = Offset(0);
        }
        if known.is_some() {
            let finding = flushed_records_survive::check(flushed, end, damaged);
            self.findings.note(Promise::FlushedRecordsSurvive, at, Some(name), finding);
        }
        if known.is_some_and(|known| end < known) {
            self.cut(at, name, end, CutCause::Reloaded);
        }
        self.copies(name).open(at.node, end);
    }

    /// A log was opened, and the end of one of its segments is gone. A follower that has copied the hole
    /// loses nothing by it.
    fn lose_within(&mut self, at: Moment, name: &TopicPartition, [from, to]: [Offset; 2]) {
        let damaged = self.cluster.damaged.contains(&at.node);
        let elections = match is_metadata(name) {
            true => 0,
            false => self.cluster.partition_mut(name).elections.len() as u32,
        };
        let copies = self.copies(name);
        let Some(flushed) = copies.replica(at.node).map(|replica| replica.flushed) else { return };
        let cut = Cut { at, from: to, to: from, cause: CutCause::LeftAGap, damaged, elections };
        let lost = copies.lose_within(at.node, cut);
        if lost.any {
            let finding = flushed_records_survive::check(flushed, from, damaged);
            self.findings.note(Promise::FlushedRecordsSurvive, at, Some(name), finding);
        }
        if lost.committed_from.is_some() && !is_metadata(name) {
            self.excuse(at.node, name);
        }
    }

    /// A log was opened as cleanly shut down. If the host lost its power after that, the log start may be an older
    /// one: nobody waits for that checkpoint.
    fn examine_clean_shutdown(&mut self, at: Moment, name: &TopicPartition, has: [Offset; 2]) {
        let damaged = self.cluster.damaged.contains(&at.node);
        let Some(replica) = self.copies(name).known_mut(at.node) else { return };
        let Some(end) = replica.end else { return };
        let start = if replica.unclean { Offset(0) } else { replica.start };
        let finding = clean_shutdown_is_true::check([start, end], has, damaged);
        self.findings.note(Promise::CleanShutdownIsTrue, at, Some(name), finding);
    }

    fn examine_log_start(&mut self, at: Moment, name: &TopicPartition, start: Offset) {
        if is_metadata(name) {
            return;
        }
        let partition = self.cluster.partition_mut(name);
        let finding = log_start_is_committed::check(partition.committed, start)
            .map_err(|breach| breach.permitted(partition.excuse));
        self.findings.note(Promise::LogStartIsCommitted, at, Some(name), finding);
    }

    fn is_opening(&self, node: NodeId, name: &TopicPartition) -> bool {
        match is_metadata(name) {
            true => self.starting.as_ref().is_some_and(|starting| starting.at.node == node),
            false => self.opening.contains_key(&node),
        }
    }

    fn open(&mut self, at: Moment, name: &TopicPartition, [start, end]: [Offset; 2]) {
        if is_metadata(name) {
            self.starting.iter_mut().for_each(|starting| starting.has_metadata = true);
            return;
        }
        if end > Offset(0) {
            self.cluster.partition_mut(name).openings.push(Opening { at, start, end });
        }
        if let Some(opened) = self.opening.get_mut(&at.node) {
            opened.insert(name.clone());
        }
    }

    /// A process is up. If nothing of its metadata log had reached the platter when the power failed, it has
    /// no files, and nobody opens it: it begins anew.
    pub(crate) fn end_start(&mut self) {
        let Some(Starting { at, has_metadata }) = self.starting.take() else { return };
        if !has_metadata && self.quorum.copies.end(at.node).is_some() {
            self.reload(at, &TopicPartition::cluster_metadata(), Offset(0));
        }
    }

    /// A broker has opened its log directory: what it did not find there begins anew.
    pub(super) fn end_opening(&mut self, at: Moment) {
        let opened = self.opening.remove(&at.node).unwrap_or_default();
        let logs = self.cluster.partitions_on(at.node);
        for name in logs.iter().filter(|name| !opened.contains(name)) {
            self.reload(at, name, Offset(0));
        }
        for topic in self.cluster.deleted.start(at.node, &opened) {
            self.begin_afresh(at, &topic);
        }
    }

    fn start_log(&mut self, node: NodeId, name: &TopicPartition, start: Offset, end: Offset) {
        let copies = self.copies(name);
        if let Some(replica) = copies.replica_mut(node) {
            replica.end = Some(end);
            copies.start_at(node, start);
        }
    }

    /// A replica's log lost its end.
    pub(super) fn cut(&mut self, at: Moment, name: &TopicPartition, to: Offset, cause: CutCause) {
        if is_metadata(name) {
            return self.cut_metadata(at, to, cause);
        }
        let damaged = self.cluster.damaged.contains(&at.node);
        let partition = self.cluster.partition_mut(name);
        let elections = partition.elections.len() as u32;
        let from = partition.copies.end(at.node).unwrap_or(to);
        let cut = Cut { at, from, to, cause, damaged, elections };
        let lost = partition.copies.cut(at.node, cut);
        match (lost.committed_from, cause.loses_data()) {
            (None, _) => {}
            (Some(_), true) => self.excuse(at.node, name),
            (Some(_), false) => self.cut_off_by_leave(at.node, name),
        }
    }

    /// A replica cut off committed records to be like its leader. If that one has lost them by leave, so has this.
    fn cut_off_by_leave(&mut self, node: NodeId, name: &TopicPartition) {
        let Some(partition) = self.cluster.partition(name) else { return };
        let min_isr = self.cluster.min_isr(partition);
        let Partition { copies, elections, last_member_trusted_by, .. } =
            self.cluster.partition_mut(name);
        let by = (elections.as_slice(), *last_member_trusted_by);
        for (slot, batch) in copies.just_cut(node) {
            if permit::of_committed_since(batch, by, min_isr).is_some() {
                batch.cut_off_by_leave |= 1 << slot;
            }
        }
    }

    fn examine_metadata_start(&mut self, at: Moment, name: &TopicPartition, start: Offset) {
        if is_metadata(name) {
            self.start_metadata(at, start);
        }
    }

    /// What a power cut took before it was flushed was promised to nobody: a voter acknowledges only what it
    /// has flushed, and an observer flushes nothing.
    fn cut_metadata(&mut self, at: Moment, to: Offset, cause: CutCause) {
        let damaged = self.cluster.damaged.contains(&at.node);
        let from = self.quorum.copies.end(at.node).unwrap_or(to);
        let cut = Cut { at, from, to, cause, damaged, elections: 0 };
        let lost = self.quorum.copies.cut(at.node, cut);
        let permitted = self.quorum.disk_lost.then_some(Setting::VoterDiskLost);
        let dropped = match cause {
            CutCause::Truncated | CutCause::Deleted | CutCause::Reloaded | CutCause::LeftAGap => {
                lost.kept_from
            }
            CutCause::DiskLost if self.quorum.voters.contains(&at.node) => lost.committed_from,
            CutCause::DiskLost => None,
            // A snapshot takes the place of what was there.
            CutCause::StartedAfresh => return,
        };
        let finding = committed_metadata_agrees::truncates(dropped, to)
            .map_err(|breach| breach.permitted(permitted));
        self.findings.note(Promise::NoTruncationBelowMetadataHighWatermark, at, None, finding);
    }

    /// A host lost its power: its replicas may have lost what they had not flushed.
    pub(super) fn endanger(&mut self, node: NodeId) {
        for name in self.cluster.partitions_on(node) {
            self.cluster.partition_mut(&name).copies.endanger(node);
            self.excuse(node, &name);
        }
    }

    /// A replica lost committed records without being asked to. If as many did as were promised to have
    /// them, or the last one in sync, everything that follows from it is permitted.
    pub(super) fn excuse(&mut self, node: NodeId, name: &TopicPartition) {
        let eligible = self.cluster.settings.eligible_leader_replicas;
        let partition = self.cluster.partition_mut(name);
        if !eligible && *partition.isr == [node] {
            partition.copies.blame_last_in_sync(node);
        }
        let Some(partition) = self.cluster.partition(name) else { return };
        let min_isr = self.cluster.min_isr(partition);
        let lost = partition.copies.committed_and_lost();
        let permits = lost.map(|batch| permit::of_committed(batch, partition, min_isr));
        let setting = permits.flatten().next();
        let partition = self.cluster.partition_mut(name);
        partition.excuse = partition.excuse.or(setting);
    }
}

/// Holds a leader's append against what its own log has of the producer, and notes it. Another leader's log
/// is no measure: a zombie appends to its own until it learns that it leads no more.
fn follow_sequences(
    partition: &mut Partition,
    leader: NodeId,
    batch: &Batch,
) -> Option<crate::findings::Finding> {
    let producer = batch.producer?;
    let base = producer.base_sequence?;
    let records = (batch.last.0 + 1 - batch.base.0) as u32;
    let tail = ProducerTail { epoch: producer.epoch, next: base.plus(records) };
    let known = partition.producer_tail(leader, producer.id);
    partition.joined_midway |= known.is_none() && base != Sequence(0);
    if let Some(leading) = partition.copies.replica_mut(leader)?.leading.as_mut() {
        leading.producers.insert(producer.id, tail);
    }
    let finding = sequence_has_no_gap::check(known, producer);
    Some(match partition.expired.contains(&producer.id) {
        true => Ok(()),
        false => finding,
    })
}

fn appended(at: Moment, fact: &LogFact) -> Option<Batch> {
    let LogFact::BatchAppended { epoch, base, last, digest, first_value, producer, .. } = fact
    else {
        return None;
    };
    Some(Batch {
        first_value: *first_value,
        producer: *producer,
        ..Batch::appended(at, (*base, *last), *epoch, *digest)
    })
}
