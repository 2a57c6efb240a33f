//! Which partitions have to be looked at for followers that are out of sync (`ReplicaManager`'s task
//! `isr-expiration`).
//!
//! Kafka looks at all of them, each half of `replica.lag.time.max.ms`. Nearly all of these looks find nothing: a
//! follower that has everything stays in sync until its leader's log moves, and any other one for
//! `replica.lag.time.max.ms` after it was last caught up. So a partition is watched from such a move on, its look is
//! due when that time is over, and it is let go when its followers have everything. The outcome is the same.

use crate::partition::{Leader, Partition};
use klab_wire::{NodeId, Offset, Span, Timestamp, TopicIdPartition};

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct IsrExpiration {
    /// Since when a member of the ISR may not have had everything: what its leader
    /// [notes](Leader::watched_since), or an entry that is out of date. In no order.
    watched: Vec<(Timestamp, TopicIdPartition)>,
}

impl IsrExpiration {
    /// The log of a leader moved away from its followers, or a follower from it. While it is watched this changes
    /// nothing: nobody was last caught up before anybody was.
    #[inline]
    pub fn log_moved(&mut self, partition: &mut Partition, local: NodeId) {
        if partition.leader().is_some_and(|leader| leader.watched_since.is_none()) {
            self.members_changed(partition, local);
        }
    }

    /// The ISR or the replica's role is another.
    pub fn members_changed(&mut self, partition: &mut Partition, local: NodeId) {
        let id = partition.id();
        let Some(leader) = partition.leader_mut() else { return };
        let Some(since) = leader.last_in_sync(local) else { return };
        if leader.watched_since.is_none_or(|noted| since < noted) {
            leader.watched_since = Some(since);
            self.watched.push((since, id));
        }
    }

    /// Takes out what has been watched for longer than this, in the order of the partitions.
    pub fn take_due(
        &mut self,
        now: Timestamp,
        max_lag: Span,
    ) -> Vec<(TopicIdPartition, Timestamp)> {
        let due = self.watched.extract_if(.., |(since, _)| now.since(*since) > max_lag);
        let mut due: Vec<_> = due.map(|(since, id)| (id, since)).collect();
        due.sort_unstable();
        due
    }

    /// A partition was looked at: it is watched on, unless its followers have everything.
    pub fn looked_at(&mut self, partition: &mut Partition, local: NodeId) {
        let Some(leader) = partition.leader_mut() else { return };
        leader.watched_since = None;
        if !leader.is_in_full_sync(local) {
            self.members_changed(partition, local);
        }
    }
}

impl Leader {
    /// The last time at which some member of the ISR is known to have had everything; none if there is no other
    /// member.
    fn last_in_sync(&self, local: NodeId) -> Option<Timestamp> {
        let members = self.state.isr().iter().filter(|member| **member != local);
        let caught_up = |member: &NodeId| {
            let replica = self.replicas.iter().find(|replica| replica.broker == *member);
            replica.map_or(Timestamp(0), |replica| replica.last_caught_up_time)
        };
        members.map(caught_up).min()
    }

    /// Every member of the ISR has everything.
    fn is_in_full_sync(&self, local: NodeId) -> bool {
        let end: Option<Offset> = Some(self.visible_end);
        let mut members = self.state.isr().iter().filter(|member| **member != local);
        members.all(|member| {
            let replica = self.replicas.iter().find(|replica| replica.broker == *member);
            replica.is_some_and(|replica| replica.log_end_offset == end)
        })
    }
}
