//! How long a controller takes from its election until it serves.
//!
//! In ZooKeeper mode it is elected with its znode. Then it reads the znodes of everything that there is, and tells every
//! broker what its replicas are (`KafkaController.onControllerFailover`): before that nothing else is decided. In KRaft
//! mode a voter is elected that has the metadata log already, and serves when its first own record is committed.

use klab_machine::fact::{ControllerFact, Fact, RaftFact, ReplicationFact, WorldFact};
use klab_machine::trace::Entry;
use klab_wire::{ControllerEpoch, NodeId, Span, Time};
use std::collections::BTreeSet;

/// Follows the controllers of a run, one after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Takeovers {
    /// The voter that was elected last, and when.
    quorum_leader: Option<(NodeId, Time)>,
    /// The controller of ZooKeeper mode that was elected last, and when.
    elected: Option<(ControllerEpoch, Time)>,
    /// Brokers that it has told what their replicas are, or that came when it was elected already.
    told: BTreeSet<NodeId>,
    last: Option<Span>,
}

impl Takeovers {
    pub(super) fn watch(&mut self, entry: &Entry, fact: &Fact) {
        match fact {
            Fact::Raft(RaftFact::QuorumLeaderElected { .. }) => {
                self.quorum_leader = Some((entry.node, entry.time));
            }
            Fact::Controller(ControllerFact::ControllerActivated { epoch }) => {
                match self.quorum_leader.filter(|(leader, _)| *leader == entry.node) {
                    Some((_, elected)) => self.last = Some(entry.time.since(elected)),
                    None => self.begin(ControllerEpoch(epoch.0), entry.time),
                }
            }
            Fact::World(WorldFact::ProcessStarted { .. }) => drop(self.told.insert(entry.node)),
            Fact::Replication(ReplicationFact::ControlRequestTaken {
                api: "LeaderAndIsr",
                controller_epoch,
                ..
            }) => self.tell(*controller_epoch, entry),
            _ => {}
        }
    }

    /// How long the last controller of the run took, if there was one.
    pub(super) fn last(&self) -> Option<Span> {
        self.last
    }

    fn begin(&mut self, epoch: ControllerEpoch, time: Time) {
        self.elected = Some((epoch, time));
        self.told.clear();
        self.last = None;
    }

    fn tell(&mut self, by: ControllerEpoch, entry: &Entry) {
        if let Some((epoch, elected)) = self.elected
            && epoch == by
            && self.told.insert(entry.node)
        {
            self.last = Some(entry.time.since(elected));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::trace::What;
    use klab_wire::{LeaderEpoch, Offset};

    fn watch(takeovers: &mut Takeovers, millis: u64, node: NodeId, fact: impl Into<Fact>) {
        let (time, fact) = (Time::ZERO + Span::from_millis(millis), fact.into());
        let entry = Entry { step: 0, time, node, what: What::Fact(fact.clone()) };
        takeovers.watch(&entry, &fact);
    }

    fn told(epoch: u32) -> ReplicationFact {
        ReplicationFact::ControlRequestTaken {
            api: "LeaderAndIsr",
            controller: NodeId::broker(1),
            controller_epoch: ControllerEpoch(epoch),
            meant_for: None,
            broker_epoch: None,
        }
    }

    #[test]
    fn in_zookeeper_mode_a_takeover_ends_when_the_last_broker_is_told_that_was_there() {
        let mut takeovers = Takeovers::default();
        let activated = |epoch| ControllerFact::ControllerActivated { epoch: LeaderEpoch(epoch) };
        let [b1, b2, b3] = [1, 2, 3].map(NodeId::broker);
        watch(&mut takeovers, 0, b1, activated(1));
        watch(&mut takeovers, 5, b2, told(1));
        watch(&mut takeovers, 100, b2, activated(2));
        assert_eq!(takeovers.last(), None);
        watch(&mut takeovers, 130, b2, told(2));
        watch(&mut takeovers, 131, b1, told(1));
        watch(&mut takeovers, 140, b1, told(2));
        watch(&mut takeovers, 150, b2, told(2));
        watch(&mut takeovers, 160, b3, WorldFact::ProcessStarted { life: 2 });
        watch(&mut takeovers, 170, b3, told(2));
        assert_eq!(takeovers.last(), Some(Span::from_millis(40)));
    }

    #[test]
    fn in_kraft_mode_it_ends_when_the_elected_voter_is_the_active_controller() {
        let mut takeovers = Takeovers::default();
        let epoch = LeaderEpoch(3);
        let elected = RaftFact::QuorumLeaderElected { epoch, start: Offset(7) };
        watch(&mut takeovers, 10, NodeId::voter(2), elected);
        let activated = ControllerFact::ControllerActivated { epoch };
        watch(&mut takeovers, 12, NodeId::voter(2), activated);
        assert_eq!(takeovers.last(), Some(Span::from_millis(2)));
    }
}
