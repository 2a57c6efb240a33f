//! What servers tell each other while they elect a leader (`FastLeaderElection.Notification`).

use super::Zxid;
use crate::NodeId;
use serde::Serialize;

/// Whom a server would follow. Ordered as `totalOrderPredicate` orders votes: by epoch, then by what is
/// logged, then by the server's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Vote {
    /// The epoch in which that server last had a leader (`currentEpoch`).
    pub peer_epoch: u32,
    /// The last transaction that it has logged.
    pub zxid: Zxid,
    /// The server; its number decides between equals.
    pub leader: NodeId,
}

/// What a server is doing (`QuorumPeer.ServerState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ServerState {
    /// It looks for a leader.
    Looking,
    /// It follows one.
    Following,
    /// It is one.
    Leading,
    /// It follows one without a vote.
    Observing,
}

/// A vote, and what its sender is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Notification {
    /// Whom the sender would follow, or follows; an observer begins with nobody.
    pub vote: Option<Vote>,
    /// The sender's logical clock: which round of voting this belongs to.
    pub round: u64,
    /// What the sender is doing.
    pub state: ServerState,
}

impl Notification {
    /// Bytes on the wire: the fixed part, and the configuration that ZooKeeper sends along.
    pub const SIZE: u32 = 48 + 200;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(peer_epoch: u32, zxid: (u32, u32), leader: u16) -> Vote {
        Vote { peer_epoch, zxid: Zxid::new(zxid.0, zxid.1), leader: NodeId::zookeeper(leader) }
    }

    #[test]
    fn votes_are_ordered_by_epoch_then_zxid_then_server() {
        let sorted =
            [vote(1, (1, 9), 3), vote(2, (1, 1), 1), vote(2, (2, 1), 1), vote(2, (2, 1), 2)];
        assert!(sorted.is_sorted_by(|a, b| a < b));
    }
}
