//! What a server is configured with: `zoo.cfg`, with ZooKeeper's defaults.

use klab_machine::Mutant;
use klab_wire::{NodeId, Span};

/// `zoo.cfg`. Limits are counted in ticks, as there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSetup {
    /// The servers that vote, in the order of their numbers.
    pub participants: Vec<NodeId>,
    /// The servers that do not.
    pub observers: Vec<NodeId>,
    /// `tickTime`: 2 s in `zoo_sample.cfg`.
    pub tick_time: Span,
    /// `initLimit`: how long discovery and synchronisation may take; 10 in `zoo_sample.cfg`.
    pub init_limit: u32,
    /// `syncLimit`: how long a learner may be silent; 5 in `zoo_sample.cfg`.
    pub sync_limit: u32,
    /// `minSessionTimeout`, 2 ticks.
    pub min_session_timeout: Span,
    /// `maxSessionTimeout`, 20 ticks.
    pub max_session_timeout: Span,
    /// `snapCount`: about how many transactions lie between two snapshots; 100,000.
    pub snap_count: u32,
    /// `commitLogCount`: how many committed transactions are kept in memory for learners; 500.
    pub commit_log_count: u32,
    /// `globalOutstandingLimit`: how many requests may be under way; 1,000.
    pub global_outstanding_limit: u32,
    /// `finalizeWait`: how long a server waits for a better vote when it has seen a quorum; 200 ms.
    pub finalize_wait: Span,
    /// The first interval of notifications, 200 ms; it doubles.
    pub min_notification_interval: Span,
    /// The longest interval of notifications, a minute.
    pub max_notification_interval: Span,
    /// How long a snapshot takes to be written while transactions go on: ZooKeeper's are fuzzy.
    pub snapshot_takes: Span,
    /// Which old behaviours it has.
    pub switches: ZooKeeperSwitches,
}

/// Old behaviours, each a defect that was mended (`museum.md`, Z entries).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZooKeeperSwitches {
    /// ZOOKEEPER-3911: a follower acknowledges NEWLEADER before what it was sent with it is on its platter.
    pub acknowledges_before_persisting: bool,
    /// ZOOKEEPER-4643: a follower writes the new epoch down before the transactions that it was sent.
    pub epoch_before_transactions: bool,
    /// ZOOKEEPER-2845: a server that goes looking votes with what it has applied, not with what it has logged.
    pub votes_without_its_log: bool,
    /// ZOOKEEPER-1154: a leader takes a learner's last transaction for its own if its number lies among those that it has
    /// committed.
    pub diff_over_a_foreign_ending: bool,
    /// ZOOKEEPER-3642: what a synchronisation that was not finished has put into memory is not written down.
    pub forgets_unfinished_snapshots: bool,
    /// The first ambiguity of the paper of Zab: a leader proposes to those that have acknowledged NEWLEADER, not to all that
    /// it has counted and brought in line.
    pub proposes_to_the_acknowledged: bool,
    /// The third one: a learner takes what it has acknowledged for committed, not what its leader has committed.
    pub commits_what_it_acknowledged: bool,
}

impl ServerSetup {
    /// `zoo_sample.cfg` for these servers.
    pub fn new(participants: Vec<NodeId>, observers: Vec<NodeId>) -> Self {
        ServerSetup { participants, observers, ..ServerSetup::at(Span::from_secs(2)) }
    }

    /// `zoo_sample.cfg` with another tick.
    pub fn with_tick(self, tick_time: Span) -> Self {
        ServerSetup {
            tick_time,
            min_session_timeout: tick_time.times(2),
            max_session_timeout: tick_time.times(20),
            ..self
        }
    }

    fn at(tick_time: Span) -> Self {
        ServerSetup {
            participants: Vec::new(),
            observers: Vec::new(),
            tick_time,
            init_limit: 10,
            sync_limit: 5,
            min_session_timeout: tick_time.times(2),
            max_session_timeout: tick_time.times(20),
            snap_count: 100_000,
            commit_log_count: 500,
            global_outstanding_limit: 1_000,
            finalize_wait: Span::from_millis(200),
            min_notification_interval: Span::from_millis(200),
            max_notification_interval: Span::from_secs(60),
            snapshot_takes: Span::from_millis(50),
            switches: ZooKeeperSwitches::default(),
        }
    }

    /// These servers are a majority of those that vote (`QuorumMaj.containsQuorum`).
    pub fn is_quorum(&self, servers: impl IntoIterator<Item = NodeId>) -> bool {
        let voting = servers.into_iter().filter(|server| self.is_participant(*server)).count();
        if Mutant::CountsHalfTheEnsemble.lives() {
            return voting * 2 >= self.participants.len();
        }
        voting > self.participants.len() / 2
    }

    /// This server votes.
    pub fn is_participant(&self, server: NodeId) -> bool {
        self.participants.contains(&server)
    }

    /// How long discovery and synchronisation may take.
    pub fn init_timeout(&self) -> Span {
        self.tick_time.times(u64::from(self.init_limit))
    }

    /// How long a learner may be silent.
    pub fn sync_timeout(&self) -> Span {
        self.tick_time.times(u64::from(self.sync_limit))
    }

    /// The session timeout that a client gets that would like this one.
    pub fn session_timeout(&self, wanted: Span) -> Span {
        wanted.clamp(self.min_session_timeout, self.max_session_timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_is_more_than_half_of_those_that_vote() {
        let zookeepers = |numbers: &[u16]| -> Vec<NodeId> {
            numbers.iter().map(|number| NodeId::zookeeper(*number)).collect()
        };
        let setup = ServerSetup::new(zookeepers(&[1, 2, 3, 4]), zookeepers(&[5, 6]));
        for (servers, quorum) in [(&[1, 2][..], false), (&[1, 2, 5, 6], false), (&[1, 2, 3], true)]
        {
            assert_eq!(setup.is_quorum(zookeepers(servers)), quorum, "{servers:?}");
        }
    }
}
