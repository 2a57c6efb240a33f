//! What a session promises its client: order, a view that never goes back, and that its ephemeral znodes end
//! with it, before anybody learns that it is over.

use super::Look;
use crate::findings::Breach;
use crate::promise::Promise;
use crate::verdict::Moment;
use klab_machine::OperationId;
use klab_machine::operation::KeeperOutcome;
use klab_wire::NodeId;
use klab_wire::zookeeper::{Answer, Op, Path, SessionId, Zxid};
use std::collections::{BTreeMap, BTreeSet};

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    clients: BTreeMap<NodeId, Client>,
    /// The ephemeral znodes that sessions are known to have, and that nobody has tried to delete.
    ephemerals: BTreeMap<SessionId, BTreeSet<Path>>,
    /// What was removed in the last step in which anything was.
    removed: Option<(Moment, BTreeSet<Path>)>,
}

/// A client in one session.
#[derive(Clone, Copy, Debug)]
struct Client {
    session: SessionId,
    /// Its last request that was answered, and what it was shown.
    last: Option<(OperationId, Zxid)>,
}

impl Sessions {
    /// A client has a session, at one server or another.
    pub(super) fn established(&mut self, client: NodeId, session: SessionId) {
        let known = self.clients.entry(client).or_insert(Client { session, last: None });
        if known.session != session {
            *known = Client { session, last: None };
        }
    }

    /// A client has no session any more.
    pub(super) fn forget_client(&mut self, client: NodeId) {
        self.clients.remove(&client);
    }

    /// A request may delete a znode: from here on nobody knows whether it is there.
    pub(super) fn begin(&mut self, _: NodeId, op: &Op) {
        match op {
            Op::Delete { path, .. } => self.ephemerals.values_mut().for_each(|paths| {
                paths.remove(path);
            }),
            Op::Multi(parts) => {
                parts.iter().for_each(|part| self.begin(NodeId::zookeeper(1), part))
            }
            _ => {}
        }
    }

    /// A request was answered: behind those before it, with a state no older than they saw.
    pub(super) fn end(
        &mut self,
        node: NodeId,
        id: OperationId,
        op: &Op,
        outcome: &KeeperOutcome,
    ) -> Option<Look> {
        let (KeeperOutcome::Answered(zxid, _) | KeeperOutcome::Refused(zxid, _)) = outcome else {
            return None;
        };
        let client = self.clients.get_mut(&node)?;
        if let (Op::Create { mode, .. }, KeeperOutcome::Answered(_, Answer::Created { path, .. })) =
            (op, outcome)
            && mode.ephemeral
        {
            self.ephemerals.entry(client.session).or_default().insert(path.clone());
        }
        let before = client.last.replace((id, *zxid));
        let finding = match before {
            Some((earlier, _)) if id < earlier => {
                Err(Breach::of(format!("{node} was answered request {} after {}", id.0, earlier.0)))
            }
            Some((_, seen)) if *zxid < seen => {
                Err(Breach::of(format!("{node} had seen {seen} and is shown {zxid}")))
            }
            _ => Ok(()),
        };
        Some((Promise::ViewNeverGoesBack, finding))
    }

    /// An ephemeral znode went with its session.
    pub(super) fn removed(&mut self, at: Moment, path: &Path, _: SessionId) {
        match &mut self.removed {
            Some((when, paths)) if *when == at => {
                paths.insert(path.clone());
            }
            other => *other = Some((at, BTreeSet::from([path.clone()]))),
        }
    }

    /// A server has learned that a session is over: all its znodes went in the same step.
    pub(super) fn closed(&mut self, at: Moment, session: SessionId) -> Look {
        let removed = self.removed.as_ref().filter(|(when, _)| *when == at);
        let is_gone = |path: &&Path| removed.is_some_and(|(_, paths)| paths.contains(*path));
        let known = self.ephemerals.get(&session);
        let left = known.into_iter().flatten().find(|path| !is_gone(path));
        let finding = match left {
            Some(path) => Err(Breach::of(format!("{session} is over, and {path} is still there"))),
            None => Ok(()),
        };
        (Promise::EphemeralsEndWithTheirSession, finding)
    }
}
