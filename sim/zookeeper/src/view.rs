//! What a reader of the lab is shown of a server.

use crate::server::{Role, Server};
use klab_wire::NodeId;
use klab_wire::zookeeper::{ServerState, Zxid};

/// A server, in ZooKeeper's own words (`srvr`, `mntr`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerView {
    /// What it is doing.
    pub state: ServerState,
    /// The leader that it follows, or itself.
    pub leader: Option<NodeId>,
    /// It serves clients.
    pub is_serving: bool,
    /// The highest epoch that it has accepted.
    pub accepted_epoch: u32,
    /// The epoch in which it last had a leader.
    pub current_epoch: u32,
    /// The last transaction that it has applied.
    pub zxid: Zxid,
    /// How many znodes it has.
    pub znodes: u32,
    /// How many sessions there are.
    pub sessions: u32,
    /// How many clients are connected to it.
    pub connections: u32,
    /// The digest of its tree.
    pub tree: u64,
}

impl ServerView {
    pub(crate) fn of(server: &Server) -> Self {
        let core = &server.core;
        let (state, leader) = match &server.role {
            Role::Settling | Role::Looking(..) => (ServerState::Looking, None),
            Role::Learning(learner) if learner.observes => {
                (ServerState::Observing, Some(learner.leader))
            }
            Role::Learning(learner) => (ServerState::Following, Some(learner.leader)),
            Role::Leading(_) => (ServerState::Leading, Some(core.me)),
        };
        ServerView {
            state,
            leader,
            is_serving: core.is_serving,
            accepted_epoch: core.epochs.accepted(),
            current_epoch: core.epochs.current(),
            zxid: core.database.last_processed(),
            znodes: core.database.tree().znodes().len() as u32,
            sessions: core.database.sessions().len() as u32,
            connections: core.clients.len(),
            tree: core.database.tree().digest(),
        }
    }
}
