//! How a leader has its ISR changed, and what it makes of the controller's answers
//! (`Partition.maybeExpandIsr`, `maybeShrinkIsr`, `submitAlterPartition`).

use crate::isr::{
    CommittedState, PartitionState, Reaction, SentIsr, is_in_sync, out_of_sync, reaction_to,
};
use crate::partition::{Leader, Local, Partition};
use klab_machine::fact::ReplicationFact;
use klab_machine::{Mutant, Outbox};
use klab_wire::{
    AlterPartitionData, AlteredPartition, ErrorCode, IsrMember, NodeId, Offset, PartitionEpoch,
};
use std::sync::Arc;

/// What became of an AlterPartition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is out of date, or there is nothing to do.
    Settled,
    /// The high watermark moved, because the ISR is another now.
    HighWatermarkMoved,
    /// Ask again.
    Retry(AlterPartitionData),
}

impl Partition {
    /// Asks for a follower to be let in, if it has what it takes (`maybeExpandIsr`).
    pub fn maybe_expand_isr(
        &mut self,
        follower: NodeId,
        local: &Local<'_>,
        out: &mut Outbox,
    ) -> Option<AlterPartitionData> {
        let high_watermark = self.log.high_watermark();
        let leader = self.leader()?;
        if leader.state.is_in_flight() || leader.state.isr().contains(&follower) {
            return None;
        }
        let replica = leader.replicas.iter().find(|replica| replica.broker == follower)?;
        let start = leader.epoch_start_offset;
        let rule = local.switches.isr_admission;
        if !local.is_eligible(replica)
            || !is_in_sync(replica.log_end_offset, high_watermark, start, rule)
        {
            return None;
        }
        let new_isr: Vec<NodeId> = leader.state.isr().iter().copied().chain([follower]).collect();
        let sent = self.sent_isr(&new_isr, local)?;
        out.state(ReplicationFact::IsrExpandRequested {
            partition: self.name().clone(),
            follower,
            partition_epoch: sent.partition_epoch,
        });
        self.await_answer(
            |sent, last_committed| PartitionState::PendingExpandIsr {
                new_in_sync_replica: follower,
                sent,
                last_committed,
            },
            sent,
        )
    }

    /// Asks for members that lag to be dropped (`maybeShrinkIsr`).
    pub fn maybe_shrink_isr(
        &mut self,
        local: &Local<'_>,
        out: &mut Outbox,
    ) -> Option<AlterPartitionData> {
        let lagging = self.lagging(local);
        if lagging.is_empty() {
            return None;
        }
        let state = &self.leader()?.state;
        let new_isr: Vec<NodeId> =
            state.isr().iter().copied().filter(|member| !lagging.contains(member)).collect();
        let sent = self.sent_isr(&new_isr, local)?;
        out.state(ReplicationFact::IsrShrinkRequested {
            partition: self.name().clone(),
            followers: lagging.clone(),
            partition_epoch: sent.partition_epoch,
        });
        self.await_answer(
            |sent, last_committed| PartitionState::PendingShrinkIsr {
                out_of_sync_replicas: lagging,
                sent,
                last_committed,
            },
            sent,
        )
    }

    /// Who has to leave the ISR.
    pub(crate) fn lagging(&self, local: &Local<'_>) -> Vec<NodeId> {
        let Some(Leader { state, replicas, visible_end, .. }) = self.leader() else {
            return Vec::new();
        };
        out_of_sync(state, local.broker, replicas, *visible_end, local.now, local.max_lag)
    }

    /// The controller answered what was asked (`handleAlterPartitionUpdate` and `-Error`).
    pub fn alter_partition_answered(
        &mut self,
        asked: &AlterPartitionData,
        answer: Result<&AlteredPartition, ErrorCode>,
        local: &Local<'_>,
        out: &mut Outbox,
    ) -> Outcome {
        if !self.is_awaiting(asked) && !Mutant::BelievesStaleIsrAnswers.lives() {
            return Outcome::Settled;
        }
        match answer {
            Ok(altered) => self.altered(altered, local, out),
            Err(error) => self.refused(asked, error, out),
        }
    }

    /// The controller's word replaces whatever the leader had.
    pub(crate) fn commit_state(
        &mut self,
        committed: CommittedState,
        partition_epoch: PartitionEpoch,
        out: &mut Outbox,
    ) {
        let isr = committed.isr.clone();
        if Mutant::ForgetsHighWatermark.lives() {
            self.log.update_high_watermark(Offset(0));
        }
        let Some(leader) = self.leader_mut() else { return };
        let before = std::mem::replace(&mut leader.state, PartitionState::Committed(committed));
        self.state_isr_change(before.isr(), &isr, partition_epoch, out);
    }

    fn state_isr_change(
        &self,
        before: &[NodeId],
        isr: &Arc<[NodeId]>,
        partition_epoch: PartitionEpoch,
        out: &mut Outbox,
    ) {
        let partition = || self.name().clone();
        if before.iter().any(|member| !isr.contains(member)) {
            let isr = isr.to_vec();
            out.state(ReplicationFact::IsrShrunk { partition: partition(), isr, partition_epoch });
        }
        if isr.iter().any(|member| !before.contains(member)) {
            let isr = isr.to_vec();
            out.state(ReplicationFact::IsrExpanded {
                partition: partition(),
                isr,
                partition_epoch,
            });
        }
    }

    fn sent_isr(&self, new_isr: &[NodeId], local: &Local<'_>) -> Option<SentIsr> {
        let leader = self.leader()?;
        let epoch_of = |broker: NodeId| match broker == local.broker {
            true => local.epoch,
            // A member that has not fetched yet goes without one: should it die meanwhile, the
            // controller takes it out itself and refuses this change for its old partition epoch.
            false => leader.replicas.iter().find(|r| r.broker == broker)?.registration.epoch(),
        };
        Some(SentIsr {
            isr: new_isr.iter().map(|b| IsrMember { broker: *b, epoch: epoch_of(*b) }).collect(),
            leader_epoch: self.leader_epoch(),
            partition_epoch: self.partition_epoch(),
        })
    }

    fn await_answer(
        &mut self,
        pending: impl FnOnce(SentIsr, CommittedState) -> PartitionState,
        sent: SentIsr,
    ) -> Option<AlterPartitionData> {
        let id = self.id();
        let leader = self.leader_mut()?;
        let committed = leader.state.committed().clone();
        let data = AlterPartitionData {
            partition: id,
            leader_epoch: sent.leader_epoch,
            new_isr: sent.isr.clone(),
            leader_recovery_state: committed.leader_recovery_state,
            partition_epoch: sent.partition_epoch,
        };
        leader.state = pending(sent, committed);
        Some(data)
    }

    /// An answer to anything but the latest question is out of date: an election came between.
    fn is_awaiting(&self, asked: &AlterPartitionData) -> bool {
        let sent = self.leader().and_then(|leader| leader.state.sent());
        sent.is_some_and(|sent| {
            sent.leader_epoch == asked.leader_epoch
                && sent.partition_epoch == asked.partition_epoch
                && sent.isr == asked.new_isr
        })
    }

    fn altered(
        &mut self,
        altered: &AlteredPartition,
        local: &Local<'_>,
        out: &mut Outbox,
    ) -> Outcome {
        let is_stale = altered.leader_epoch != self.leader_epoch()
            || altered.partition_epoch < self.partition_epoch();
        if is_stale && !Mutant::BelievesStaleIsrAnswers.lives() {
            return Outcome::Settled;
        }
        // With the same partition epoch nothing was changed: what was asked is what there is.
        let committed = CommittedState {
            isr: altered.isr.as_slice().into(),
            leader_recovery_state: altered.leader_recovery_state,
        };
        self.set_partition_epoch(altered.partition_epoch);
        self.commit_state(committed, altered.partition_epoch, out);
        match self.maybe_advance_high_watermark(local, out) {
            true => Outcome::HighWatermarkMoved,
            false => Outcome::Settled,
        }
    }

    fn refused(
        &mut self,
        asked: &AlterPartitionData,
        error: ErrorCode,
        out: &mut Outbox,
    ) -> Outcome {
        out.state(ReplicationFact::IsrChangeRejected { partition: self.name().clone(), error });
        match reaction_to(error) {
            Reaction::AwaitMetadata => Outcome::Settled,
            Reaction::Retry => Outcome::Retry(asked.clone()),
            Reaction::BackToCommitted => {
                if let Some(leader) = self.leader_mut() {
                    let committed = leader.state.committed().clone();
                    leader.state = PartitionState::Committed(committed);
                }
                Outcome::Settled
            }
        }
    }
}
