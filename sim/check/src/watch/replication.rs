//! Facts of the brokers: leaderships, high watermarks, answers.

use crate::findings::Findings;
use crate::invariant::ack_only_after_commit::{self, Answer};
use crate::invariant::{
    broker_epoch, committed_is_flushed, committed_records_survive, control_generation,
    high_watermark, isr_member_has_committed_records, log_matching, one_leader_per_epoch,
};
use crate::judge::Judge;
use crate::picture::{CutCause, Leading, Partition, Promised, Replica};
use crate::promise::Promise;
use crate::verdict::Moment;
use klab_machine::fact::{ControllerFact, ReplicationFact};
use klab_wire::{
    BrokerEpoch, ErrorCode, LeaderEpoch, NodeId, Offset, PartitionEpoch, TopicPartition,
};

impl Judge {
    pub(super) fn watch_replication(&mut self, at: Moment, fact: &ReplicationFact) {
        use ReplicationFact as F;
        match fact {
            F::BecameLeader { partition, epoch, start, high_watermark, isr } => {
                self.learn_election(at, partition, *epoch, isr);
                let leading = Leading::new(*epoch, isr.len() as u32);
                self.take_up_leadership(at, partition, leading, *start, *high_watermark);
                self.cluster.partition_mut(partition).given_up.remove(&at.node);
            }
            F::BecameFollower { partition, .. } => {
                self.cluster.partition_mut(partition).given_up.remove(&at.node);
                self.settle_commits(at.node, partition);
                self.lead(at.node, partition, None);
            }
            F::LogDirOpened { .. } => self.end_opening(at),
            F::ReplicaDeleted { partition } => {
                self.settle_commits(at.node, partition);
                self.cut(at, partition, Offset(0), CutCause::Deleted);
            }
            F::HighWatermarkAdvanced { partition, epoch, from, to } => {
                self.advance(at, partition, *epoch, *from, *to);
            }
            F::FollowerHighWatermarkAdvanced { partition, to, .. } => {
                self.follow(at, partition, *to);
            }
            F::IsrExpanded { partition, isr, partition_epoch }
            | F::IsrShrunk { partition, isr, partition_epoch } => {
                self.learn_change(at, partition, isr, *partition_epoch);
                self.learn_isr(at.node, partition, isr.len() as u32);
            }
            F::FetchingGivenUp { partition, .. } => {
                self.cluster.partition_mut(partition).given_up.insert(at.node);
            }
            F::ProduceAnswered { partition, .. } => self.answer(at, partition, fact),
            F::BrokerRegistrationLearned { epoch } => self.register(at, *epoch),
            F::MetadataApplied { to } => self.apply(at.node, *to),
            F::IsrWritten { partition, isr, partition_epoch } => {
                self.write_isr(at, partition, isr, *partition_epoch);
            }
            F::ControlRequestTaken { .. } => self.obey(at, fact),
            _ => {}
        }
    }

    fn lead(&mut self, node: NodeId, name: &TopicPartition, leading: Option<Leading>) {
        if let Some(replica) = self.cluster.partition_mut(name).copies.replica_mut(node) {
            replica.leading = leading;
        }
    }

    fn take_up_leadership(
        &mut self,
        at: Moment,
        name: &TopicPartition,
        leading: Leading,
        start: Offset,
        high_watermark: Offset,
    ) {
        let epoch = leading.epoch;
        self.lead(at.node, name, Some(leading));
        let tells_lives_apart = !self.cluster.settings.zookeeper_mode;
        let partition = self.cluster.partition_mut(name);
        let leads_again = partition.leaders.get(&epoch) == Some(&at.node);
        if let Some(replica) = partition.copies.replica_mut(at.node) {
            partition.resumed |= leads_again && replica.lossy && !tells_lives_apart;
            replica.high_watermark = high_watermark;
            replica.acknowledgeable = replica.acknowledgeable.min(start);
            replica.end.get_or_insert(start);
        }
        let is_newest = partition.newest_leader().is_none_or(|(newest, _)| epoch >= newest);
        let finding = one_leader_per_epoch::lead(&mut partition.leaders, epoch, at.node);
        self.findings.note(Promise::OneLeaderPerEpoch, at, Some(name), finding);
        if is_newest {
            self.examine_new_leader(at, name, start);
        }
    }

    /// A leadership that is already over may lack what later ones committed; the newest may not.
    fn examine_new_leader(&mut self, at: Moment, name: &TopicPartition, end: Offset) {
        let missing = self.cluster.partition_mut(name).copies.missing(at.node);
        let Some(partition) = self.cluster.partition(name) else { return };
        let min_isr = self.cluster.min_isr(partition);
        let finding = committed_records_survive::check(partition, at.node, end, &missing, min_isr);
        if finding.is_err() {
            // Reported once: from here on the log is what this leader has.
            self.cluster.partition_mut(name).committed = end;
        }
        self.findings.note(Promise::CommittedRecordsSurvive, at, Some(name), finding);
    }

    fn advance(
        &mut self,
        at: Moment,
        name: &TopicPartition,
        epoch: LeaderEpoch,
        from: Offset,
        to: Offset,
    ) {
        let min_isr = self.cluster.partition(name).map_or(1, |known| self.cluster.min_isr(known));
        let flushes = self.cluster.topic(&name.topic).flushes_every_batch;
        let partition = self.cluster.partition_mut(name);
        let flushed = flushes && is_flushed_in_sync(partition, to);
        let Some(replica) = partition.copies.replica_mut(at.node) else { return };
        let finding = high_watermark::advances(replica.high_watermark, replica.end, from, to);
        replica.high_watermark = to;
        partition.copies.commit(at.node, from, to, Promised { replicas: min_isr, flushed });
        partition.committed = partition.committed.max(to);
        self.findings.note(Promise::HighWatermarkIsMonotonic, at, Some(name), finding);
        match_logs(at, partition, &mut self.findings);
        if partition.is_led_by(at.node, epoch) {
            examine_in_sync(at, partition, to, flushes, &mut self.findings);
        }
    }

    fn follow(&mut self, at: Moment, name: &TopicPartition, to: Offset) {
        let partition = self.cluster.partition_mut(name);
        let finding = high_watermark::follows(partition.committed, to)
            .map_err(|breach| breach.permitted(partition.excuse));
        if let Some(replica) = partition.copies.replica_mut(at.node) {
            replica.high_watermark = to;
        }
        self.findings.note(Promise::FollowerHighWatermarkIsBehind, at, Some(name), finding);
        match_logs(at, partition, &mut self.findings);
    }

    fn learn_isr(&mut self, node: NodeId, name: &TopicPartition, in_sync: u32) {
        self.settle_commits(node, name);
        let replica = self.cluster.partition_mut(name).copies.replica_mut(node);
        if let Some(leading) = replica.and_then(|replica| replica.leading.as_mut()) {
            leading.in_sync = in_sync;
        }
    }

    /// What a leader has committed with enough replicas in sync may be acknowledged, whatever comes next: an
    /// answer waits until it is decided for all partitions of its request (`DelayedProduce`).
    fn settle_commits(&mut self, node: NodeId, name: &TopicPartition) {
        let Some(partition) = self.cluster.partition(name) else { return };
        let min_isr = self.cluster.min_isr_known_to(node, partition);
        let replica = self.cluster.partition_mut(name).copies.known_mut(node);
        if let Some(Replica { leading: Some(leading), high_watermark, acknowledgeable, .. }) =
            replica
            && leading.in_sync >= min_isr
        {
            *acknowledgeable = *high_watermark;
        }
    }

    fn answer(&mut self, at: Moment, name: &TopicPartition, fact: &ReplicationFact) {
        let ReplicationFact::ProduceAnswered { client, acks, last, error, .. } = fact else {
            return;
        };
        if *error == ErrorCode::OutOfOrderSequenceNumber {
            self.cluster.partition_mut(name).refuse(at, *client);
        }
        let Some(partition) = self.cluster.partition(name) else { return };
        let Some(replica) = partition.copies.replica(at.node) else { return };
        let leading = replica.leading.as_ref();
        let answer = Answer {
            acks: *acks,
            error: *error,
            last: *last,
            high_watermark: replica.high_watermark,
            in_sync: leading.map_or(0, |leading| leading.in_sync),
            acknowledgeable: replica.acknowledgeable,
            min_isr: self.cluster.min_isr_known_to(at.node, partition),
        };
        let finding = ack_only_after_commit::check(answer);
        self.findings.note(Promise::AckOnlyAfterCommit, at, Some(name), finding);
    }

    /// A broker knows more of the metadata now. Where that asks for more replicas in sync than before, what it
    /// has committed was committed under the old rule.
    fn apply(&mut self, node: NodeId, to: Offset) {
        for name in self.cluster.raised_unknown_to(node, to) {
            self.settle_commits(node, &name);
        }
        self.cluster.applied.insert(node, to);
    }

    /// A leader has written its ISR down by itself. It learns of that later than a controller may have decided
    /// something on top of it: then it is no news.
    fn write_isr(
        &mut self,
        at: Moment,
        name: &TopicPartition,
        isr: &[NodeId],
        partition_epoch: PartitionEpoch,
    ) {
        let partition = name.clone();
        let is_news = self.cluster.partition_mut(name).partition_epoch < partition_epoch;
        if is_news && self.cluster.partition_mut(name).leader == Some(at.node) {
            let isr = isr.into();
            self.enforce_at_once(
                at,
                &ControllerFact::IsrChanged { partition, isr, partition_epoch },
            );
        }
    }

    /// A broker does what a controller of ZooKeeper mode tells it.
    fn obey(&mut self, at: Moment, fact: &ReplicationFact) {
        let ReplicationFact::ControlRequestTaken {
            api,
            controller,
            controller_epoch,
            meant_for,
            broker_epoch,
        } = fact
        else {
            return;
        };
        let known = self.cluster.obeyed.entry(at.node).or_default();
        let said = control_generation::Said {
            api,
            controller: *controller,
            controller_epoch: *controller_epoch,
            meant_for: *meant_for,
        };
        let finding = control_generation::check(known, said, *broker_epoch);
        self.findings.note(Promise::NoFormerGenerationIsObeyed, at, None, finding);
    }

    fn register(&mut self, at: Moment, epoch: BrokerEpoch) {
        let cluster = &mut self.cluster;
        let (all, last) = (&mut cluster.registrations, &mut cluster.broker_epochs);
        let finding = broker_epoch::check(all, last, at.node, epoch);
        self.findings.note(Promise::BrokerEpochIsMonotonic, at, None, finding);
    }
}

fn match_logs(at: Moment, partition: &mut Partition, findings: &mut Findings) {
    let finding = log_matching::check(&mut partition.copies, at.node)
        .map_err(|breach| breach.permitted(partition.excuse));
    findings.note(Promise::LogMatching, at, Some(&partition.name), finding);
}

/// When the newest leader commits, everyone whom the controller counts as in sync must have it. A member
/// that lost data is not asked until it is admitted anew: the controller learns of its new registration
/// only later (KIP-903). Nor is one that a reassignment takes away, when the leader knows of that already.
fn examine_in_sync(
    at: Moment,
    partition: &Partition,
    to: Offset,
    flushes: bool,
    findings: &mut Findings,
) {
    for replica in partition.in_sync() {
        let (Some(end), false) = (replica.end, replica.lossy) else { continue };
        if partition.moving.goes(replica.node) {
            continue;
        }
        let finding = isr_member_has_committed_records::check(replica.node, end, to);
        let promise = Promise::IsrMemberHasCommittedRecords;
        findings.note(promise, at, Some(&partition.name), finding);
        let flushed = replica.counts_up_to().filter(|_| flushes && !replica.in_danger);
        let Some(flushed) = flushed else { continue };
        let finding = committed_is_flushed::check(replica.node, flushed, to);
        let promise = Promise::CommittedRecordsAreFlushed;
        findings.note(promise, at, Some(&partition.name), finding);
    }
}

/// Whether every member of the ISR must have flushed what is committed now: nobody has from a process that was
/// killed what it may count unflushed.
fn is_flushed_in_sync(partition: &Partition, to: Offset) -> bool {
    let counts_unflushed = |replica: &Replica| {
        let on_platter = replica.flushed.max(replica.start);
        replica.counts_up_to().is_none_or(|counts| on_platter < to && to <= counts)
    };
    !partition.in_sync().any(counts_unflushed)
}
