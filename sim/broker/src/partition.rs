//! One replica of a partition on this broker, and what it is at present: leader or follower
//! (`kafka.cluster.Partition`).
//!
//! What only a leader has (the ISR, the followers' progress, who waits for what) lives in its role and
//! is gone with it. How the ISR changes stands in `partition_isr.rs`.
//!
//! Facts: `BecameLeader`, `BecameFollower`, `HighWatermarkAdvanced`.

use crate::fetch_session::{SessionHandle, SessionId};
use crate::high_watermark::{FollowerProgress, high_watermark};
use crate::isr::{BrokerStanding, CommittedState, PartitionState, is_eligible};
use crate::metadata_source::Mode;
use crate::purgatory::{AwaitingCommit, AwaitingLowWatermark, ProduceKey};
use crate::replica::Replica;
use crate::slots::Slot;
use crate::topic_settings::TopicSettings;
use klab_log::Log;
use klab_machine::fact::ReplicationFact;
use klab_machine::{FlushId, Mutant, Outbox};
use klab_metadata::ClusterImage;
use klab_wire::config::Switches;
use klab_wire::config::switches::{LastReplicaStanding, PendingIsrChange};
use klab_wire::{
    BrokerEpoch, ErrorCode, LeaderEpoch, LeaderIdAndEpoch, LeaderRecoveryState, NodeId, Offset,
    PartitionEpoch, PartitionRegistration, Span, Timestamp, TopicIdPartition, TopicPartition,
};
use std::collections::VecDeque;
use std::sync::Arc;

/// A replica of a partition on this broker.
#[derive(Clone, Debug)]
pub struct Partition {
    /// Its log.
    pub log: Log,
    /// How its topic is configured.
    pub settings: Arc<TopicSettings>,
    /// What it is.
    pub role: Role,
    /// Appends whose fsync is under way (`flush.messages`), oldest first.
    pub unflushed: VecDeque<Unflushed>,
    /// Its high watermark moved since high watermarks were written down.
    pub is_to_checkpoint: bool,
    leader_epoch: Option<LeaderEpoch>,
    partition_epoch: Option<PartitionEpoch>,
    watchers: Vec<Watcher>,
}

/// What a replica is.
#[derive(Clone, Debug)]
pub enum Role {
    /// It leads.
    Leader(Leader),
    /// It follows, or waits for a leader.
    Follower {
        /// The leader, if there is one.
        leader: Option<NodeId>,
    },
}

/// What only a leader has.
#[derive(Clone, Debug)]
pub struct Leader {
    /// Where its epoch starts: everything committed by earlier leaders lies below.
    pub epoch_start_offset: Offset,
    /// The end of the log as the high watermark sees it: behind the log's own end while an append waits for its
    /// fsync.
    pub visible_end: Offset,
    /// The in-sync replicas.
    pub state: PartitionState,
    /// The followers.
    pub replicas: Vec<Replica>,
    /// Produce requests that wait for the high watermark, by the offset that they wait for.
    pub awaiting_commit: VecDeque<AwaitingCommit>,
    /// Deletions of records that wait for every live replica's log start.
    pub awaiting_low_watermark: Vec<AwaitingLowWatermark>,
    /// Since when a member of the ISR may lag, if it is [watched](crate::isr_expiration::IsrExpiration).
    pub watched_since: Option<Timestamp>,
}

/// An append that is not acknowledged nor shown before its fsync is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unflushed {
    /// The fsync.
    pub flush: FlushId,
    /// Where the log ended after the append.
    pub end: Offset,
    /// The `acks=1` produce requests to be answered then.
    pub acks: Vec<ProduceKey>,
}

/// A fetch session that wants to know of a partition's moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watcher {
    /// The session.
    pub session: SessionHandle,
    /// Where the session keeps the partition.
    pub slot: Slot,
}

/// What a partition has to know of its broker to decide: who it is, the time, and its own image of the
/// cluster.
#[derive(Clone, Copy, Debug)]
pub struct Local<'a> {
    /// This broker.
    pub broker: NodeId,
    /// Its registration.
    pub epoch: Option<BrokerEpoch>,
    /// Kafka measures lag by the wall clock (`Time.milliseconds`).
    pub now: Timestamp,
    /// `replica.lag.time.max.ms`.
    pub max_lag: Span,
    /// Which old behaviours the broker has.
    pub switches: &'a Switches,
    /// What it knows of the other brokers.
    pub cluster: &'a ClusterImage,
    /// Where it knows that from.
    pub mode: Mode,
}

impl Local<'_> {
    /// What is known of a broker.
    pub fn standing(&self, broker: NodeId) -> BrokerStanding {
        let registration = self.cluster.broker(broker);
        BrokerStanding {
            epoch: registration.map(|r| r.epoch()),
            fenced: registration.is_none_or(|r| r.fenced),
            in_controlled_shutdown: registration.is_some_and(|r| r.in_controlled_shutdown),
        }
    }

    /// A follower may be in the ISR. In ZooKeeper mode it need only be alive: whether it shuts down, or lives
    /// another life by now, the controller has to know (`isReplicaIsrEligible`).
    pub fn is_eligible(&self, replica: &Replica) -> bool {
        match self.mode {
            Mode::Quorum => is_eligible(
                self.standing(replica.broker),
                replica.registration,
                self.switches.ineligible_replicas,
            ),
            Mode::ZooKeeper => self.cluster.broker(replica.broker).is_some(),
        }
    }
}

/// What a change of role brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleChange {
    /// The leader epoch is new: fetching starts anew.
    pub is_new_epoch: bool,
    /// The high watermark moved.
    pub high_watermark_moved: bool,
}

impl Partition {
    /// A replica that has not been told what it is.
    pub fn new(log: Log, settings: Arc<TopicSettings>) -> Self {
        Partition {
            log,
            settings,
            role: Role::Follower { leader: None },
            unflushed: VecDeque::new(),
            is_to_checkpoint: false,
            leader_epoch: None,
            partition_epoch: None,
            watchers: Vec::new(),
        }
    }

    /// The partition, by identity.
    pub fn id(&self) -> TopicIdPartition {
        self.log.partition()
    }

    /// The partition, by name.
    pub fn name(&self) -> &TopicPartition {
        self.log.name()
    }

    /// The leader epoch.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch.unwrap_or_default()
    }

    /// The leader epoch, if the replica has been told what it is.
    pub fn known_leader_epoch(&self) -> Option<LeaderEpoch> {
        self.leader_epoch
    }

    /// The version of the partition's state.
    pub fn partition_epoch(&self) -> PartitionEpoch {
        self.partition_epoch.unwrap_or_default()
    }

    pub(crate) fn set_partition_epoch(&mut self, epoch: PartitionEpoch) {
        self.partition_epoch = Some(epoch);
    }

    /// The leader's part, on the leader.
    pub fn leader(&self) -> Option<&Leader> {
        match &self.role {
            Role::Leader(leader) => Some(leader),
            Role::Follower { .. } => None,
        }
    }

    /// The leader's part, to change it.
    pub fn leader_mut(&mut self) -> Option<&mut Leader> {
        match &mut self.role {
            Role::Leader(leader) => Some(leader),
            Role::Follower { .. } => None,
        }
    }

    /// Who leads, and since when: what a sender that asked the wrong broker is told (KIP-951).
    pub fn leader_id_and_epoch(&self, local: NodeId) -> LeaderIdAndEpoch {
        let leader = match &self.role {
            Role::Leader(_) => Some(local),
            Role::Follower { leader } => *leader,
        };
        LeaderIdAndEpoch { leader, epoch: self.leader_epoch() }
    }

    /// Checks the epoch that a request believes in (`checkCurrentLeaderEpoch`, KIP-320).
    pub fn check_leader_epoch(&self, claimed: Option<LeaderEpoch>) -> Result<(), ErrorCode> {
        match claimed {
            _ if Mutant::IgnoresLeaderEpochs.lives() => Ok(()),
            Some(claimed) if claimed < self.leader_epoch() => Err(ErrorCode::FencedLeaderEpoch),
            Some(claimed) if claimed > self.leader_epoch() => Err(ErrorCode::UnknownLeaderEpoch),
            _ => Ok(()),
        }
    }

    /// Checks that a request may use this log (`getLocalLog`): the epoch first, then the role.
    pub fn check_log(
        &self,
        claimed: Option<LeaderEpoch>,
        only_leader: bool,
    ) -> Result<(), ErrorCode> {
        self.check_leader_epoch(claimed)?;
        match &self.role {
            Role::Follower { .. } if only_leader => Err(ErrorCode::NotLeaderOrFollower),
            _ => Ok(()),
        }
    }

    /// The end of the log as readers see it.
    pub fn visible_end(&self) -> Offset {
        self.leader().map_or(self.log.log_end(), |leader| leader.visible_end)
    }

    /// The fetch sessions that want to know of its moves.
    pub fn watchers(&self) -> &[Watcher] {
        &self.watchers
    }

    /// A fetch session wants to know of its moves.
    pub fn watch(&mut self, watcher: Watcher) {
        if !self.watchers.iter().any(|known| known.session.id == watcher.session.id) {
            self.watchers.push(watcher);
        }
    }

    /// A fetch session, whose last fetch of this partition was at `last`, does not want to know any more.
    pub fn unwatch(&mut self, session: SessionId, last: Timestamp) {
        self.watchers.retain(|watcher| watcher.session.id != session);
        self.make_up_idle_fetches(session, last);
    }

    /// The fetches of the follower that idled in this session, the last of them at `last`, are noted.
    pub fn make_up_idle_fetches(&mut self, session: SessionId, last: Timestamp) {
        let Some(leader) = self.leader_mut() else { return };
        let idle = leader.replicas.iter_mut().find(|replica| replica.idle_in == Some(session));
        if let Some(replica) = idle {
            replica.make_up_idle_fetches(last);
        }
    }

    /// A replica is in the committed ISR of this leader.
    pub fn is_in_isr(&self, replica: NodeId) -> bool {
        self.leader().is_some_and(|leader| leader.state.isr().contains(&replica))
    }

    /// How many replicas an `acks=all` record needs: never more than there are (`effectiveMinIsr`).
    pub fn effective_min_isr(&self) -> u32 {
        let replicas = self.leader().map_or(1, |leader| leader.replicas.len() as u32 + 1);
        self.settings.topic.min_insync_replicas.min(replicas)
    }

    /// The committed ISR is too small (`isUnderMinIsr`).
    pub fn is_under_min_isr(&self) -> bool {
        let min_isr = self.effective_min_isr();
        self.leader().is_some_and(|leader| (leader.state.isr().len() as u32) < min_isr)
    }

    /// Becomes the leader, or stays it with a new state (`makeLeader`). None: the news is old.
    pub fn make_leader(
        &mut self,
        state: &PartitionRegistration,
        local: &Local<'_>,
        out: &mut Outbox,
    ) -> Option<RoleChange> {
        if Some(state.partition_epoch) < self.partition_epoch {
            return None;
        }
        let is_new_leader = self.leader().is_none();
        let is_new_epoch = Some(state.leader_epoch) > self.leader_epoch;
        self.become_leader_role(state, local, out);
        if is_new_epoch {
            self.begin_epoch(state, is_new_leader, local, out);
        }
        self.partition_epoch = Some(state.partition_epoch);
        let high_watermark_moved = self.maybe_advance_high_watermark(local, out);
        Some(RoleChange { is_new_epoch, high_watermark_moved })
    }

    /// Becomes a follower, or stays one (`makeFollower`): with the leader's part that ends, if it led.
    /// None: the news is old.
    pub fn make_follower(
        &mut self,
        state: &PartitionRegistration,
        out: &mut Outbox,
    ) -> Option<(RoleChange, Option<Leader>)> {
        let stays_leader = self.leader().is_some() && Mutant::StaysLeader.lives();
        if Some(state.partition_epoch) < self.partition_epoch || stays_leader {
            return None;
        }
        let is_new_epoch = Some(state.leader_epoch) > self.leader_epoch;
        self.leader_epoch = Some(state.leader_epoch);
        self.partition_epoch = Some(state.partition_epoch);
        let before = std::mem::replace(&mut self.role, Role::Follower { leader: state.leader });
        if is_new_epoch {
            out.state(ReplicationFact::BecameFollower {
                partition: self.name().clone(),
                epoch: state.leader_epoch,
                leader: state.leader,
            });
        }
        let ended = match before {
            Role::Leader(leader) => Some(leader),
            Role::Follower { .. } => None,
        };
        Some((RoleChange { is_new_epoch, high_watermark_moved: false }, ended))
    }

    /// A broker is one of the followers of this leader.
    pub fn has_replica(&self, broker: NodeId) -> bool {
        let replicas = self.leader().map(|leader| &leader.replicas);
        replicas.is_some_and(|replicas| replicas.iter().any(|replica| replica.broker == broker))
    }

    /// The follower with this id, if it is one of the replicas.
    pub fn replica_mut(&mut self, broker: NodeId) -> Option<&mut Replica> {
        self.leader_mut()?.replicas.iter_mut().find(|replica| replica.broker == broker)
    }

    /// Commits more, if enough replicas have it (`maybeIncrementLeaderHW`). Says whether it did.
    pub fn maybe_advance_high_watermark(&mut self, local: &Local<'_>, out: &mut Outbox) -> bool {
        let stands_still = local.switches.last_replica_standing == LastReplicaStanding::Waits
            && self.is_under_min_isr()
            && !Mutant::CommitsUnderMinIsr.lives();
        let Role::Leader(leader) = &self.role else { return false };
        let end = leader.visible_end;
        let progress = |replica: &Replica| FollowerProgress {
            log_end_offset: replica.log_end_offset,
            must_have: leader.state.counts(replica.broker, local.switches.maximal_isr)
                || replica.is_caught_up(end, local.now, local.max_lag)
                    && local.is_eligible(replica),
        };
        let followers = leader.replicas.iter().map(progress);
        let current = self.log.high_watermark();
        let Some(to) = high_watermark(current, end, stands_still, followers) else {
            return false;
        };
        let Some(from) = self.log.advance_high_watermark(to) else { return false };
        out.state(ReplicationFact::HighWatermarkAdvanced {
            partition: self.name().clone(),
            epoch: self.leader_epoch(),
            from,
            to,
        });
        true
    }

    /// The least log start of all live replicas (`lowWatermarkIfLeader`): below it records are gone
    /// everywhere.
    pub fn low_watermark(&self, cluster: &ClusterImage) -> Option<Offset> {
        let alive = self.leader()?.replicas.iter().filter(|r| cluster.is_unfenced(r.broker));
        let own = self.log.log_start();
        // A replica that has not fetched yet has no start, and holds everything back.
        alive.map(|replica| replica.log_start_offset).fold(Some(own), Ord::min)
    }

    /// Takes the role of leader with what the controller says of assignment and ISR
    /// (`updateAssignmentAndIsr`); followers that stay keep what is known of them.
    fn become_leader_role(
        &mut self,
        state: &PartitionRegistration,
        local: &Local<'_>,
        out: &mut Outbox,
    ) {
        // A leader counts as recovered at once: klab's replicas have nothing to recover with.
        let committed = CommittedState {
            isr: state.isr.clone(),
            leader_recovery_state: LeaderRecoveryState::Recovered,
        };
        if let Role::Follower { .. } = self.role {
            let [start, visible] = [self.log.log_end(), self.settled_end()];
            self.role = Role::Leader(Leader::new(start, visible, committed));
            self.assign_replicas(&state.replicas, local.broker);
            return;
        }
        self.assign_replicas(&state.replicas, local.broker);
        // What the leader knows from the answer to its AlterPartition the metadata log tells once more, and
        // by then another change may be pending on top of it. In Kafka this forgets that change
        // (`updateAssignmentAndIsr`): the controller lets a replica in for which the high watermark does not
        // wait, and may elect it.
        let forgets = local.switches.pending_isr_change == PendingIsrChange::Forgotten;
        if forgets || Some(state.partition_epoch) > self.partition_epoch {
            self.commit_state(committed, state.partition_epoch, out);
        }
    }

    fn assign_replicas(&mut self, replicas: &[NodeId], local: NodeId) {
        let Some(leader) = self.leader_mut() else { return };
        leader.replicas.retain(|replica| replicas.contains(&replica.broker));
        for broker in replicas.iter().copied().filter(|broker| *broker != local) {
            if !leader.replicas.iter().any(|replica| replica.broker == broker) {
                leader.replicas.push(Replica::new(broker));
            }
        }
    }

    /// The end of the append that is in its fsync, under the log's lock, which the ones behind it wait for.
    pub fn appended_end(&self) -> Offset {
        let appended = self.unflushed.front().map(|appended| appended.end);
        appended.map_or(self.visible_end(), |end| end.max(self.visible_end()))
    }

    /// The end of what need not wait for an fsync. A follower's append may have one under way when it becomes the
    /// leader: Kafka's change of roles waits for it (`leaderIsrUpdateLock`).
    fn settled_end(&self) -> Offset {
        match self.unflushed.is_empty() {
            true => self.log.log_end(),
            false => self.log.recovery_point().max(self.log.high_watermark()),
        }
    }

    /// A new epoch starts at the end of the log. Saying so in the epoch cache lets followers with records
    /// of later epochs than any of this log's find where to cut (KIP-279).
    fn begin_epoch(
        &mut self,
        state: &PartitionRegistration,
        is_new_leader: bool,
        local: &Local<'_>,
        out: &mut Outbox,
    ) {
        let start = self.log.log_end();
        self.log.assign_epoch_start(state.leader_epoch, start, out);
        self.leader_epoch = Some(state.leader_epoch);
        let Some(leader) = self.leader_mut() else { return };
        leader.epoch_start_offset = start;
        for replica in &mut leader.replicas {
            let in_isr = state.isr.contains(&replica.broker);
            replica.reset(local.now, start, is_new_leader, in_isr);
        }
        out.state(ReplicationFact::BecameLeader {
            partition: self.name().clone(),
            epoch: state.leader_epoch,
            start,
            high_watermark: self.log.high_watermark(),
            isr: state.isr.clone(),
        });
    }
}

impl Leader {
    fn new(start: Offset, visible_end: Offset, committed: CommittedState) -> Self {
        Leader {
            epoch_start_offset: start,
            visible_end,
            state: PartitionState::Committed(committed),
            replicas: Vec::new(),
            awaiting_commit: VecDeque::new(),
            awaiting_low_watermark: Vec::new(),
            watched_since: None,
        }
    }
}
