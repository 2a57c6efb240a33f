//! How a leader had its ISR changed before KIP-497: it wrote the partition's state down by itself
//! (`ZkAlterPartitionManager`, `ReplicationUtils.updateLeaderAndIsr`).
//!
//! The write is conditional on the version that the leader remembers. If anybody has written since, it fails:
//! "Cached zkVersion not equal to that in zookeeper, skip updating ISR". Until 2.6 the leader tried again and again; here
//! it waits for a LeaderAndIsr with the new version, as in 3.9, which is as much in vain if that has been lost
//! (KAFKA-2729). The controller hears of a change by a numbered znode in `/isr_change_notification`, some seconds later.
//!
//! Facts: `IsrWritten`, `IsrChangeRejected`.

use super::Question;
use crate::Broker;
use crate::metadata_source::MetadataSource;
use klab_machine::fact::ReplicationFact;
use klab_machine::timer::BrokerTimer;
use klab_machine::{Outbox, Timer};
use klab_wire::config::switches::IsrChanges;
use klab_wire::znodes::{
    LeaderAndIsr, LeaderIsrAndControllerEpoch, PartitionsZNode, TopicPartitionStateZNode, path,
};
use klab_wire::zookeeper::{Acl, Answer, CreateMode, Data, KeeperError, Op};
use klab_wire::{
    AlterPartitionData, AlteredPartition, ErrorCode, LeaderRecoveryState, NodeId, Now,
    PartitionEpoch, Span, Time, TopicPartition,
};
use std::collections::BTreeSet;

/// How often to look for changes that the controller has not been told of (`IsrChangePropagationConfig`).
const CHECK: Span = Span::from_millis(2_500);
/// How long to wait for more of them.
const LINGER: Span = Span::from_secs(5);
/// How long at most.
const MAX_DELAY: Span = Span::from_secs(60);

/// The changes that the controller has not been told of.
#[derive(Clone, Debug, Default)]
pub struct IsrWrites {
    changed: BTreeSet<TopicPartition>,
    last_change: Time,
    last_propagation: Time,
}

impl IsrWrites {
    fn note(&mut self, partition: TopicPartition, now: Time) {
        self.changed.insert(partition);
        self.last_change = now;
    }

    /// What to tell now, if it is time.
    fn due(&mut self, now: Time) -> Option<BTreeSet<TopicPartition>> {
        let is_quiet = now.since(self.last_change) > LINGER;
        let is_late = now.since(self.last_propagation) > MAX_DELAY;
        if self.changed.is_empty() || !(is_quiet || is_late) {
            return None;
        }
        self.last_propagation = now;
        Some(std::mem::take(&mut self.changed))
    }
}

impl Broker {
    /// Leaders of this broker write their ISRs down by themselves.
    pub(crate) fn writes_isrs_itself(&self) -> bool {
        matches!(self.source, MetadataSource::ZooKeeper(_))
            && self.switches.isr_changes == IsrChanges::LeaderWrites
    }

    /// Writes an ISR down.
    pub(crate) fn write_isr(&mut self, change: AlterPartitionData, now: Now, out: &mut Outbox) {
        let Some((partition, data)) = self.state_to_write(&change) else { return };
        let version = Some(change.partition_epoch.0);
        let op = Op::SetData { path: path::state(&partition), data, version };
        self.ask(Question::IsrWrite(change), op, now, out);
    }

    pub(super) fn isr_write_answered(
        &mut self,
        change: AlterPartitionData,
        result: Result<Answer, KeeperError>,
        now: Now,
        out: &mut Outbox,
    ) {
        match result {
            Ok(Answer::Stat(stat)) => {
                self.isr_written(&change, PartitionEpoch(stat.version), now, out);
            }
            Err(KeeperError::BadVersion) => self.check_isr(change, now, out),
            _ => self.isr_not_written(&change, now, out),
        }
    }

    /// The version is another one: perhaps by this very write, whose answer was lost with its connection.
    fn check_isr(&mut self, change: AlterPartitionData, now: Now, out: &mut Outbox) {
        let Some((partition, _)) = self.state_to_write(&change) else { return };
        let op = Op::GetData { path: path::state(&partition), watch: false };
        self.ask(Question::IsrCheck(change), op, now, out);
    }

    pub(super) fn isr_checked(
        &mut self,
        change: AlterPartitionData,
        result: Result<Answer, KeeperError>,
        now: Now,
        out: &mut Outbox,
    ) {
        let Some((_, wanted)) = self.state_to_write(&change) else { return };
        match result {
            Ok(Answer::Data { data, stat }) if data == wanted => {
                self.isr_written(&change, PartitionEpoch(stat.version), now, out);
            }
            _ => self.isr_not_written(&change, now, out),
        }
    }

    /// The state with the new ISR. The epoch is that of the controller that chose the leader, not of the present
    /// one.
    fn state_to_write(&mut self, change: &AlterPartitionData) -> Option<(TopicPartition, Data)> {
        let partition = self.replicas.get(change.partition)?.name().clone();
        let leader_and_isr = LeaderAndIsr {
            leader: Some(self.identity.node),
            leader_epoch: change.leader_epoch,
            isr: members(change).into(),
            leader_recovery_state: LeaderRecoveryState::Recovered,
            partition_epoch: change.partition_epoch,
        };
        let controller_epoch = self.zookeeper().control.decided_by(&partition);
        let state = LeaderIsrAndControllerEpoch { leader_and_isr, controller_epoch };
        Some((partition, TopicPartitionStateZNode::encode(&state)))
    }

    fn isr_written(
        &mut self,
        change: &AlterPartitionData,
        version: PartitionEpoch,
        now: Now,
        out: &mut Outbox,
    ) {
        let Some(replica) = self.replicas.get(change.partition) else { return };
        let (partition, isr) = (replica.name().clone(), members(change));
        out.state(ReplicationFact::IsrWritten {
            partition: partition.clone(),
            isr: isr.clone(),
            partition_epoch: version,
        });
        self.zookeeper().isr_writes.note(partition, now.time);
        let altered = AlteredPartition {
            partition: change.partition,
            error: ErrorCode::None,
            leader: Some(self.identity.node),
            leader_epoch: change.leader_epoch,
            isr,
            leader_recovery_state: LeaderRecoveryState::Recovered,
            partition_epoch: version,
        };
        self.isr_write_settled(change, Ok(&altered), now, out);
    }

    fn isr_not_written(&mut self, change: &AlterPartitionData, now: Now, out: &mut Outbox) {
        self.isr_write_settled(change, Err(ErrorCode::InvalidUpdateVersion), now, out);
    }

    fn isr_write_settled(
        &mut self,
        change: &AlterPartitionData,
        outcome: Result<&AlteredPartition, ErrorCode>,
        now: Now,
        out: &mut Outbox,
    ) {
        let local = local!(self, now);
        let Some(partition) = self.replicas.get_mut(change.partition) else { return };
        let settled = partition.alter_partition_answered(change, outcome, &local, out);
        self.isr_change_settled(change.partition, settled, now, out);
    }

    /// From now on it looks from time to time whether there is something to tell.
    pub(super) fn schedule_isr_propagation(&self, out: &mut Outbox) {
        if self.writes_isrs_itself() {
            out.set_timer(Timer::Broker(BrokerTimer::IsrChangePropagation), CHECK);
        }
    }

    /// Tells the controller of the ISRs that this broker has written down (`maybePropagateIsrChanges`).
    pub(crate) fn propagate_isr_changes(&mut self, now: Now, out: &mut Outbox) {
        self.schedule_isr_propagation(out);
        let Some(changed) = self.zookeeper().isr_writes.due(now.time) else { return };
        let data = PartitionsZNode(changed.clone()).encode();
        let (acl, mode) = (Acl::Open, CreateMode::PERSISTENT_SEQUENTIAL);
        let op = Op::Create { path: path::isr_change_notification(), data, acl, mode };
        self.ask(Question::IsrNotification(changed), op, now, out);
    }
}

fn members(change: &AlterPartitionData) -> Vec<NodeId> {
    change.new_isr.iter().map(|member| member.broker).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_controller_is_told_when_it_has_been_quiet_for_five_seconds_or_after_a_minute() {
        let at = |seconds| Time::ZERO + Span::from_secs(seconds);
        let orders = |index| TopicPartition::new("orders", index);
        let mut writes = IsrWrites::default();
        assert_eq!(writes.due(at(100)), None, "there is nothing to tell");
        writes.last_propagation = at(100);
        writes.note(orders(0), at(101));
        assert_eq!(writes.due(at(105)), None, "there may be more");
        assert_eq!(writes.due(at(107)), Some(BTreeSet::from([orders(0)])));
        for second in 107..167 {
            writes.note(orders(1), at(second));
            assert_eq!(writes.due(at(second)), None);
        }
        writes.note(orders(0), at(168));
        assert_eq!(writes.due(at(168)), Some(BTreeSet::from([orders(0), orders(1)])));
    }
}
